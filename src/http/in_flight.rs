//! How many requests are being handled: what a stop waits for, since idle connections have nothing to lose.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The count, shared by all workers.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<AtomicUsize>);

/// One request; leaves when dropped.
#[derive(Debug)]
pub(super) struct Handled(InFlight);

impl InFlight {
    /// Requests that have not been answered yet.
    #[must_use]
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn enter(self) -> Handled {
        self.0.fetch_add(1, Ordering::AcqRel);
        Handled(self)
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
