//! What the sequencer tells a shard, and what a shard makes of it.

use std::sync::Arc;

use super::{Shard, Standing};
use crate::{
    domain::{Cursor, EpochChain, Seq},
    hub::{Outlet, outlet::SharedFrame, subscription::Phase},
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
}

impl<O: Outlet> Shard<O> {
    /// Takes an update. Must not be called while a dispatch is under way.
    pub(crate) fn on_update(&mut self, update: Update) {
        debug_assert!(self.dispatch.is_none());
        let epoch = update.chain.current();
        let first_of_all = self.standing.is_none();
        let was = self.standing.replace(Standing { epoch, chain: update.chain, earliest: update.earliest });
        if was.is_some()
            && let Some(fork) = update.fork
        {
            self.rewind(fork);
        }
        if first_of_all || update.before > self.ring.head() {
            self.skip_to(update.before);
        }
        for frame in update.frames {
            if frame.seq() == self.ring.head().next() {
                self.ring.push(frame);
            }
        }
        if first_of_all {
            self.settled = self.ring.head();
        }
        if was.is_none_or(|was| was.epoch != epoch) {
            let starting: Vec<_> =
                self.subs.iter().filter(|(_, sub)| matches!(sub.phase, Phase::Starting(_))).map(|(key, _)| key as u32).collect();
            for key in starting {
                self.begin(key);
            }
        }
        self.start_dispatch();
    }

    /// The log was rewound: forgets frames above the fork, and tells every subscription that had passed it.
    fn rewind(&mut self, fork: Seq) {
        let Some(standing) = &self.standing else { return };
        let epoch = standing.epoch;
        self.ring.truncate(fork);
        let settled = self.settled;
        self.settled = settled.min(fork);
        for (key, sub) in &mut self.subs {
            if matches!(sub.phase, Phase::Starting(_)) {
                continue;
            }
            let c = sub.cursor(settled);
            if c > fork {
                sub.lose_to_rewind(c, Cursor { epoch, seq: fork });
            }
            sub.epoch = epoch;
            sub.walk_from(c.min(fork));
            self.runnable.push_back(key as u32);
        }
    }

    /// A hole: the ring starts anew behind `head`, and whoever was before that goes back to the log.
    fn skip_to(&mut self, head: Seq) {
        self.ring.reset(head);
        let settled = self.settled;
        self.settled = head;
        for (key, sub) in &mut self.subs {
            let c = sub.cursor(settled);
            if sub.is_live() && c < head {
                sub.walk_from(c);
                self.runnable.push_back(key as u32);
            }
        }
    }
}
