//! Who may ask at all, decided before a body is read.
//!
//! A service on loopback without credentials can still be reached by any web page, by a name that an attacker points to 127.0.0.1 (DNS
//! rebinding), and through a proxy that somebody put in front. So in open mode `Host` must be a name of this machine or configured, forwarded
//! requests are refused, and in every mode a browser's `Origin` must be on the list. Refusals of this middleware carry no CORS headers: they
//! go to those who must not read them. Credentials are not its business.

use std::sync::Arc;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap},
    middleware::Next,
};

use super::{
    code::Code,
    origin::{self, Origins},
    problem::Problem,
};

/// Who the service is open to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// No credentials, this machine only.
    Loopback,
    /// Whoever reaches the port: credentials decide, or the operator accepted the risk.
    Network,
}

/// The rules.
#[derive(Clone, Debug)]
pub struct Guard {
    openness: Openness,
    hosts: Arc<[Box<str>]>,
    origins: Origins,
}

impl Guard {
    /// Rules for a service that also answers to the names `hosts`, without port.
    #[must_use]
    pub fn new<S: AsRef<str>>(openness: Openness, hosts: &[S], origins: Origins) -> Self {
        Self { openness, hosts: hosts.iter().map(|host| host.as_ref().to_ascii_lowercase().into()).collect(), origins }
    }

    /// The origins that CORS is granted to.
    #[must_use]
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The middleware.
    pub(super) async fn check<B: MessageBody>(self, request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
        self.admit(request.headers())?;
        next.call(request).await
    }

    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if self.openness == Openness::Loopback {
            self.admit_host(host)?;
            if headers.keys().any(|name| *name == header::FORWARDED || name.as_str().starts_with("x-forwarded-")) {
                return Err(Problem::new(Code::ForwardedRefused).detail("configure credentials before putting a proxy in front"));
            }
            if is_fetched_for_another_site(headers) {
                return Err(Problem::new(Code::OriginRefused).detail("a page of another site had this fetched"));
            }
        }
        match headers.get(header::ORIGIN) {
            Some(from) if !self.origins.may(from) && !is_own(from.to_str().unwrap_or_default(), host) => {
                Err(Problem::new(Code::OriginRefused).detail("add it to CHAINCAST_ALLOWED_ORIGINS"))
            }
            _ => Ok(()),
        }
    }

    fn admit_host(&self, host: &str) -> Result<(), Problem> {
        let name = origin::host_name(host);
        if origin::is_loopback(name) || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        Err(Problem::new(Code::HostRefused).detail("use a loopback name, or add this one to CHAINCAST_ALLOWED_HOSTS"))
    }
}

/// Whether a page of another site had its browser fetch this without saying who it is, as for an image: it could not read the answer, but where nobody needs
/// a credential the request alone does something. Whoever follows a link is no such page.
fn is_fetched_for_another_site(headers: &HeaderMap) -> bool {
    let says =
        |name: &'static str, word: &str| headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()));
    says("sec-fetch-site", "cross-site") && !says("sec-fetch-mode", "navigate") && !headers.contains_key(header::ORIGIN)
}

/// Refuses what a page of another site sent, whatever the list of origins says: for routes that no page but the service's own may use.
pub(super) fn same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match headers.get(header::ORIGIN) {
        Some(from) if !is_own(from.to_str().unwrap_or_default(), host) => {
            Err(Problem::new(Code::OriginRefused).detail("operators' routes are not for pages"))
        }
        _ => Ok(()),
    }
}

/// Whether a page was served by the host it now asks: browsers send `Origin` with a POST to their own site as well.
fn is_own(origin: &str, host: &str) -> bool {
    !host.is_empty() && origin::authority(origin).is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn ask(openness: Openness, headers: &[(&'static str, &'static str)]) -> Option<Code> {
        let pairs = headers.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let guard = Guard::new(openness, &["chaincast.internal"], Origins::new::<&str>(&[]));
        guard.admit(&pairs.collect()).err().map(|problem| problem.code())
    }

    #[test]
    fn on_loopback_the_host_must_be_a_name_of_this_machine_or_configured() {
        for good in ["localhost:3001", "127.0.0.1", "127.9.9.9:1", "[::1]:3001", "demo.localhost", "Chaincast.internal:80"] {
            assert_eq!(ask(Openness::Loopback, &[("host", good)]), None, "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example:3001", "10.0.0.1", "", "[::1", "[::1]evil.example", "localhost:80@evil.example"]
        {
            assert_eq!(ask(Openness::Loopback, &[("host", bad)]), Some(Code::HostRefused), "{bad}");
        }
        assert_eq!(ask(Openness::Loopback, &[]), Some(Code::HostRefused));
        assert_eq!(ask(Openness::Network, &[("host", "anything.example")]), None);
    }

    #[test]
    fn on_loopback_forwarded_requests_are_refused() {
        for name in ["forwarded", "x-forwarded-for", "x-forwarded-host"] {
            assert_eq!(ask(Openness::Loopback, &[("host", "localhost"), (name, "x")]), Some(Code::ForwardedRefused));
            assert_eq!(ask(Openness::Network, &[("host", "localhost"), (name, "x")]), None);
        }
    }

    #[test]
    fn on_loopback_nothing_is_fetched_for_pages_of_other_sites() {
        let fetched = |openness, mode| ask(openness, &[("host", "localhost"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode)]);
        assert_eq!(fetched(Openness::Loopback, "no-cors"), Some(Code::OriginRefused));
        assert_eq!(fetched(Openness::Loopback, "navigate"), None);
        assert_eq!(fetched(Openness::Network, "no-cors"), None);
        let own = [("host", "localhost"), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")];
        assert_eq!(ask(Openness::Loopback, &own), None);
    }

    #[test]
    fn a_foreign_origin_is_refused_in_every_mode_and_the_services_own_is_not() {
        for openness in [Openness::Loopback, Openness::Network] {
            let from = |host, origin| ask(openness, &[("host", host), ("origin", origin)]);
            assert_eq!(from("localhost:3001", "https://evil.example"), Some(Code::OriginRefused));
            assert_eq!(from("localhost:3001", "null"), Some(Code::OriginRefused));
            assert_eq!(from("localhost:3001", "http://localhost:5173"), None);
            assert_eq!(from("chaincast.internal", "https://chaincast.internal"), None);
        }
    }
}
