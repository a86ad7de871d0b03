//! Subscriptions: how many, how much is held for them, and when they are spoken to or closed.

use std::time::Duration;

use super::positive;
use crate::domain::Filter;

/// Subscriptions: how many, how much is held for them, and when they are spoken to or closed.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Subscriptions [hub]")]
pub struct Hub {
    /// Connections in all; more are refused, none is evicted
    #[arg(long, env = "CHAINCAST_MAX_CONNECTIONS", value_name = "N", value_parser = positive, default_value_t = Hub::default().max_connections)]
    pub max_connections: usize,
    /// Tenants that one instance serves; each has a log of its own
    #[arg(long, env = "CHAINCAST_MAX_TENANTS", value_name = "N", value_parser = positive, default_value_t = Hub::default().max_tenants)]
    pub max_tenants: usize,
    /// Selectors of one filter
    #[arg(long, env = "CHAINCAST_MAX_SELECTORS", value_name = "N", value_parser = positive, default_value_t = Hub::default().max_selectors)]
    pub max_selectors: usize,
    /// Newest events held in memory, from which a reconnect costs no query
    #[arg(long, env = "CHAINCAST_RING_EVENTS", value_name = "N", value_parser = positive, default_value_t = Hub::default().ring_events)]
    pub ring_events: usize,
    /// Bytes that these may hold
    #[arg(long, env = "CHAINCAST_RING_BYTES", value_name = "BYTES", value_parser = positive, default_value_t = Hub::default().ring_bytes)]
    pub ring_bytes: usize,
    /// After how many seconds of silence, at the latest, something is written
    #[arg(long, env = "CHAINCAST_HEARTBEAT_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400), default_value_t = Hub::default().heartbeat_seconds)]
    pub heartbeat_seconds: u64,
    /// After how many milliseconds, about, a client that lost its connection comes back
    #[arg(long, env = "CHAINCAST_RETRY_MILLISECONDS", value_name = "MILLISECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3_600_000), default_value_t = Hub::default().retry_milliseconds)]
    pub retry_milliseconds: u64,
    /// After how many seconds a connection that takes nothing is closed
    #[arg(long, env = "CHAINCAST_NO_PROGRESS_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400), default_value_t = Hub::default().no_progress_seconds)]
    pub no_progress_seconds: u64,
    /// After how many seconds, about, a connection is asked to come back; 0: never
    #[arg(long, env = "CHAINCAST_LIFETIME_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(..=31_536_000), default_value_t = Hub::default().lifetime_seconds)]
    pub lifetime_seconds: u64,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_tenants: 1000,
            max_selectors: Filter::DEFAULT_MAX_SELECTORS,
            ring_events: 8192,
            ring_bytes: 16 * 1024 * 1024,
            heartbeat_seconds: 15,
            retry_milliseconds: 2500,
            no_progress_seconds: 60,
            lifetime_seconds: 0,
        }
    }
}

impl Hub {
    /// After which silence something is written.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_seconds)
    }

    /// The middle of the jittered `retry:`.
    #[must_use]
    pub fn retry(&self) -> Duration {
        Duration::from_millis(self.retry_milliseconds)
    }

    /// When a connection that takes nothing is closed.
    #[must_use]
    pub fn no_progress(&self) -> Duration {
        Duration::from_secs(self.no_progress_seconds)
    }

    /// When a connection is asked to come back, if ever.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        (self.lifetime_seconds > 0).then(|| Duration::from_secs(self.lifetime_seconds))
    }
}
