//! What every thread may know of a log without asking for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use arc_swap::ArcSwap;

use crate::{
    domain::{EpochChain, Seq},
    log::LogError,
};

/// A log as the sequencer last saw it: enough to place a cursor of the current numbering without a query.
#[derive(Debug)]
pub struct View {
    chain: ArcSwap<EpochChain>,
    position: AtomicU64,
    earliest: AtomicU64,
    reachable: AtomicBool,
    stashed: AtomicUsize,
}

impl View {
    pub(crate) fn new(chain: EpochChain) -> Self {
        Self {
            chain: ArcSwap::from_pointee(chain),
            position: AtomicU64::new(0),
            earliest: AtomicU64::new(1),
            reachable: AtomicBool::new(true),
            stashed: AtomicUsize::new(0),
        }
    }

    pub(crate) fn store(&self, chain: &Arc<EpochChain>, position: Seq, earliest: Seq, stashed: usize) {
        if !Arc::ptr_eq(&self.chain.load(), chain) {
            self.chain.store(chain.clone());
        }
        self.position.store(position.get(), Ordering::Release);
        self.earliest.store(earliest.get(), Ordering::Release);
        self.stashed.store(stashed, Ordering::Relaxed);
    }

    /// Notes how the last look at the log ended; says so once when that changes.
    pub(crate) fn note_look(&self, outcome: Result<(), &LogError>) {
        let was = self.reachable.swap(outcome.is_ok(), Ordering::AcqRel);
        match (was, outcome) {
            (true, Err(error)) => {
                tracing::warn!(%error, "the log cannot be read: live connections stay, cursors within the ring are served")
            }
            (false, Ok(())) => tracing::info!("the log can be read again"),
            _ => {}
        }
    }

    /// The numberings.
    #[must_use]
    pub fn chain(&self) -> Arc<EpochChain> {
        self.chain.load_full()
    }

    /// The newest event that was handed to the shards.
    #[must_use]
    pub fn position(&self) -> Seq {
        Seq::new(self.position.load(Ordering::Acquire))
    }

    /// The oldest retained event.
    #[must_use]
    pub fn earliest(&self) -> Seq {
        Seq::new(self.earliest.load(Ordering::Acquire))
    }

    /// Whether the last look at the log succeeded.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Acquire)
    }

    /// How many frames wait behind a hole.
    #[must_use]
    pub fn stashed(&self) -> usize {
        self.stashed.load(Ordering::Relaxed)
    }
}
