//! What the sequencer tells a shard, and what a shard makes of it.

use std::{collections::VecDeque, sync::Arc};

use super::{Shard, Standing, sweep::Sweep};
use crate::{
    domain::{EpochChain, Seq},
    hub::{Outlet, outlet::SharedFrame},
    trace::Passage,
};

/// News of a log, complete in itself: a shard that missed the ones before finds a hole, and no more than that.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    /// The numberings.
    pub chain: Arc<EpochChain>,
    /// The oldest retained seq.
    pub earliest: Seq,
    /// The lowest seq to which the log was rewound since the last update that this shard got.
    pub fork: Option<Seq>,
    /// The seq before the first of `frames`, or the log's head as far as known.
    pub before: Seq,
    /// Consecutive frames.
    pub frames: Vec<SharedFrame>,
    /// Which of them are of a trace.
    pub passages: Vec<Arc<Passage>>,
}

impl<O: Outlet> Shard<O> {
    /// Takes an update. Must not be called while a dispatch is under way.
    pub(crate) fn on_update(&mut self, update: Update) {
        debug_assert!(!self.is_dispatching());
        let epoch = update.chain.current();
        let was = self.standing.replace(Standing { epoch, chain: update.chain, earliest: update.earliest });
        let mut sweep = Sweep { settled: self.settled, fork: None, hole: None, at: 0, gone: VecDeque::new() };
        if was.is_some()
            && let Some(fork) = update.fork
        {
            sweep.gone = self.ring.truncate(fork);
            sweep.fork = Some(fork);
            self.rewinds = self.rewinds.wrapping_add(1);
            // what comes has the same numbers and is something else
            self.passages.clear();
            self.settled = self.settled.min(fork);
        }
        if was.is_none() || update.before > self.ring.head() {
            // the ring starts anew, and whoever was before that goes back to the log
            sweep.gone.append(&mut self.ring.reset(update.before));
            sweep.hole = Some(update.before);
            self.settled = update.before;
        }
        for frame in update.frames {
            if frame.seq() == self.ring.head().next() {
                self.ring.push(frame);
            }
        }
        self.passages.forget_settled(self.settled);
        if was.is_some() && self.settings.tracer.is_on() {
            self.passages.add(update.passages);
        }
        if was.as_ref().is_none_or(|was| was.epoch != epoch) {
            self.runnable.extend(self.starting.drain(..));
        }
        if was.is_none() {
            // nobody was told anything yet
            self.settled = self.ring.head();
        } else if sweep.fork.is_some() || sweep.hole.is_some() {
            self.sweep = Some(sweep);
        } else {
            self.start_dispatch();
        }
    }
}
