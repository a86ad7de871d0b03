//! Settings that are fine alone and unwise together: allowed, and told at start and by `chaincast config check`.

use super::{BackplaneKind, Config};

/// Networks larger than these, for IPv4 and IPv6, are no one's proxies.
const WIDEST: (u8, u8) = (8, 16);

impl Config {
    /// What is allowed and unwise, a sentence each; each says what to change.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let (mut warnings, limits) = (Vec::new(), &self.limits);
        let mut warn = |is_unwise: bool, text: &str| warnings.extend(is_unwise.then(|| text.to_owned()));
        warn(
            self.backplane.kind() != BackplaneKind::Redis && self.backplane.redis().is_some(),
            "REDIS_URL is not used, since CHAINCAST_BACKPLANE names something else: limits count on each instance alone",
        );
        warn(
            self.server.admin_listen.is_some_and(|listen| !listen.ip().is_loopback()),
            "CHAINCAST_ADMIN_LISTEN is an address that others reach, and /metrics asks for no credential there: let a firewall keep it to operators",
        );
        warn(
            self.access.origins().len() > 1 && self.access.origins().contains(&"*"),
            "CHAINCAST_ALLOWED_ORIGINS has `*`, so the other origins in it make no difference, and no page may use cookies: leave `*` out",
        );
        let is_wide = |network: &ipnet::IpNet| {
            let widest = if network.addr().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
            (1..widest).contains(&network.prefix_len())
        };
        warn(
            limits.trusted_proxies.iter().any(is_wide),
            "CHAINCAST_TRUSTED_PROXIES has a very large network, and each of its machines may say that it is any client: name your proxies' own",
        );
        warn(
            limits.max_connections_per_tenant().is_some_and(|max| max > self.hub.max_connections),
            "CHAINCAST_MAX_CONNECTIONS_PER_TENANT is more than CHAINCAST_MAX_CONNECTIONS, and never reached",
        );
        warn(
            self.log.retention_days.is_some_and(|days| days > self.log.dedupe_days),
            "CHAINCAST_DEDUPE_DAYS is less than CHAINCAST_RETENTION_DAYS, and ids are known for as long as events are kept all the same",
        );
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_wise() {
        assert_eq!(Config::default().warnings(), [""; 0]);
    }

    #[test]
    fn what_is_unwise_together_is_told_by_name() {
        let told = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            assert_eq!(config.check(), Ok(()), "allowed");
            config.warnings().join("\n")
        };
        let redis = told(|config| {
            config.backplane.redis_url = Some("redis://h".parse().expect("infallible"));
            config.backplane.backplane = Some(BackplaneKind::Local);
        });
        assert!(redis.contains("REDIS_URL is not used"), "{redis}");
        assert!(told(|config| config.server.admin_listen = "0.0.0.0:9".parse().ok()).contains("CHAINCAST_ADMIN_LISTEN"));
        assert_eq!(told(|config| config.server.admin_listen = "127.0.0.1:9".parse().ok()), "");
        assert!(told(|config| config.access.allowed_origins = vec!["*".into(), "https://a".into()]).contains("CHAINCAST_ALLOWED_ORIGINS"));
        assert!(
            told(|config| config.limits.trusted_proxies = vec!["0.0.0.0/1".parse().expect("a network")])
                .contains("CHAINCAST_TRUSTED_PROXIES")
        );
        assert_eq!(told(|config| config.limits.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")]), "");
        assert!(told(|config| config.limits.max_connections_per_tenant = 1_000_000).contains("PER_TENANT"));
        assert!(told(|config| config.log.retention_days = Some(31)).contains("CHAINCAST_DEDUPE_DAYS"));
    }
}
