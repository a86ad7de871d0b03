//! When which slice of what is held is renewed: one after the other, evenly over a round, so that Redis has no bursts.

use std::time::Duration;

use tokio::time::Instant;

use super::book::SLICES;

/// See the module.
#[derive(Debug)]
pub(super) struct Rounds {
    /// How long after one slice the next is due.
    step: Duration,
    /// When the next one is.
    next: Instant,
    slice: usize,
}

impl Rounds {
    /// All slices within `round`, from `now` on.
    pub(super) fn new(now: Instant, round: Duration) -> Self {
        let step = (round / u32::try_from(SLICES).expect("few")).max(Duration::from_millis(1));
        Self { step, next: now + step, slice: 0 }
    }

    /// When the next slice is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// A slice that is due; whoever is late is told one after the other, and none twice for the same round.
    pub(super) fn due(&mut self, now: Instant) -> Option<usize> {
        let due = now >= self.next;
        due.then(|| {
            let slice = self.slice;
            self.slice = (slice + 1) % SLICES;
            let round = self.step * u32::try_from(SLICES).expect("few");
            // more than a round late: everything is due, once
            self.next = (self.next + self.step).max(now.checked_sub(round).unwrap_or(now));
            slice
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slice_is_due_once_in_a_round_and_whoever_is_late_does_not_run_after_lost_rounds() {
        let (now, step) = (Instant::now(), Duration::from_millis(10));
        let round = step * u32::try_from(SLICES).expect("few");
        let mut rounds = Rounds::new(now, round);
        assert_eq!(rounds.due(now), None);
        assert_eq!((rounds.next(), rounds.due(now + step), rounds.due(now + step)), (now + step, Some(0), None));
        let mut due = |at| std::iter::from_fn(|| rounds.due(at)).collect::<Vec<_>>();
        assert_eq!(due(now + round), (1..SLICES).collect::<Vec<_>>());
        let late = due(now + round * 9);
        assert!((SLICES..=SLICES + 2).contains(&late.len()), "{late:?}");
        assert_eq!(late[..2], [0, 1]);
    }
}
