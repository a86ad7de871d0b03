//! How many events a second one connection is delivered.
//!
//! The generic cell rate algorithm (ITU-T I.371): one moment is all that is kept. Time is a parameter. A pace drops nothing; whoever has used it
//! up lags at its cursor and catches up.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// What may go out at once after silence, as time.
const BURST: Duration = Duration::from_secs(1);

/// A connection's pace, and what it has used of it.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: NonZeroU32,
    /// When everything that went out would have gone out, had it come evenly.
    used_until: Instant,
    /// When a connection that waits for its pace goes on.
    pub(crate) resumes: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(per_second: NonZeroU32, now: Instant) -> Self {
        Self { per_second, used_until: now, resumes: None }
    }

    /// The time of so many events, rounded up: a pace is never exceeded.
    fn time_of(&self, events: usize) -> Duration {
        Duration::from_nanos((events as u64 * 1_000_000_000).div_ceil(u64::from(self.per_second.get())))
    }

    /// How many events may go out now.
    pub(crate) fn allows(&self, now: Instant) -> usize {
        let unused = BURST.saturating_sub(self.used_until.saturating_duration_since(now));
        // a burst's nanoseconds times the largest pace fit
        (unused.as_nanos() as u64 * u64::from(self.per_second.get()) / 1_000_000_000) as usize
    }

    /// How many events may go out within two seconds: a page of more would be let go before it is written.
    pub(crate) fn of_a_page(&self) -> usize {
        (self.per_second.get() as usize).saturating_mul(2)
    }

    /// Notes that `events` went out.
    pub(crate) fn take(&mut self, events: usize, now: Instant) {
        self.used_until = self.used_until.max(now) + self.time_of(events);
    }

    /// Waits for the next event's time; to be called when none may go out.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.resumes = Some((self.used_until + self.time_of(1)).checked_sub(BURST).unwrap_or(now));
    }

    /// Waits until a whole burst may go out.
    pub(crate) fn wait_for_all(&mut self) {
        self.resumes = Some(self.used_until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(per_second: u32, now: Instant) -> Pace {
        Pace::new(NonZeroU32::new(per_second).expect("not zero"), now)
    }

    #[test]
    fn a_burst_is_one_seconds_worth_and_what_was_not_used_before_it_is_gone() {
        let now = Instant::now();
        for per_second in [1, 3, 7, 1000, u32::MAX] {
            let mut pace = pace(per_second, now);
            let later = now + Duration::from_secs(3600);
            assert_eq!(pace.allows(later), per_second as usize);
            pace.take(per_second as usize, later);
            assert_eq!(pace.allows(later), 0);
        }
    }

    #[test]
    fn no_window_has_more_than_its_pace_and_a_burst_and_none_is_missed() {
        let start = Instant::now();
        let mut rng = fastrand::Rng::with_seed(1);
        for per_second in [1, 3, 7, 90] {
            let (mut pace, mut now, mut taken) = (pace(per_second, start), start, Vec::new());
            for _ in 0..400 {
                now += Duration::from_millis(rng.u64(1..150));
                for _ in 0..pace.allows(now) {
                    pace.take(1, now);
                    taken.push(now);
                }
            }
            for (at, from) in taken.iter().enumerate() {
                let within = |window: u64| taken[at..].iter().filter(|t| t.duration_since(*from) < Duration::from_secs(window)).count();
                assert!((1..9).all(|window| within(window) <= per_second as usize * (window as usize + 1)), "{per_second} a second");
            }
            let least = now.duration_since(start).as_secs_f64() * f64::from(per_second);
            assert!(taken.len() as f64 >= least.floor(), "{} of {least}", taken.len());
        }
    }

    #[test]
    fn it_waits_no_longer_than_until_the_next_event_may_go_out() {
        let now = Instant::now();
        let mut pace = pace(3, now);
        pace.take(3, now);
        pace.wait(now);
        let resumes = pace.resumes.expect("it waits");
        assert_eq!((pace.allows(resumes - Duration::from_nanos(1)), pace.allows(resumes)), (0, 1));
        pace.wait_for_all();
        assert_eq!(pace.resumes.map(|all| pace.allows(all)), Some(3));
    }
}
