//! How long to wait before the next try: twice as long each time, up to a limit, and never everybody at once.

use std::time::Duration;

/// The shortest wait, whatever was asked for: what fails at once would be tried thousands of times a second.
const LEAST: Duration = Duration::from_millis(100);

/// Waits that grow until something works.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Begins with `first`, and never waits longer than `most`.
    #[must_use]
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first: first.min(most).max(LEAST), most: most.max(LEAST), failures: 0 }
    }

    /// Another first wait, as the other side asked for.
    pub fn begin_with(&mut self, first: Duration) {
        self.first = first.clamp(LEAST, self.most);
    }

    /// Something worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many times it has failed in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait after one more failure. `random` lies in `[0, 1)`. The first wait is what was asked for, the later ones lie between half of
    /// what doubling makes of it and all of it.
    #[must_use]
    pub fn after_failure(&mut self, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX)).min(self.most);
        let share = if self.failures == 0 { 1.0 } else { 0.5 + random.clamp(0.0, 1.0) / 2.0 };
        self.failures = self.failures.saturating_add(1);
        doubled.mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_their_limit_and_begin_anew_once_something_worked() {
        let mut backoff = Backoff::new(SECOND, SECOND * 30);
        let waits: Vec<u64> = (0..7).map(|_| backoff.after_failure(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        backoff.reset();
        assert_eq!(backoff.after_failure(0.0), SECOND, "the other side has already spread it");
        assert_eq!(backoff.after_failure(0.0), SECOND, "half of two");
    }

    #[test]
    fn no_number_of_failures_and_no_wish_breaks_the_limit() {
        let mut backoff = Backoff::new(SECOND, SECOND * 30);
        backoff.begin_with(Duration::MAX);
        for _ in 0..100 {
            assert!(backoff.after_failure(0.999) <= SECOND * 30);
        }
        backoff.begin_with(Duration::ZERO);
        backoff.reset();
        for _ in 0..3 {
            assert!(backoff.after_failure(0.0) >= LEAST);
        }
    }
}
