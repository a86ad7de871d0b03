//! What a committer has done, log by log, for dashboards.

use std::{
    collections::HashMap,
    ops::AddAssign,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::log::{ItemStatus, LogId};

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
    /// The last append did not find the log.
    outage: AtomicBool,
}

impl Stats {
    /// Notes whether the log answers; whether that is news.
    pub(super) fn set_outage(&self, outage: bool) -> bool {
        self.outage.swap(outage, Relaxed) != outage
    }

    pub(super) fn is_outage(&self) -> bool {
        self.outage.load(Relaxed)
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
