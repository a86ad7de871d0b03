//! One worker's part of one log: ring, index, and the subscriptions of the connections that the worker holds.
//!
//! A state machine without IO or locks of its own, and with a clock only for the end of a slice and for latencies: updates, pages, wake-ups and the time come in
//! by calls, asks for pages go out through [`Shard::take_asks`]. The worker's task ([`super::worker`]) calls it in slices and yields between them. The invariants:
//!
//! 1. `ring.start..=ring.head`, and `settled ≤ head`: offered to every live subscription. Per subscription a cursor `c`: every match ≤ `c` is on
//!    the socket or in its outlet's one pinned, part-written frame.
//! 2. An update arrives only between dispatches: seqs ≤ head are dropped; a hole resets the ring, and whoever had not passed it replays. What a
//!    rewind or a hole means to each subscription is told in steps ([`sweep`]), before anything else happens to it.
//! 3. Dispatch goes group by group, and within a group step by step; `settled` moves after a group's last step. Subscriptions whose floor has
//!    passed a frame are not offered it: newcomers, whose floor is the head, may come at any step.
//! 4. A live subscription stores only its floor; `c = max(floor, settled)`. Blocked before the match at seq: `c = seq − 1`, and it walks.
//! 5. Subscribing is one synchronous step: behind the ring → replay from the log; else walk the ring.
//! 6. A walk writes the matches in `(c, head]`; reaching the head without being interrupted makes it live, and `hub.live` is told once.
//! 7. `c > head` is legal (another shard or instance is ahead): live with that floor.
//! 8. Replay: ask for a page, then write what is behind `c`; a page that begins behind `earliest` tells the gap first; `c` moves to the page's end.
//! 9. Whoever finds that the ring no longer covers `c` replays. Every id without an event is `c`, never the head.
//! 10. A slice ends by its count or its time ([`super::budget`]), whatever it is at; updates and ticks only note what is to be done. Keys into the
//!     slab are stable; what a slice collected is checked again when it is used, so slices may interleave with anything.
//! 11. Nothing is told to a subscription whose right is over but why it ends: it is asked before each write. Those without a right end together. One that has used up its pace walks,
//!     or pages, from where it stands as if it were blocked, and goes on at its alarm ([`terms`]).
//!
//! **No part of a shard's work keeps its thread for longer than about a millisecond** (`no_slice_writes_more_than_its_budget`,
//! `a_tick_alone_writes_nothing_and_slices_send_its_heartbeats`, `one_event_for_one_stream_looks_at_no_other_subscription`).

mod deliver;
mod dispatch;
mod lifecycle;
mod passages;
mod sweep;
mod terms;
mod time;
mod update;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use slab::Slab;

pub(crate) use time::TICK;
pub(crate) use update::Update;

use self::{dispatch::Dispatch, passages::Passages, sweep::Sweep, terms::Unowned, time::Drain};
use super::{
    Outlet, Settings,
    budget::Budget,
    index::{Index, SubKey},
    orders::Orders,
    ready::ReadyList,
    replay::Ask,
    ring::Ring,
    stats::ShardStats,
    subscription::{Phase, Sub},
    wheel::{Entry, Wheel},
};
use crate::domain::{Epoch, EpochChain, Seq};

