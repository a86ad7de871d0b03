//! What time does to subscriptions: heartbeats, patience, lifetimes, and the pace of a drain.

use std::time::{Duration, Instant};

use super::{Drain, Shard};
use crate::{
    domain::{Cursor, Seq},
    hub::{CloseReason, Notice, Outlet, index::SubKey, subscription::Phase},
};

/// How often the worker calls [`Shard::tick`].
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// How often gauges are published: each time every subscription is looked at.
const REPORT: Duration = Duration::from_millis(500);
/// A heartbeat comes up to this share of its interval early, drawn for each: what was written to everyone at once is not followed by
/// everyone's heartbeat at once.
const HEARTBEAT_EARLY: f32 = 0.1;
/// A drain closes at least this many connections a tick: there is no point in making a few wait for the whole window.
const DRAIN_AT_LEAST: usize = 1;

impl<O: Outlet> Shard<O> {
    /// Starts to close every connection, paced over `window`; those that come later are closed at once.
    pub(crate) fn drain(&mut self, window: Duration, now: Instant) {
        self.now = now;
        self.drain = Some(Drain { ends: now + window });
    }

    /// What passes with time: heartbeats, patience, drain.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = now;
        for key in std::mem::take(&mut self.delayed) {
            if let Some(sub) = self.subs.get_mut(key as usize)
                && let Phase::Retrying { c } = sub.phase
            {
                sub.phase = Phase::Wanting { c };
                self.runnable.push_back(key);
            }
        }
        self.release_pages();
        for (key, generation) in self.wheel.advance(now) {
            if self.subs.get(key as usize).is_some_and(|sub| sub.generation == generation) {
                self.visit(key, generation);
            }
        }
        self.drain_some();
        if now.duration_since(self.reported) >= REPORT {
            self.reported = now;
            self.report();
        }
    }

    fn visit(&mut self, key: SubKey, generation: u32) {
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
            self.tell(key, &notice);
            self.leave_live_if_blocked(key, c);
        }
        self.file(key, generation);
    }

    /// A live subscription that a notice has blocked becomes a walker like any other that is behind.
    fn leave_live_if_blocked(&mut self, key: SubKey, c: Seq) {
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
        let due = if sub.blocked { self.settings.no_progress } else { self.settings.heartbeat };
        let mut wait = due.saturating_sub(self.now.duration_since(sub.wrote_at));
        if let Some(lifetime) = self.settings.lifetime_of(generation) {
            wait = wait.min(lifetime.saturating_sub(self.now.duration_since(sub.opened_at)));
        }
        self.wheel.file((key, generation), wait.mul_f32(1.0 - fastrand::f32() * HEARTBEAT_EARLY));
    }

    fn drain_some(&mut self) {
        let Some(drain) = &self.drain else { return };
        let left = drain.ends.saturating_duration_since(self.now);
        let ticks_left = (left.as_millis() / TICK.as_millis()).max(1) as usize;
        let share = self.subs.len().div_ceil(ticks_left).max(DRAIN_AT_LEAST);
        // who takes nothing now, or is about to be written to, may be told later; when the window is over nobody is waited for
        let over = left.is_zero();
        let keys: Vec<SubKey> =
            self.subs.iter().filter(|(_, sub)| over || (!sub.blocked && sub.mask == 0)).take(share).map(|(key, _)| key as u32).collect();
        for key in keys {
            self.close(key, CloseReason::Draining);
        }
    }
}
