//! What every thread may know of a log without asking for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use arc_swap::ArcSwap;

use super::track::Track;
use crate::domain::{EpochChain, Seq};

/// Where a log's sequencer stood before a look was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// How often what had been asked became void until then: where a look from before the last time found the log is no measure.
    pub(crate) turn: u32,
    /// Everything up to here was handed on; may be too low, never too high.
    pub(crate) position: Seq,
}

/// A log as the sequencer last saw it: enough to place a cursor of the current numbering without a query.
#[derive(Debug)]
pub struct View {
    chain: ArcSwap<EpochChain>,
    position: AtomicU64,
    turn: AtomicU32,
    earliest: AtomicU64,
    reachable: AtomicBool,
    stashed: AtomicUsize,
}

impl View {
    pub(crate) fn new(chain: EpochChain) -> Self {
        Self {
            chain: ArcSwap::from_pointee(chain),
            position: AtomicU64::new(0),
            turn: AtomicU32::new(0),
            earliest: AtomicU64::new(1),
            reachable: AtomicBool::new(true),
            stashed: AtomicUsize::new(0),
        }
    }

    pub(crate) fn store(&self, track: &Track) {
        if !Arc::ptr_eq(&self.chain.load(), track.chain()) {
            self.chain.store(track.chain().clone());
        }
        self.position.store(track.position().get(), Ordering::Release);
        // behind the position: see `asked`
        self.turn.store(track.turn(), Ordering::Release);
        self.earliest.store(track.earliest().get(), Ordering::Release);
        self.stashed.store(track.stashed(), Ordering::Relaxed);
    }

    /// Notes whether the last look or read of this log succeeded.
    pub(crate) fn set_reachable(&self, reachable: bool) {
        self.reachable.store(reachable, Ordering::Release);
    }

    /// What a look has to remember that is asked for now.
    pub(crate) fn asked(&self) -> Asked {
        // the count first: a position from before a rewind then comes with the count from before it
        let turn = self.turn.load(Ordering::Acquire);
        Asked { turn, position: self.position() }
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

    /// Whether the last look at the log, or read of it, succeeded.
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
