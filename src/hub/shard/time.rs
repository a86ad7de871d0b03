//! What time does to subscriptions: heartbeats, patience, lifetimes, and the pace of a drain.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::Shard;
use crate::{
    domain::{Cursor, Seq},
    hub::{CloseReason, Notice, Outlet, budget::LOOK, index::SubKey, orders::Orders, subscription::Phase},
};

/// How often the worker calls [`Shard::tick`].
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// How often gauges are published: each time every subscription is looked at.
const REPORT: Duration = Duration::from_millis(500);
/// A heartbeat comes up to this share of its interval early, drawn for each: what was written to everyone at once is followed by heartbeats
/// over a third of the interval.
const HEARTBEAT_EARLY: f32 = 1.0 / 3.0;
/// A drain closes at least this many connections a tick: there is no point in making a few wait for the whole window.
const DRAIN_AT_LEAST: usize = 1;
/// A page that could not be written for this long is let go, and read again when the client takes more.
const HOLD: Duration = Duration::from_secs(1);

/// A drain under way.
#[derive(Debug)]
pub(super) struct Drain {
    ends: Instant,
    /// The next key in the slab.
    at: usize,
    /// Connections to close before the next tick.
    owed: usize,
    /// Keys to look at before the next tick.
    looks: usize,
}

impl<O: Outlet> Shard<O> {
    /// Starts to close every connection, paced over `window`; those that come later are closed at once.
    pub(crate) fn drain(&mut self, window: Duration, now: Instant) {
        self.now = now;
        self.drain = Some(Drain { ends: now + window, at: 0, owed: 0, looks: 0 });
    }

    /// Does what holds from now on; what was ordered before is under way.
    pub(crate) fn heed(&mut self, orders: Orders, now: Instant) {
        let before = std::mem::replace(&mut self.orders, orders);
        if let Some(window) = orders.drain.filter(|_| orders.drain != before.drain) {
            self.drain(window, now);
        }
        if let Some(reason) = orders.unowned.filter(|_| orders.unowned != before.unowned) {
            self.end_unowned(reason);
        }
    }

