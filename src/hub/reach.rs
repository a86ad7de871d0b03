//! Whether the store can be read: one answer for all logs of an instance, so that an outage is said once and not once a log. And how often holes had to be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::log::LogError;

/// How the last look or read ended.
#[derive(Debug)]
pub(crate) struct Reach {
    is_good: AtomicBool,
    holes: AtomicU64,
}

impl Default for Reach {
    fn default() -> Self {
        Self { is_good: AtomicBool::new(true), holes: AtomicU64::new(0) }
    }
}

impl Reach {
    /// Notes how a look or a read ended; says so once when that changes.
    pub(crate) fn note(&self, outcome: Result<(), &LogError>) {
        let was = self.is_good.swap(outcome.is_ok(), Ordering::AcqRel);
        match (was, outcome) {
            (true, Err(error)) => {
                tracing::warn!(%error, "the log cannot be read: live connections stay, cursors within the ring are served")
            }
            (false, Ok(())) => tracing::info!("the log can be read again"),
            _ => {}
        }
    }

    /// Notes a read because of a hole in what was announced.
    pub(crate) fn count_hole(&self) {
        self.holes.fetch_add(1, Ordering::Relaxed);
    }

    /// How many of them there were.
    pub(crate) fn holes(&self) -> u64 {
        self.holes.load(Ordering::Relaxed)
    }

    /// Whether it succeeded.
    pub(crate) fn is_good(&self) -> bool {
        self.is_good.load(Ordering::Acquire)
    }
}
