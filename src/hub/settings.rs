//! How the hub behaves; every bound of it.

use std::time::Duration;

use super::{CloseReason, RingBounds};
use crate::trace::Tracer;

/// How much longer than others a client waits whose ticket was presented again: it must not fight the newer connection.
const SUPERSEDED_WAITS: u32 = 24;

/// Settings of sequencer, shards and replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What each ring holds.
    pub ring: RingBounds,
    /// The most connections of this instance.
    pub max_connections: usize,
    /// The most connections of one log, where it has no limit of its own. `None`: as many as the instance takes.
    pub max_connections_per_log: Option<usize>,
    /// A silent connection hears something after this at the latest, and after two thirds of it at the earliest.
    pub heartbeat: Duration,
    /// What clients are told to wait before they reconnect, before jitter.
    pub retry: Duration,
    /// A connection that takes nothing for this long is closed.
    pub no_progress: Duration,
    /// A connection older than this is closed, so that load spreads over new instances. `None`: never.
    pub lifetime: Option<Duration>,
    /// A replay that can't read the log for this long is closed.
    pub replay_patience: Duration,
    /// How many pages of replay are read at once, in all.
    pub replay_permits: usize,
    /// How often the store is looked at: what a lost hint costs.
    pub look: Duration,
    /// A log that nobody has followed for this long is held in memory no more.
    pub idle: Duration,
    /// Who is told of dispatches that are steps of traces.
    pub tracer: Tracer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ring: RingBounds::default(),
            max_connections: 16_384,
            max_connections_per_log: None,
            heartbeat: Duration::from_secs(15),
            retry: Duration::from_millis(2500),
            no_progress: Duration::from_secs(60),
            lifetime: None,
            replay_patience: Duration::from_secs(15),
            replay_permits: 4,
            look: Duration::from_millis(400),
            idle: Duration::from_secs(60),
            tracer: Tracer::default(),
        }
    }
}

impl Settings {
    /// How long the connection of this number may last: up to a tenth less than the setting, so that clients which came together do not go,
    /// and come back, together.
    #[must_use]
    pub(crate) fn lifetime_of(&self, connection: u32) -> Option<Duration> {
        // consecutive numbers land far apart (Fibonacci hashing)
        let share = f64::from(connection.wrapping_mul(0x9e37_79b9)) / f64::from(u32::MAX);
        self.lifetime.map(|lifetime| lifetime.mul_f64(1.0 - share / 10.0))
    }

    /// What one client is told to wait, in milliseconds: a quarter more or less than the setting, so that clients which lost the same
    /// instance do not come back in step.
    #[must_use]
    pub fn jittered_retry(&self) -> u32 {
        let base = u32::try_from(self.retry.as_millis()).unwrap_or(u32::MAX / 2).max(4);
        base - base / 4 + fastrand::u32(0..=base / 2)
    }

    /// What a client is told to wait whose stream ends for this reason, in milliseconds.
    #[must_use]
    pub fn retry_after(&self, reason: CloseReason) -> u32 {
        match reason {
            CloseReason::Superseded => self.jittered_retry().saturating_mul(SUPERSEDED_WAITS),
            _ => self.jittered_retry(),
        }
    }
}
