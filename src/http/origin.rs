//! Which web pages and which host names may speak to the service.
//!
//! [`Origins`] is asked by the guard, which refuses, and by CORS, which grants; both from one list, so that they cannot differ.

use std::{net::IpAddr, sync::Arc};

use actix_cors::Cors;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
};

use super::{
    admin,
    observe::REQUEST_ID,
    tenancy::REASON,
    traced::{TRACE_PARENT, TRACE_RESPONSE, TRACE_STATE},
};

/// The origins that may use the service from a browser.
#[derive(Clone, Debug)]
pub struct Origins {
    /// `None`: every origin.
    listed: Option<Arc<[Box<str>]>>,
}

impl Origins {
    /// From settings; `*` is every origin. An empty list is the default: loopback origins, at any port.
    #[must_use]
    pub fn new<S: AsRef<str>>(listed: &[S]) -> Self {
        if listed.iter().any(|origin| origin.as_ref() == "*") {
            return Self { listed: None };
        }
        let normal = |origin: &S| origin.as_ref().trim_end_matches('/').to_ascii_lowercase().into();
        Self { listed: Some(listed.iter().map(normal).collect()) }
    }

    /// Whether a page of this origin may use the service. `null` (files, sandboxed frames) is nobody's and never may, but for `*`.
    #[must_use]
    pub fn may(&self, origin: &HeaderValue) -> bool {
        let Some(listed) = &self.listed else { return true };
        let Some(origin) = origin.to_str().ok().filter(|origin| *origin != "null") else { return false };
        if !listed.is_empty() {
            return listed.iter().any(|known| known.eq_ignore_ascii_case(origin));
        }
        authority(origin).is_some_and(|authority| is_loopback(host_name(authority)))
    }

    /// Whether the list has this very origin: its pages may use cookies. `*` and the default name nobody.
    #[must_use]
    pub fn is_named(&self, origin: &HeaderValue) -> bool {
        self.listed.as_ref().is_some_and(|listed| !listed.is_empty()) && self.may(origin)
    }

    /// CORS for every answer but operators', errors included. Cookies are granted round it, because not every origin that may ask may use them.
    pub fn cors(&self) -> Cors {
        let origins = self.clone();
        Cors::default()
            .allowed_origin_fn(move |origin, head| origins.may(origin) && !admin::is_below(head.uri.path()))
            .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
            .allowed_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::HeaderName::from_static("last-event-id"),
                REQUEST_ID,
                REASON,
                TRACE_PARENT,
                TRACE_STATE,
            ])
            .expose_headers([header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::ALLOW, REQUEST_ID, TRACE_RESPONSE])
            .max_age(3600)
    }

    /// The middleware round CORS: lets pages of named origins use cookies.
    pub(super) async fn allow_cookies<B: MessageBody>(self, request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
        let named = request.headers().get(header::ORIGIN).is_some_and(|origin| self.is_named(origin));
        let allow = move |headers: &mut HeaderMap| {
            if named && headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        };
        match next.call(request).await {
            Ok(mut answer) => {
                allow(answer.headers_mut());
                Ok(answer)
            }
            Err(mut error) => {
                error.add_response_mapper(move |mut response| {
                    allow(response.headers_mut());
                    response
                });
                Err(error)
            }
        }
    }
}

/// The part of an origin behind the scheme.
#[must_use]
pub fn authority(origin: &str) -> Option<&str> {
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
}

/// The host of `host`, `host:port` or `[v6]:port`, without brackets; what is none of these stays whole, and so matches nothing.
#[must_use]
pub fn host_name(authority: &str) -> &str {
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return if rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port) { host } else { authority };
    }
    authority.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(authority, |(host, _)| host)
}

/// Whether a host name always means this machine: `localhost`, `*.localhost` (RFC 6761), 127.0.0.0/8, ::1.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.is_loopback();
    }
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(listed: &[&str], origin: &'static str) -> bool {
        Origins::new(listed).may(&HeaderValue::from_static(origin))
    }

    #[test]
    fn pages_of_this_machine_may_by_default_and_no_others() {
        for good in ["http://localhost:5173", "https://localhost", "http://app.localhost", "http://127.0.0.1:8080", "http://[::1]:3001"] {
            assert!(may(&[], good), "{good}");
        }
        for bad in [
            "null",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://evil.example:80",
            "http://localhost:x@evil.example",
            "file://localhost",
            "localhost",
            "",
        ] {
            assert!(!may(&[], bad), "{bad}");
        }
    }

    #[test]
    fn a_list_replaces_the_default() {
        assert!(may(&["https://app.example"], "https://app.example"));
        assert!(may(&["https://App.example/"], "https://app.example"));
        assert!(!may(&["https://app.example"], "http://app.example"));
        assert!(!may(&["https://app.example"], "http://localhost"));
        assert!(!may(&["null"], "null"));
        assert!(may(&["*"], "https://anything.example"));
    }

    #[test]
    fn only_an_origin_that_stands_in_the_list_is_named() {
        let is_named = |listed: &[&str], origin: &'static str| Origins::new(listed).is_named(&HeaderValue::from_static(origin));
        assert!(is_named(&["https://app.example"], "https://app.example"));
        assert!(!is_named(&["https://app.example"], "https://other.example"));
        assert!(!is_named(&[], "http://localhost:5173"));
        assert!(!is_named(&["*"], "https://app.example"));
        assert!(!is_named(&["*", "https://app.example"], "https://app.example"));
        assert!(!is_named(&["null"], "null"));
    }
}