    /// What passes with time. Writes nothing itself: it says what is due, and slices do it.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = now;
        self.runnable.extend(self.delayed.drain(..));
        self.wheel.advance(now, &mut self.due);
        self.pace_drain();
        if now.duration_since(self.reported) >= REPORT {
            self.reported = now;
            self.report();
        }
    }

    /// Whether [`Shard::do_what_is_due`] has something to do.
    pub(super) fn is_anything_due(&self) -> bool {
        let page_is_due = self.paging.front().is_some_and(|(since, _)| self.now.duration_since(*since) >= HOLD);
        let closing_is_due = self.drain.as_ref().is_some_and(|drain| drain.owed > 0 && drain.looks > 0);
        !self.due.is_empty() || self.due_alarm().is_some() || page_is_due || closing_is_due || self.is_ending_unowned()
    }

    /// Heartbeats, patience, alarms, the end of those without a right, pages that nobody takes, drain.
    pub(super) fn do_what_is_due(&mut self) {
        while self.is_anything_due() {
            self.budget.spend(LOOK);
            if let Some((key, generation)) = self.due.pop_front() {
                if self.subs.get(key as usize).is_some_and(|sub| sub.generation == generation) {
                    self.visit(key, generation);
                }
            } else if !self.ring_alarm() {
                self.end_one_unowned();
                self.watch_page();
                self.drain_one();
            }
            if self.budget.is_spent() {
                return;
            }
        }
    }

    /// Lets go of the page that was watched longest, if it is due and nobody takes it.
    fn watch_page(&mut self) {
        let now = self.now;
        let Some((_, entry)) = self.paging.pop_front_if(|(since, _)| now.duration_since(*since) >= HOLD) else { return };
        let Some(sub) = self.subs.get_mut(entry.0 as usize).filter(|sub| sub.generation == entry.1) else { return };
        match sub.phase {
            Phase::Paging { c, since, .. } if (sub.blocked || sub.pace.is_some()) && now.duration_since(since) >= HOLD => {
                sub.watched = false;
                sub.phase = Phase::Wanting { c };
                if let Some(pace) = sub.pace.as_mut().filter(|pace| pace.resumes.is_some()) {
                    // to read again for one event, and again for the next, would cost more than either
                    pace.wait_for_all();
                    self.arm(entry.0);
                }
            }
            Phase::Paging { .. } => self.paging.push_back((now, entry)),
            _ => sub.watched = false,
        }
    }

    fn visit(&mut self, key: SubKey, generation: u32) {
        if self.close_if_over(key) {
            return;
        }
        let Some(sub) = self.subs.get_mut(key as usize) else { return };
        let quiet = self.now.duration_since(sub.wrote_at);
        if sub.blocked {
            if quiet >= self.settings.no_progress {
                return self.close(key, CloseReason::Lagging);
            }
        } else if self.settings.lifetime_of(sub.generation).is_some_and(|lifetime| self.now.duration_since(sub.opened_at) >= lifetime) {
            return self.close(key, CloseReason::Lifetime);
        } else if matches!(sub.phase, Phase::Starting(_)) {
            if quiet >= self.settings.heartbeat {
                return self.close(key, CloseReason::Unavailable);
            }
        } else if quiet >= self.settings.heartbeat.mul_f32(1.0 - HEARTBEAT_EARLY) && sub.gaps.is_empty() {
            let c = sub.cursor(self.settled);
            let notice = if c > sub.told { Notice::Moved(Cursor { epoch: sub.epoch, seq: c }) } else { Notice::Heartbeat };
            sub.told = sub.told.max(c);
            self.stats.heartbeats.fetch_add(1, Ordering::Relaxed);
            self.tell(key, &notice);
            self.leave_live_if_blocked(key, c);
        }
        self.file(key, generation);
    }

    /// A live subscription that a notice has blocked becomes a walker like any other that is behind.
    pub(super) fn leave_live_if_blocked(&mut self, key: SubKey, c: Seq) {
        if let Some(sub) = self.subs.get_mut(key as usize)
            && sub.blocked
            && sub.is_live()
        {
            sub.walk_from(c);
        }
    }

    /// Files a subscription for its next visit.
    pub(super) fn file(&mut self, key: SubKey, generation: u32) {
        let Some(sub) = self.subs.get(key as usize) else { return };
        let quiet = self.now.duration_since(sub.wrote_at);
        let early = 1.0 - fastrand::f32() * HEARTBEAT_EARLY;
        let mut wait = self.settings.heartbeat.mul_f32(early).saturating_sub(quiet);
        if sub.blocked {
            // it may take more the moment after, and then be silent: it must not be forgotten for as long as patience lasts
            wait = self.settings.no_progress.saturating_sub(quiet).min(self.settings.heartbeat);
        }
        if let Some(lifetime) = self.settings.lifetime_of(generation) {
            wait = wait.min(lifetime.saturating_sub(self.now.duration_since(sub.opened_at)));
        }
        self.wheel.file((key, generation), wait);
    }

    /// How many connections a drain closes before the next tick.
    fn pace_drain(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        let left = drain.ends.saturating_duration_since(self.now);
        let ticks_left = (left.as_millis() / TICK.as_millis()).max(1) as usize;
        drain.owed = self.subs.len().div_ceil(ticks_left).max(DRAIN_AT_LEAST);
        drain.looks = self.subs.capacity();
    }

    /// Closes the next connection of a drain, if it may be closed now.
    fn drain_one(&mut self) {
        let Some(drain) = self.drain.as_mut().filter(|drain| drain.owed > 0 && drain.looks > 0) else { return };
        drain.looks -= 1;
        let at = drain.at;
        drain.at = if at + 1 < self.subs.capacity() { at + 1 } else { 0 };
        // who takes nothing now, or is about to be written to, may be told later; when the window is over nobody is waited for
        let over = self.now >= drain.ends;
        let key = at as SubKey;
        if self.subs.get(at).is_some_and(|sub| over || !(sub.blocked || self.is_target(key))) {
            if let Some(drain) = &mut self.drain {
                drain.owed -= 1;
            }
            self.close(key, CloseReason::Draining);
        }
    }
}