/// What is known of the log; nothing before the first update.
#[derive(Debug)]
struct Standing {
    epoch: Epoch,
    chain: Arc<EpochChain>,
    earliest: Seq,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shard<O: Outlet> {
    settings: Arc<Settings>,
    standing: Option<Standing>,
    ring: Ring,
    settled: Seq,
    subs: Slab<Sub<O>>,
    index: Index,
    budget: Budget,
    sweep: Option<Sweep>,
    /// How often the log was rewound.
    rewinds: u32,
    dispatch: Option<Dispatch>,
    passages: Passages,
    /// Subscriptions that can go on without waiting for anything.
    runnable: VecDeque<SubKey>,
    /// Subscriptions that began before the shard knew their log.
    starting: Vec<SubKey>,
    /// Subscriptions to try again at the next tick.
    delayed: Vec<SubKey>,
    /// Subscriptions that pin a page, each once, and since when they have been watched, oldest first.
    paging: VecDeque<(Instant, Entry)>,
    asks: Vec<Ask>,
    wheel: Wheel,
    /// Moments at which a subscription is to be looked at, each of which knows its own.
    alarms: BTreeSet<(Instant, SubKey)>,
    /// Subscriptions that the wheel has brought up, to be visited.
    due: VecDeque<Entry>,
    ready: Arc<ReadyList>,
    woken: Vec<SubKey>,
    drain: Option<Drain>,
    unowned: Option<Unowned>,
    /// What it was told last to heed.
    orders: Orders,
    stats: Arc<ShardStats>,
    generations: u32,
    reported: Instant,
    now: Instant,
}

impl<O: Outlet> Shard<O> {
    pub(crate) fn new(settings: Arc<Settings>, stats: Arc<ShardStats>, now: Instant) -> Self {
        Self {
            ring: Ring::new(Seq::ZERO, settings.ring),
            standing: None,
            settled: Seq::ZERO,
            subs: Slab::new(),
            index: Index::default(),
            budget: Budget::new(now),
            sweep: None,
            rewinds: 0,
            dispatch: None,
            passages: Passages::default(),
            runnable: VecDeque::new(),
            starting: Vec::new(),
            delayed: Vec::new(),
            paging: VecDeque::new(),
            asks: Vec::new(),
            wheel: Wheel::new(now, settings.heartbeat),
            settings,
            alarms: BTreeSet::new(),
            due: VecDeque::new(),
            ready: Arc::default(),
            woken: Vec::new(),
            drain: None,
            unowned: None,
            orders: Orders::default(),
            stats,
            generations: 0,
            reported: now,
            now,
        }
    }

    /// The list that wakes the worker's task.
    pub(crate) fn ready(&self) -> &Arc<ReadyList> {
        &self.ready
    }

    /// The pages that subscriptions wait for.
    pub(crate) fn take_asks(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.asks)
    }

    /// Whether the last update is still being dispatched, or told: no other may be handed in.
    pub(crate) fn is_dispatching(&self) -> bool {
        self.dispatch.is_some() || self.sweep.is_some()
    }

    /// Whether another slice would do something now.
    pub(crate) fn has_work(&self) -> bool {
        self.is_dispatching() || !self.runnable.is_empty() || !self.woken.is_empty() || !self.ready.is_empty() || self.is_anything_due()
    }

    /// Makes slices as short as a test needs them.
    #[cfg(test)]
    pub(crate) fn set_slice(&mut self, looks: usize) {
        self.budget.set_slice(looks);
    }

    /// What the last slice spent.
    #[cfg(test)]
    pub(crate) fn spent(&self) -> usize {
        self.budget.spent()
    }

    /// Whether no connection is held, and nothing is left of those that were.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.subs.is_empty() && self.index.is_empty() && self.starting.is_empty() && self.alarms.is_empty()
    }

    /// Does a bounded amount of what there is to do.
    pub(crate) fn slice(&mut self, now: Instant) {
        self.now = now;
        self.budget.begin(now);
        if self.sweep.is_some() {
            self.budget.begin_part(1);
            self.sweep_slice();
            if self.sweep.is_some() {
                return;
            }
        }
        self.budget.begin_part(4);
        self.poll_woken();
        self.budget.begin_part(3);
        self.pump_runnable();
        self.budget.begin_part(2);
        self.do_what_is_due();
        self.budget.begin_part(1);
        self.dispatch_slice();
    }

    /// Publishes the gauges. The walk is along the slab, a few nanoseconds for each subscription.
    fn report(&self) {
        let (mut replaying, mut lagging, mut paced, mut behind) = (0, 0, 0, 0);
        let head = self.ring.head();
        for (_, sub) in &self.subs {
            replaying += usize::from(sub.is_replaying());
            lagging += usize::from(sub.blocked);
            paced += usize::from(sub.is_paused());
            if !matches!(sub.phase, Phase::Starting(_)) {
                behind = head.since(sub.cursor(self.settled)).max(behind);
            }
        }
        let set = |gauge: &AtomicUsize, value| gauge.store(value, Ordering::Relaxed);
        set(&self.stats.replaying, replaying);
        set(&self.stats.lagging, lagging);
        set(&self.stats.paced, paced);
        self.stats.behind.store(behind, Ordering::Relaxed);
        self.stats.by_selector.iter().zip(self.index.by_selector()).for_each(|(gauge, value)| set(gauge, value));
        set(&self.stats.selectors, self.index.terms());
        set(&self.stats.ring_frames, self.ring.len());
        set(&self.stats.ring_bytes, self.ring.bytes());
    }
}
