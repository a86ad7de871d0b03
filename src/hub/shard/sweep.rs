//! News that concern every subscription: a rewind, or a hole in what the shard was told.
//!
//! They are told in steps. Until the last, nothing is written to those who have not heard: no pump, no visit, no dispatch, and no further update.
//! A page that comes meanwhile is as good as one that came before. Newcomers know already.

use std::collections::VecDeque;

use super::Shard;
use crate::{
    domain::{Cursor, Seq},
    hub::{
        Outlet,
        budget::{FRAME, LOOK},
        index::SubKey,
        outlet::SharedFrame,
        subscription::Phase,
    },
};

/// Steps of a sweep, and what they tell.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Up to where frames were offered before the news.
    pub(super) settled: Seq,
    /// To where the log was rewound.
    pub(super) fork: Option<Seq>,
    /// The other end of the hole.
    pub(super) hole: Option<Seq>,
    /// The next key in the slab.
    pub(super) at: usize,
    /// Frames that the ring has let go of: to free thousands takes its time too.
    pub(super) gone: VecDeque<SharedFrame>,
}

impl<O: Outlet> Shard<O> {
    /// Takes the sweep further, and begins to dispatch after its last step.
    pub(super) fn sweep_slice(&mut self) {
        let Some(mut sweep) = self.sweep.take() else { return };
        loop {
            if sweep.at < self.subs.capacity() {
                self.sweep_one(sweep.at, &sweep);
                sweep.at += 1;
            } else if sweep.gone.pop_front().is_some() {
                self.budget.spend(FRAME);
            } else {
                return self.start_dispatch();
            }
            if self.budget.is_spent() {
                self.sweep = Some(sweep);
                return;
            }
        }
    }

    fn sweep_one(&mut self, at: usize, sweep: &Sweep) {
        self.budget.spend(LOOK);
        let Some(sub) = self.subs.get_mut(at) else { return };
        let c = sub.cursor(sweep.settled);
        if let Some(fork) = sweep.fork
            && sub.rewinds != self.rewinds
        {
            sub.rewinds = self.rewinds;
            let Some(standing) = self.standing.as_ref().filter(|_| !matches!(sub.phase, Phase::Starting(_))) else { return };
            if c > fork {
                sub.lose_to_rewind(c, Cursor { epoch: standing.epoch, seq: fork });
            }
            sub.epoch = standing.epoch;
            sub.walk_from(c.min(fork));
            self.runnable.push_back(at as SubKey);
            self.budget.spend(FRAME);
        } else if sweep.hole.is_some_and(|hole| c < hole) && sub.is_live() {
            sub.walk_from(c);
            self.runnable.push_back(at as SubKey);
        }
    }
}
