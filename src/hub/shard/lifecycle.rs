//! How subscriptions come and go, and what time does to them.

use std::time::{Duration, Instant};

use super::{Drain, Shard};
use crate::{
    domain::{Cursor, Resolved, Seq},
    hub::{
        CloseReason, Notice, Outlet,
        index::SubKey,
        ready::SlotWaker,
        subscription::{Beginning, Phase, Request, Sub},
    },
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
    /// Takes a connection, tells it where it stands, and starts its replay or its live delivery.
    pub(crate) fn subscribe(&mut self, request: Request, outlet: O, now: Instant) {
        self.now = now;
        let entry = self.subs.vacant_entry();
        let key = u32::try_from(entry.key()).expect("connections are limited by descriptors, far below 2^32");
        self.generations = self.generations.wrapping_add(1);
        entry.insert(Sub {
            outlet,
            filter: request.filter.clone(),
            phase: Phase::Starting(request.beginning),
            epoch: crate::domain::Epoch::new(0),
            told: Seq::ZERO,
            mask: 0,
            blocked: false,
            caught_up: false,
            gaps: Vec::new(),
            replayed: 0,
            generation: self.generations,
            ask: 0,
            wrote_at: now,
            opened_at: now,
            failing_since: None,
            waker: SlotWaker::new(key, self.ready.clone()),
            _permit: request.permit,
        });
        self.index.insert(&request.filter, key);
        self.file(key, self.generations);
        if self.standing.is_some() {
            self.begin(key);
        }
        self.poll_socket(key);
        if self.has_work() {
            self.ready.nudge();
        }
    }

    /// Finds where a subscription stands in this shard's log, and tells it.
    pub(super) fn begin(&mut self, key: SubKey) {
        let Some(standing) = &self.standing else { return };
        let Some(sub) = self.subs.get_mut(key as usize) else { return };
        let Phase::Starting(beginning) = sub.phase else { return };
        let head = self.ring.head();
        let mut c = match beginning {
            Beginning::Now => head,
            // resolved against a newer numbering than this shard has heard of: what the ring holds may be void, so it waits for the news
            Beginning::At { cursor, .. } if !standing.chain.contains(cursor.epoch) => return,
            Beginning::At { cursor, rewound, .. } => {
                sub.gaps.extend(rewound);
                if cursor.epoch == standing.epoch {
                    cursor.seq
                } else {
                    // the log was rewound since the cursor was resolved
                    match standing.chain.resolve(cursor, head.max(cursor.seq)) {
                        Resolved::Good(seq) => seq,
                        Resolved::Rewound { resume } => {
                            sub.epoch = cursor.epoch;
                            sub.lose_to_rewind(cursor.seq, Cursor { epoch: standing.epoch, seq: resume });
                            resume
                        }
                    }
                }
            }
        };
        sub.epoch = standing.epoch;
        c = sub.lose_to_trim(c, standing.earliest);
        if let (Beginning::At { presented: Some(presented), .. }, Some(first)) = (beginning, sub.gaps.first_mut()) {
            first.requested = presented;
        }
        sub.phase = Phase::Walking { c };
        sub.told = c;
        let filter = sub.filter.clone();
        let notice = Notice::Open {
            cursor: Cursor { epoch: sub.epoch, seq: c },
            settled: sub.gaps.is_empty(),
            head: Cursor { epoch: sub.epoch, seq: head.max(c) },
            filter: &filter,
            retry: self.settings.jittered_retry(),
        };
        self.tell(key, &notice);
        // a short walk is over before anything else can happen, so that most clients are live at once
        self.pump(key);
        if self.drain.is_some() {
            self.close(key, CloseReason::Draining);
        }
    }

    /// Ends a subscription whose peer has gone (`None`), or which the service gives up.
    pub(super) fn remove(&mut self, key: SubKey, reason: Option<CloseReason>) {
        if let Some(sub) = self.subs.try_remove(key as usize) {
            self.index.remove(&sub.filter, key);
            self.stats.count_closed(reason);
            sub.outlet.cut();
        }
    }

    /// Tells a client why its stream ends, if it listens, and ends it.
    pub(super) fn close(&mut self, key: SubKey, reason: CloseReason) {
        if let Some(sub) = self.subs.get_mut(key as usize) {
            if !sub.blocked {
                // whether it arrives or not, the connection ends here
                let _ = sub.outlet.tell(&Notice::Closing { reason, retry: self.settings.jittered_retry() });
            }
            self.remove(key, Some(reason));
        }
    }

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
            if c > sub.told {
                sub.told = c;
                let moved = Notice::Moved(Cursor { epoch: sub.epoch, seq: c });
                self.tell(key, &moved);
                self.leave_live_if_blocked(key, c);
            } else {
                self.tell(key, &Notice::Heartbeat);
                self.leave_live_if_blocked(key, c);
            }
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
    fn file(&mut self, key: SubKey, generation: u32) {
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

    pub(super) fn count_delivered(&self, events: u64, committed: Option<Instant>) {
        use std::sync::atomic::Ordering::Relaxed;
        if events > 0 {
            self.stats.delivered.fetch_add(events, Relaxed);
            if let Some(committed) = committed {
                self.stats.latency.record(committed.elapsed(), events);
            }
        }
    }
}
