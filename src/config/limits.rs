//! How much one client may ask for.

use std::num::NonZeroU32;

use ipnet::IpNet;

/// How much one client may ask for. New work beyond it is refused; what is held is never taken away.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Limits [limits]")]
pub struct Limits {
    /// Connections that one address (IPv6: one /64) may hold at once on one instance; 0: no limit. Does not count in open mode
    #[arg(long, env = "CHAINCAST_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N", default_value_t = Limits::default().max_connections_per_address)]
    pub max_connections_per_address: u32,
    /// Connections that one subject may hold at once, on all instances together if they meet in Redis, else on each; 0: no limit
    #[arg(long, env = "CHAINCAST_MAX_CONNECTIONS_PER_SUBJECT", value_name = "N", default_value_t = Limits::default().max_connections_per_subject)]
    pub max_connections_per_subject: u32,
    /// Connections that one tenant may hold at once on one instance; 0: no limit of its own
    #[arg(long, env = "CHAINCAST_MAX_CONNECTIONS_PER_TENANT", value_name = "N", default_value_t = Limits::default().max_connections_per_tenant)]
    pub max_connections_per_tenant: u32,
    /// New connections a minute from one address, as many of them at once; 0: no limit. Does not count in open mode
    #[arg(long, env = "CHAINCAST_NEW_CONNECTIONS_PER_ADDRESS", value_name = "PER MINUTE", default_value_t = Limits::default().new_connections_per_address)]
    pub new_connections_per_address: u32,
    /// New connections a minute of one subject, as many of them at once; 0: no limit
    #[arg(long, env = "CHAINCAST_NEW_CONNECTIONS_PER_SUBJECT", value_name = "PER MINUTE", default_value_t = Limits::default().new_connections_per_subject)]
    pub new_connections_per_subject: u32,
    /// Refused credentials a minute from one address, after which it is not heard for a while; 0: no limit. Does not count in open mode
    #[arg(long, env = "CHAINCAST_REFUSED_CREDENTIALS_PER_ADDRESS", value_name = "PER MINUTE", default_value_t = Limits::default().refused_credentials_per_address)]
    pub refused_credentials_per_address: u32,
    /// Events a second that one credential may publish; 0: no limit. Does not count in open mode
    #[arg(long, env = "CHAINCAST_PUBLISH_PER_SECOND", value_name = "EVENTS", default_value_t = Limits::default().publish_per_second)]
    pub publish_per_second: u32,
    /// Events a second that one connection is sent; beyond it lags behind and catches up; 0: no limit
    #[arg(long, env = "CHAINCAST_DELIVER_PER_SECOND", value_name = "EVENTS", default_value_t = Limits::default().deliver_per_second)]
    pub deliver_per_second: u32,
    /// Networks of the reverse proxies whose word is taken about where a request came from
    #[arg(long, env = "CHAINCAST_TRUSTED_PROXIES", value_name = "NETWORK,…", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say it: one, so that nobody can choose
    #[arg(long, env = "CHAINCAST_FORWARDED_HEADER", value_name = "NAME", value_enum, default_value_t = ForwardedHeader::XForwardedFor)]
    pub forwarded_header: ForwardedHeader,
}

/// Where proxies name the client.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections_per_address: 1000,
            max_connections_per_subject: 32,
            max_connections_per_tenant: 0,
            new_connections_per_address: 1200,
            new_connections_per_subject: 120,
            refused_credentials_per_address: 120,
            publish_per_second: 20_000,
            deliver_per_second: 0,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
        }
    }
}

impl Limits {
    /// The connections that one tenant may hold at once, if they are limited.
    #[must_use]
    pub fn max_connections_per_tenant(&self) -> Option<usize> {
        usize::try_from(self.max_connections_per_tenant).ok().filter(|max| *max > 0)
    }

    /// The events a second that one connection is sent, if they are limited.
    #[must_use]
    pub fn deliver_per_second(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.deliver_per_second)
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let one = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| one()).map_err(|_| "must be a network such as 10.0.0.0/8, or an address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn networks_and_single_addresses_are_taken() {
        for (text, network_of) in
            [("10.0.0.0/8", "10.0.0.0/8"), (" 127.0.0.1", "127.0.0.1/32"), ("fd00::/8", "fd00::/8"), ("::1", "::1/128")]
        {
            assert_eq!(network(text).expect(text).to_string(), network_of);
        }
        assert!(network("localhost").is_err());
    }
}
