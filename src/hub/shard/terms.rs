//! What a subscription may have, and when: its right, the warning before that ends, and its pace.
//!
//! An alarm is a moment at which one subscription is to be looked at. Unlike the wheel, alarms are exact to a tick however long the heartbeat is,
//! and leave with their subscription; only those that have a right which expires, or wait for their pace, have one.

use std::time::{Duration, Instant};

use super::Shard;
use crate::hub::{CloseReason, Expiry, Notice, Outlet, index::SubKey, subscription::Sub};

/// How long before its right expires a client is told.
pub(super) const WARNING: Duration = Duration::from_secs(60);

/// The end of subscriptions without a right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unowned {
    reason: CloseReason,
    /// The next key in the slab.
    at: usize,
    /// Keys from here on had nobody when it was told: who is there has come later, and was closed then.
    end: usize,
}

impl<O: Outlet> Sub<O> {
    fn expiry(&self) -> Option<Expiry> {
        self.right.as_ref()?.expiry()
    }

    /// When it is to be looked at next, of the moments behind `now`.
    fn next_alarm(&self, now: Instant) -> Option<Instant> {
        let expires = self.expiry().map(|expiry| expiry.at);
        let warning = expires.and_then(|at| at.checked_sub(WARNING)).filter(|at| *at > now);
        let resumes = self.pace.as_ref().and_then(|pace| pace.resumes);
        [warning, expires.filter(|at| *at > now), resumes].into_iter().flatten().min()
    }
}

impl<O: Outlet> Shard<O> {
    /// Sets a subscription's alarm by what it is waiting for.
    pub(super) fn arm(&mut self, key: SubKey) {
        let Some(sub) = self.subs.get_mut(key as usize) else { return };
        let alarm = sub.next_alarm(self.now);
        if alarm == sub.alarm {
            return;
        }
        if let Some(before) = std::mem::replace(&mut sub.alarm, alarm) {
            self.alarms.remove(&(before, key));
        }
        self.alarms.extend(alarm.map(|at| (at, key)));
    }

    /// The alarm whose moment has come first.
    pub(super) fn due_alarm(&self) -> Option<(Instant, SubKey)> {
        self.alarms.first().copied().filter(|(at, _)| *at <= self.now)
    }

    /// Takes one whose moment has come further, and says whether there was one.
    pub(super) fn ring_alarm(&mut self) -> bool {
        let Some(alarm) = self.due_alarm() else { return false };
        self.alarms.remove(&alarm);
        let (_, key) = alarm;
        if let Some(sub) = self.subs.get_mut(key as usize) {
            sub.alarm = None;
            if let Some(pace) = &mut sub.pace {
                pace.resumes = pace.resumes.filter(|at| *at > self.now);
            }
        }
        self.arm(key);
        self.pump(key);
        true
    }

    /// Closes a subscription whose right is over, and says whether it was.
    pub(super) fn close_if_over(&mut self, key: SubKey) -> bool {
        let Some(reason) = self.subs.get(key as usize).and_then(|sub| sub.over(self.now, self.unowned_over())) else { return false };
        self.close(key, reason);
        true
    }

    /// Ends every subscription without a right, whoever comes later included. Nothing is written to them from here on; slices close them.
    pub(crate) fn end_unowned(&mut self, reason: CloseReason) {
        self.unowned = Some(Unowned { reason, at: 0, end: self.subs.capacity() });
    }

    /// Why subscriptions without a right are over, if they are.
    pub(super) fn unowned_over(&self) -> Option<CloseReason> {
        self.unowned.map(|unowned| unowned.reason)
    }

    /// Whether there may be subscriptions left that have no right and are to end.
    pub(super) fn is_ending_unowned(&self) -> bool {
        self.unowned.is_some_and(|unowned| unowned.at < unowned.end)
    }

    /// Looks at the next place, and closes who is there without a right.
    pub(super) fn end_one_unowned(&mut self) {
        let Some(unowned) = self.unowned.as_mut().filter(|unowned| unowned.at < unowned.end) else { return };
        let key = unowned.at as SubKey;
        unowned.at += 1;
        self.close_if_over(key);
    }

    /// Has a subscription wait for its pace.
    pub(super) fn pause(&mut self, key: SubKey) {
        if let Some(pace) = self.subs.get_mut(key as usize).and_then(|sub| sub.pace.as_mut()) {
            pace.wait(self.now);
            self.arm(key);
        }
    }

    /// The warning that is due to a subscription, once. A right that has less than half a second left ends without one.
    pub(super) fn take_warning(&mut self, key: SubKey) -> Option<Notice<'static>> {
        let sub = self.subs.get_mut(key as usize).filter(|sub| !sub.warned)?;
        let expiry = sub.expiry()?;
        let left = expiry.at.saturating_duration_since(self.now);
        if left > WARNING {
            return None;
        }
        sub.warned = true;
        let seconds = left.as_secs_f32().round() as u32;
        (seconds > 0).then_some(Notice::Expiring { time: expiry.time, seconds })
    }
}
