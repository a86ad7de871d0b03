//! Announcements from another store than the one that is followed.
//!
//! For a moment there are some after each failover. When they go on, a copy of the store announces through the same backplane: nothing of it is
//! believed, but whoever runs both should know.

use std::time::{Duration, Instant};

use crate::log::StoreIdentity;

/// So long no failover lasts.
const FAILED_OVER: Duration = Duration::from_secs(10);
/// How often it is said.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    followed: Option<StoreIdentity>,
    /// The first and the last time that one was heard of.
    heard: Option<(Instant, Instant)>,
    said: Option<Instant>,
}

impl Strangers {
    /// What a look found.
    pub(super) fn follow(&mut self, store: Option<StoreIdentity>) {
        if std::mem::replace(&mut self.followed, store) != store {
            self.heard = None;
        }
    }

    /// Notes who announced something; whether it is to be said now that there are strangers.
    pub(super) fn note(&mut self, announced: Option<StoreIdentity>, now: Instant) -> bool {
        let is_stranger = self.followed.zip(announced).is_some_and(|(followed, announced)| followed != announced);
        if !is_stranger {
            return false;
        }
        let known = self.heard.filter(|(_, last)| now.duration_since(*last) < FAILED_OVER);
        let first = known.map_or(now, |(first, _)| first);
        self.heard = Some((first, now));
        let is_due = now.duration_since(first) >= FAILED_OVER && self.said.is_none_or(|said| now.duration_since(said) >= SAY_EVERY);
        if is_due {
            self.said = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_goes_on_announcing_is_told_of_now_and_then_and_a_failover_is_not() {
        let [own, other] = [1, 2].map(|n| Some(StoreIdentity::new(n)));
        let start = Instant::now();
        let said = |strangers: &mut Strangers, store, seconds: std::ops::Range<u64>| {
            seconds.filter(|second| strangers.note(store, start + Duration::from_secs(*second))).collect::<Vec<_>>()
        };
        let mut strangers = Strangers::default();
        assert!(said(&mut strangers, other, 0..100).is_empty(), "nothing is known yet");
        strangers.follow(own);
        assert!(said(&mut strangers, own, 100..200).is_empty() && said(&mut strangers, None, 100..200).is_empty());
        assert_eq!(said(&mut strangers, other, 200..300), [210, 270]);
        strangers.follow(other);
        assert!(said(&mut strangers, own, 400..410).is_empty(), "the one before, on its way out");
        assert!(said(&mut strangers, own, 425..430).is_empty(), "and once more");
    }
}
