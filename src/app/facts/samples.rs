//! What happened lately: taken from what was counted a moment ago and is counted now.
//!
//! Of each log that is used: a few samples of its counters for rates, and the latencies as they were counted two snapshots ago. So a window of
//! recent latencies is one to two [`WINDOW`]s long, and costs two tallies a log however long it runs.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{histogram::Tally, log::LogId};

/// Over how many samples a rate is taken.
const RATE_SAMPLES: usize = 10;
/// How long a snapshot of latencies is the newest.
pub(super) const WINDOW: Duration = Duration::from_secs(5);

/// Counters at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) at: Instant,
    pub(super) published: u64,
    pub(super) delivered: u64,
}

/// A tally that is counted on elsewhere, as it was.
#[derive(Debug, Default)]
struct Snapshots {
    older: Tally,
    newer: Tally,
}

impl Snapshots {
    fn take(&mut self, now: Tally) {
        self.older = std::mem::replace(&mut self.newer, now);
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    counts: HashMap<LogId, VecDeque<Counts>>,
    deliveries: HashMap<LogId, Snapshots>,
    publishing: Snapshots,
}

impl Samples {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a sample of a log's counters.
    pub(super) fn remember(&self, log: LogId, counts: Counts) {
        let mut kept = self.kept();
        let samples = kept.counts.entry(log).or_default();
        samples.push_back(counts);
        if samples.len() > RATE_SAMPLES {
            samples.pop_front();
        }
    }

    /// Forgets all logs but these.
    pub(super) fn keep(&self, logs: &HashSet<LogId>) {
        self.kept().counts.retain(|log, _| logs.contains(log));
    }

    /// Takes snapshots, of the logs that are followed: what another counts for one that is followed anew begins with nothing.
    pub(super) fn snapshot(&self, deliveries: Vec<(LogId, Tally)>, publishing: Tally) {
        let mut kept = self.kept();
        let mut before = std::mem::take(&mut kept.deliveries);
        kept.deliveries = deliveries
            .into_iter()
            .map(|(log, now)| {
                let mut snapshots = before.remove(&log).unwrap_or_default();
                snapshots.take(now);
                (log, snapshots)
            })
            .collect();
        kept.publishing.take(publishing);
    }

    /// Published and delivered events a second, until `now`.
    pub(super) fn rates(&self, log: LogId, now: Counts) -> (f64, f64) {
        let oldest = self.kept().counts.get(&log).and_then(|samples| samples.front().copied());
        // what is delivered is counted anew when a log is followed again
        let rate = |now: u64, then: u64, seconds: f64| {
            if seconds > 0.0 { (now.saturating_sub(then) as f64 / seconds * 10.0).round() / 10.0 } else { 0.0 }
        };
        oldest.map_or((0.0, 0.0), |then| {
            let seconds = now.at.duration_since(then.at).as_secs_f64();
            (rate(now.published, then.published, seconds), rate(now.delivered, then.delivered, seconds))
        })
    }

    /// What was delivered lately.
    pub(super) fn recent_deliveries(&self, log: LogId, now: &Tally) -> Tally {
        self.kept().deliveries.get(&log).map_or_else(|| now.clone(), |then| now.since(&then.older))
    }

    /// What was published lately, of all logs.
    pub(super) fn recent_publishing(&self, now: &Tally) -> Tally {
        now.since(&self.kept().publishing.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_two_snapshots_is_not_recent() {
        let (samples, log) = (Samples::default(), LogId::new(1));
        let count = |tally: &Tally| tally.counts().map(|(_, count)| count).sum::<u64>();
        let at = |n: u64| Tally::of([(9, n)]);
        assert_eq!(count(&samples.recent_deliveries(log, &at(3))), 3, "all of it, before there is a snapshot");
        for (counted, recent) in [(10, 12), (11, 2), (12, 1), (12, 0)] {
            samples.snapshot(vec![(log, at(counted))], at(counted));
            assert_eq!(count(&samples.recent_deliveries(log, &at(12))), recent);
            assert_eq!(count(&samples.recent_publishing(&at(12))), recent);
        }
        samples.snapshot(vec![], at(12));
        samples.snapshot(vec![(log, at(1))], at(12));
        assert_eq!(count(&samples.recent_deliveries(log, &at(2))), 2, "followed anew");
    }

    #[test]
    fn a_rate_is_taken_over_the_last_samples_and_only_of_logs_that_are_used() {
        let (samples, log, began) = (Samples::default(), LogId::new(1), Instant::now());
        let at = |second: u64| Counts { at: began + Duration::from_secs(second), published: second * 10, delivered: second * second };
        assert_eq!(samples.rates(log, at(1)), (0.0, 0.0));
        (0..20).for_each(|second| samples.remember(log, at(second)));
        assert_eq!(samples.rates(log, at(20)), (10.0, 30.0), "since the tenth second");
        samples.keep(&HashSet::new());
        assert_eq!(samples.rates(log, at(20)), (0.0, 0.0));
    }
}
