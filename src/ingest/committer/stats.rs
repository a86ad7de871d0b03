//! What a committer has done, log by log, for dashboards.

use std::{
    collections::HashMap,
    ops::AddAssign,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::PublishError;
use crate::{
    histogram::{Histogram, Sizes, Spread, Tally},
    log::{ItemStatus, LogId},
};

/// Counters since the start of the instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events stored.
    pub published: u64,
    /// Events that were there already.
    pub duplicates: u64,
    /// Events whose id was known with other content, whether refused or kept.
    pub conflicts: u64,
    /// Appends that the log answered: groups, not requests.
    pub commits: u64,
}

impl Counts {
    pub(super) fn item(&mut self, status: ItemStatus) {
        match status {
            ItemStatus::Stored => self.published += 1,
            ItemStatus::Duplicate => self.duplicates += 1,
            ItemStatus::Conflict => self.conflicts += 1,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.published += more.published;
        self.duplicates += more.duplicates;
        self.conflicts += more.conflicts;
        self.commits += more.commits;
    }
}

/// Counters that the committer alone moves, once a commit, and anyone reads.
///
/// As many logs as publishers were given: whoever opens logs bounds them.
#[derive(Debug, Default)]
pub(super) struct Stats {
    logs: Mutex<HashMap<LogId, Counts>>,
    /// When an append last did not find the log, if none has since.
    outage: Mutex<Option<Instant>>,
    /// From when a request was queued until the log had answered for it, of all logs.
    pub(super) publishing: Histogram,
    /// Appends that the log answered.
    pub(super) commit: Histogram,
    /// Requests that were committed together.
    pub(super) group: Sizes,
    failures: [AtomicU64; FAILURES.len()],
}

/// Why requests were not published, by what the store or the service could not do.
const FAILURES: [&str; 6] = ["unavailable", "outcome_unknown", "overloaded", "refused", "internal", "stopping"];

/// How fast publishing is and what comes of it, of all logs together since the start.
#[derive(Clone, Debug, Default)]
pub struct Publishing {
    /// From when a request was queued until its commit.
    pub latency: Spread,
    /// Commits.
    pub commit: Spread,
    /// Requests of a commit: how many commits had at most so many, and the sum of the requests.
    pub group: (Vec<(Option<u64>, u64)>, u64),
    /// Requests that were not published although nothing was wrong with their ids, by reason.
    pub failures: Vec<(&'static str, u64)>,
}

impl Stats {
    /// Notes whether the log answers; whether that is news.
    pub(super) fn set_outage(&self, outage: bool) -> bool {
        let was = std::mem::replace(&mut *self.outage(), outage.then(Instant::now));
        was.is_some() != outage
    }

    pub(super) fn is_outage(&self) -> bool {
        self.outage().is_some()
    }

    /// Forgets an outage that no append has felt for so long; whether there was one.
    pub(super) fn forget_outage(&self, patience: Duration) -> bool {
        self.outage().take_if(|felt| felt.elapsed() >= patience).is_some()
    }

    fn outage(&self) -> MutexGuard<'_, Option<Instant>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self, error: &PublishError) {
        let at = match error {
            PublishError::Unavailable => 0,
            PublishError::OutcomeUnknown => 1,
            PublishError::Overloaded => 2,
            PublishError::Refused(_) => 3,
            PublishError::Internal => 4,
            PublishError::Stopping => 5,
            PublishError::Conflict(_) => return,
        };
        self.failures[at].fetch_add(1, Relaxed);
    }

    /// From when a request was queued until its commit, as finely as it is counted.
    pub(super) fn tally(&self) -> Tally {
        Histogram::tally(&[&self.publishing])
    }

    pub(super) fn publishing(&self) -> Publishing {
        let failures = FAILURES.into_iter().zip(&self.failures).map(|(reason, count)| (reason, count.load(Relaxed)));
        Publishing {
            latency: Histogram::spread(&[&self.publishing]),
            commit: Histogram::spread(&[&self.commit]),
            group: self.group.spread(),
            failures: failures.collect(),
        }
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<LogId, Counts>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what one commit did.
    pub(super) fn add(&self, log: LogId, counts: Counts) {
        *self.logs().entry(log).or_default() += counts;
    }

    pub(super) fn counts(&self, log: LogId) -> Counts {
        self.logs().get(&log).copied().unwrap_or_default()
    }

    /// Over all logs.
    pub(super) fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.logs().values().for_each(|counts| total += *counts);
        total
    }
}
