//! From which address a request came: what limits are counted by.
//!
//! A proxy's word is taken only from configured networks, and only in the one header that they are configured to set: whoever could choose between two
//! headers would choose the one that the proxy hands through. The list is read from its end, and the first address that is not a
//! proxy's own is the client.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Once},
};

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap, HeaderName},
};
use ipnet::IpNet;

/// The header in which the proxies name the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, which most proxies set.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Whose word is taken about where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Their networks.
    pub trusted: Vec<IpNet>,
    /// Where they say it.
    pub header: ForwardedBy,
}

/// How clients are told apart.
#[derive(Clone)]
pub struct Clients {
    proxies: Arc<Proxies>,
    /// Whether there is only one: an open service serves this machine.
    one_machine: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

impl Clients {
    /// By address, behind `proxies`; all are one for as long as `one_machine` says so.
    #[must_use]
    pub fn new(proxies: Proxies, one_machine: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { proxies: Arc::new(proxies), one_machine: Arc::new(one_machine) }
    }

    /// Who a request is counted for.
    #[must_use]
    pub fn of(&self, request: &HttpRequest) -> Option<ClientNet> {
        let (proxies, peer) = (&self.proxies, request.peer_addr().filter(|_| !(self.one_machine)())?);
        if proxies.ignores(peer.ip(), request.headers()) {
            static TOLD: Once = Once::new();
            TOLD.call_once(|| {
                tracing::warn!(
                    "requests name another client in a header that is not believed, so whoever forwards them is counted as one client: \
                     if that is a proxy of yours, name its network in CHAINCAST_TRUSTED_PROXIES"
                );
            });
        }
        Some(ClientNet::of(proxies.client(peer.ip(), request.headers())))
    }
}

/// Who is counted as one client: an IPv4 address, or an IPv6 network of 64 bits, since that is what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientNet(IpAddr);

impl Proxies {
    /// The client behind a connection from `peer`.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trust(client) {
            return client;
        }
        // several headers of one name are one list (RFC 9110 §5.3)
        let values: Vec<&str> = headers.get_all(self.header.name()).map(|value| value.to_str().unwrap_or_default()).collect();
        for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
            // what cannot be read was not written by a proxy of ours: the last address that was is all that is known
            let Some(address) = self.header.address(entry) else { break };
            client = address.to_canonical();
            if !self.trust(client) {
                break;
            }
        }
        client
    }

    /// Whether the word of `address` is taken.
    #[must_use]
    pub fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// Whether someone whose word is not taken says that the request came from elsewhere: a proxy that nobody configured.
    #[must_use]
    pub fn ignores(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        !self.trust(peer.to_canonical()) && headers.contains_key(self.header.name())
    }
}

impl ForwardedBy {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }

    fn address(self, entry: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => parse_address(entry.trim()),
            Self::Forwarded => {
                let mut pairs = entry.split(';').filter_map(|pair| pair.trim().split_once('='));
                let (_, node) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
                parse_address(node.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')).unwrap_or(node))
            }
        }
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = bare.map(|inner| inner.parse::<Ipv6Addr>().map(IpAddr::V6));
    bare.unwrap_or_else(|| text.parse()).ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

impl ClientNet {
    /// The one that `address` belongs to.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(header: ForwardedBy, peer: &str, lines: &[(&'static str, &'static str)]) -> String {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect(network)).to_vec();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Proxies { trusted, header }.client(peer.parse().expect(peer), &headers).to_string()
    }

    #[test]
    fn only_configured_proxies_are_believed() {
        let lines = &[("x-forwarded-for", "203.0.113.7")];
        assert_eq!(client(ForwardedBy::XForwardedFor, "198.51.100.1", lines), "198.51.100.1");
        assert_eq!(client(ForwardedBy::XForwardedFor, "10.0.0.1", lines), "203.0.113.7");
        assert_eq!(client(ForwardedBy::XForwardedFor, "::ffff:10.0.0.1", lines), "203.0.113.7");
        assert_eq!(client(ForwardedBy::XForwardedFor, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_the_client_itself_wrote_in_front_is_not_believed() {
        for line in ["1.1.1.1, 203.0.113.7", "garbage, 203.0.113.7", "127.0.0.1,203.0.113.7 , 10.0.0.9", "203.0.113.7,10.0.0.8,127.0.0.1"] {
            let header = HeaderValue::from_static(line);
            let lines = &[("x-forwarded-for", line)];
            assert_eq!(client(ForwardedBy::XForwardedFor, "10.0.0.1", lines), "203.0.113.7", "{header:?}");
        }
        let two = &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(client(ForwardedBy::XForwardedFor, "10.0.0.1", two), "203.0.113.7");
        // nothing readable behind the proxy: the proxy itself is counted
        assert_eq!(client(ForwardedBy::XForwardedFor, "10.0.0.1", &[("x-forwarded-for", "unknown")]), "10.0.0.1");
    }

    #[test]
    fn the_other_header_is_not_looked_at() {
        let lines = &[("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=198.51.100.9")];
        assert_eq!(client(ForwardedBy::XForwardedFor, "10.0.0.1", lines), "203.0.113.7");
        assert_eq!(client(ForwardedBy::Forwarded, "10.0.0.1", lines), "198.51.100.9");
    }

    #[test]
    fn forwarded_is_read_in_every_spelling_of_its_rfc() {
        for line in
            ["for=203.0.113.7", "For=\"203.0.113.7:47011\";proto=https", "by=10.0.0.1; for=203.0.113.7", "for=1.1.1.1, for=203.0.113.7"]
        {
            let lines = &[("forwarded", line)];
            assert_eq!(client(ForwardedBy::Forwarded, "10.0.0.1", lines), "203.0.113.7", "{line}");
        }
        assert_eq!(client(ForwardedBy::Forwarded, "fd00::1", &[("forwarded", "for=\"[2001:db8::1]:4711\"")]), "2001:db8::1");
    }

    #[test]
    fn an_ipv6_customer_is_one_client() {
        let net = |text: &str| ClientNet::of(text.parse().expect(text));
        assert_eq!(net("2001:db8:1:2::1"), net("2001:db8:1:2:ffff::9"));
        assert_ne!(net("2001:db8:1:2::1"), net("2001:db8:1:3::1"));
        assert_eq!(net("::ffff:192.0.2.1"), net("192.0.2.1"));
        assert_ne!(net("192.0.2.1"), net("192.0.2.2"));
    }
}
