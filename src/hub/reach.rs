//! Whether the store can be read: one answer for all logs of an instance, so that an outage is said once and not once a log.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::log::LogError;

/// How the last look or read ended.
#[derive(Debug)]
pub(crate) struct Reach(AtomicBool);

impl Default for Reach {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Reach {
    /// Notes how a look or a read ended; says so once when that changes.
    pub(crate) fn note(&self, outcome: Result<(), &LogError>) {
        let was = self.0.swap(outcome.is_ok(), Ordering::AcqRel);
        match (was, outcome) {
            (true, Err(error)) => {
                tracing::warn!(%error, "the log cannot be read: live connections stay, cursors within the ring are served")
            }
            (false, Ok(())) => tracing::info!("the log can be read again"),
            _ => {}
        }
    }

    /// Whether it succeeded.
    pub(crate) fn is_good(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
