//! How subscriptions come and go.

use std::{sync::atomic::Ordering, time::Instant};

use super::Shard;
use crate::{
    domain::{Cursor, Seq},
    hub::{
        CloseReason, Notice, Outlet,
        budget::CLOSE,
        index::SubKey,
        pace::Pace,
        ready::SlotWaker,
        subscription::{Beginning, Phase, Request, Sub},
    },
};

impl<O: Outlet> Shard<O> {
    /// Takes a connection, tells it where it stands, and starts its replay or its live delivery.
    pub(crate) fn subscribe(&mut self, request: Request, outlet: O, now: Instant) {
        self.now = now;
        self.budget.begin(now);
        self.budget.begin_part(1);
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
            rewinds: self.rewinds,
            watched: false,
            ask: 0,
            wrote_at: now,
            opened_at: now,
            failing_since: None,
            waker: SlotWaker::new(key, self.ready.clone()),
            right: request.right,
            warned: false,
            pace: request.deliver_per_second.map(|per_second| Box::new(Pace::new(per_second, now))),
            alarm: None,
            _permit: request.permit,
        });
        self.index.insert(&request.filter, key);
        self.file(key, self.generations);
        // watched before it is looked at: an end that comes in between is not lost
        if let Some(sub) = self.subs.get(key as usize)
            && let Some(right) = &sub.right
        {
            right.watch(&sub.waker.waker());
            self.arm(key);
        }
        if !self.close_if_over(key) {
            self.begin(key);
            self.poll_socket(key);
        }
        // a page that was asked for here is fetched by the shard's task
        if self.has_work() || !self.asks.is_empty() {
            self.ready.nudge();
        }
    }

    /// Finds where a subscription stands in this shard's log, and tells it; or has it wait for news of the log.
    pub(super) fn begin(&mut self, key: SubKey) {
        let Some(sub) = self.subs.get_mut(key as usize) else { return };
        let Phase::Starting(beginning) = sub.phase else { return };
        let Some(standing) = &self.standing else { return self.wait_for_news(key) };
        let head = self.ring.head();
        let mut c = match beginning {
            Beginning::Now => head,
            // resolved against a newer numbering than this shard has heard of: what the ring holds may be void, so it waits for the news
            Beginning::At { cursor, .. } if !standing.chain.contains(cursor.epoch) => return self.wait_for_news(key),
            Beginning::At { cursor, rewound, .. } => {
                sub.gaps.extend(rewound);
                // void if the log was rewound since it was resolved; beyond the head it comes from whoever is ahead
                let (placed, void) = standing.chain.place(cursor, head.max(cursor.seq));
                if void.is_some() {
                    sub.epoch = cursor.epoch;
                    sub.lose_to_rewind(cursor.seq, placed);
                }
                placed.seq
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
        self.stats.begun.fetch_add(1, Ordering::Relaxed);
        self.tell(key, &notice);
        // a short walk is over before anything else can happen, so that most clients are live at once
        self.pump(key);
        if self.drain.is_some() {
            self.close(key, CloseReason::Draining);
        }
    }

    fn wait_for_news(&mut self, key: SubKey) {
        if !self.starting.contains(&key) {
            self.starting.push(key);
        }
    }

    /// Ends a subscription whose peer has gone (`None`), or which the service gives up.
    pub(super) fn remove(&mut self, key: SubKey, reason: Option<CloseReason>) {
        if let Some(sub) = self.subs.try_remove(key as usize) {
            self.budget.spend(CLOSE);
            let looks = self.index.remove(&sub.filter, key);
            self.budget.spend(looks);
            if matches!(sub.phase, Phase::Starting(_)) {
                self.starting.retain(|&starting| starting != key);
            }
            if let Some(alarm) = sub.alarm {
                self.alarms.remove(&(alarm, key));
            }
            if let Some(right) = &sub.right {
                right.unwatch();
            }
            if let Some(reason) = reason {
                self.stats.count_closed(reason);
            }
            sub.outlet.cut();
        }
    }

    /// Tells a client why its stream ends, if it listens, and ends it.
    pub(super) fn close(&mut self, key: SubKey, reason: CloseReason) {
        let unowned = self.unowned_over();
        if let Some(sub) = self.subs.get_mut(key as usize) {
            // who must not come back is told so, whatever else would have ended the stream now
            let reason = sub.over(self.now, unowned).unwrap_or(reason);
            if !sub.blocked {
                // whether it arrives or not, the connection ends here
                let _ = sub.outlet.tell(&Notice::Closing { reason, retry: self.settings.retry_after(reason) });
            }
            self.remove(key, Some(reason));
        }
    }

    pub(super) fn count_delivered(&self, events: u64, committed: Option<Instant>) {
        if events > 0 {
            self.stats.delivered.fetch_add(events, Ordering::Relaxed);
            if let Some(committed) = committed {
                self.stats.latency.record(committed.elapsed(), events);
            }
        }
    }
}
