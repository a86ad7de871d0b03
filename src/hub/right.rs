//! How long a subscription may last: until its credential ends, or someone ends it.
//!
//! The hub knows no credentials. Whoever granted a stream keeps the other end of its [`Right`], and ends it from any thread; the shard is woken
//! as by a socket, and closes the stream with the reason given. **Authorisation holds for a stream's whole life**
//! (`nothing_is_told_after_the_right_has_ended_but_why`, `a_client_sees_exactly_its_events_whatever_interleaves`) and ends with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;

use super::CloseReason;
use crate::domain::Timestamp;

/// When a right ends by itself: one moment by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// By the clock that never steps: what is kept to.
    pub at: Instant,
    /// By the calendar: what clients are told.
    pub time: Timestamp,
}

impl Expiry {
    /// The moment `time`, which is now if it has passed.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        let left = time.as_micros().saturating_sub(Timestamp::now().as_micros());
        let now = Instant::now();
        let at = now.checked_add(Duration::from_micros(u64::try_from(left).unwrap_or(0)));
        // a moment that the clock can't count to must not become one without end
        Self { at: at.unwrap_or(now), time }
    }
}

/// The right to follow, shared by one subscription and whoever may end it.
#[derive(Debug)]
pub struct Right {
    expiry: Option<Expiry>,
    /// The number of the reason plus one, once it was ended.
    ended: AtomicU8,
    shard: AtomicWaker,
}

impl Right {
    /// A right that ends by itself at `expiry`, if at all.
    #[must_use]
    pub fn new(expiry: Option<Expiry>) -> Arc<Self> {
        Arc::new(Self { expiry, ended: AtomicU8::new(0), shard: AtomicWaker::new() })
    }

    /// Ends it, for the first reason given.
    pub fn end(&self, reason: CloseReason) {
        let number = reason as u8 + 1;
        if self.ended.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.shard.wake();
        }
    }

    /// When it ends by itself.
    #[must_use]
    pub fn expiry(&self) -> Option<Expiry> {
        self.expiry
    }

    /// Why it was ended, if it was.
    #[must_use]
    pub fn ended(&self) -> Option<CloseReason> {
        let number = self.ended.load(Ordering::Acquire);
        CloseReason::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Why nothing more may be delivered under it at `now`, if so.
    #[must_use]
    pub fn over(&self, now: Instant) -> Option<CloseReason> {
        self.ended().or_else(|| self.expiry.filter(|expiry| expiry.at <= now).map(|_| CloseReason::Expired))
    }

    /// Has `waker` called when it is ended; a right that was ended before must be looked at after this.
    pub(crate) fn watch(&self, waker: &Waker) {
        self.shard.register(waker);
    }

    /// Lets go of the waker: whoever may end a right can keep it for longer than the stream lasts.
    pub(crate) fn unwatch(&self) {
        drop(self.shard.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts_and_the_clock_is_one_of_them() {
        let now = Instant::now();
        let right = Right::new(Some(Expiry { at: now, time: Timestamp::now() }));
        assert_eq!(right.over(now - Duration::from_nanos(1)), None);
        assert_eq!(right.over(now), Some(CloseReason::Expired));
        right.end(CloseReason::Superseded);
        right.end(CloseReason::Revoked);
        assert_eq!(right.over(now), Some(CloseReason::Superseded));
    }

    #[test]
    fn a_moment_that_has_passed_is_now_and_one_ahead_lies_ahead() {
        let now = Instant::now();
        let of = |micros: i64| Expiry::at(Timestamp::from_micros(Timestamp::now().as_micros().saturating_add(micros))).at;
        assert!(of(-3_600_000_000) <= Instant::now());
        assert!(of(3_600_000_000) > now + Duration::from_secs(3500) && of(3_600_000_000) < now + Duration::from_secs(3700));
        assert!(of(i64::MAX) >= now);
    }
}
