//! Which store answers, and when another one does: then the sessions with the one before are to be let go.
//!
//! Where two answer in turns, behind a load balancer before two primaries, each look would be a change, and every session be made anew as often as
//! anybody looks. So a change is believed once in a while only; one that lasts is still there then.

use std::time::{Duration, Instant};

use crate::log::StoreIdentity;

/// How long a change is the last.
const PAUSE: Duration = Duration::from_secs(1);

/// Who answered the looks so far.
#[derive(Default)]
pub(super) struct Answering {
    store: Option<StoreIdentity>,
    changed_at: Option<Instant>,
}

impl Answering {
    /// Whether another store answers than before.
    pub(super) fn has_changed(&mut self, store: Option<StoreIdentity>, now: Instant) -> bool {
        if self.store == store || self.changed_at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE) {
            return false;
        }
        let is_first = self.store.is_none();
        self.store = store;
        if !is_first {
            self.changed_at = Some(now);
        }
        !is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_lasts_is_told_and_stores_that_answer_in_turns_are_told_once_in_a_while() {
        let [one, other] = ["one", "other"].map(|name| Some(StoreIdentity::of(name)));
        let (mut answering, start) = (Answering::default(), Instant::now());
        let mut told = |store, millis| answering.has_changed(store, start + Duration::from_millis(millis));
        assert!(!told(one, 0), "the first is no change");
        assert!(told(other, 1));
        let turns = (2..1001).filter(|at| told(if at % 2 == 0 { one } else { other }, *at)).count();
        assert_eq!(turns, 0, "also of an answer that was under way");
        assert!(told(one, 1002), "one that lasts");
        assert!(!told(one, 5000));
    }
}
