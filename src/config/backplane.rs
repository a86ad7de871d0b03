//! How instances tell each other that the log grew.

use super::Secret;

/// How instances tell each other that the log grew.
#[derive(clap::Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Several instances [backplane]")]
pub struct Backplane {
    /// The Redis through which instances meet: redis://…, rediss://…; several nodes of a cluster with commas between
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis_url: Option<Secret>,
    /// What tells other instances that the log grew, at once; without it they look every 0.4 s. Default: redis with --redis-url, else local
    #[arg(long, env = "CHAINCAST_BACKPLANE", value_name = "KIND")]
    pub backplane: Option<BackplaneKind>,
}

/// What tells other instances that the log grew.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackplaneKind {
    /// Nothing: there is one instance, or the others look for themselves
    Local,
    /// Redis pub/sub
    Redis,
    /// LISTEN and NOTIFY of the Postgres that has the log
    Postgres,
}

impl Backplane {
    /// What tells other instances that the log grew.
    #[must_use]
    pub fn kind(&self) -> BackplaneKind {
        self.backplane.unwrap_or(if self.redis().is_some() { BackplaneKind::Redis } else { BackplaneKind::Local })
    }

    /// Where Redis is; an empty text, as files that leave a variable open give it, is none.
    #[must_use]
    pub fn redis(&self) -> Option<&Secret> {
        self.redis_url.as_ref().filter(|url| !url.expose().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_is_used_where_it_is_named_and_nothing_else_is_asked_for() {
        let kind = |url: Option<&str>, backplane| {
            let redis_url = url.map(|url| url.parse().expect("infallible"));
            Backplane { redis_url, backplane }.kind()
        };
        assert_eq!(kind(Some("redis://a"), None), BackplaneKind::Redis);
        assert_eq!(kind(Some("redis://a"), Some(BackplaneKind::Local)), BackplaneKind::Local);
        assert_eq!((kind(None, None), kind(Some(""), None)), (BackplaneKind::Local, BackplaneKind::Local));
    }
}
