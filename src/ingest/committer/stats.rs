//! What a committer has done, for dashboards.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::log::ItemStatus;

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

/// Counters that the committer alone moves and anyone reads; they need not agree with each other at any moment.
#[derive(Debug, Default)]
pub(super) struct Stats {
    published: AtomicU64,
    duplicates: AtomicU64,
    conflicts: AtomicU64,
    commits: AtomicU64,
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

    pub(super) fn item(&self, status: ItemStatus) {
        match status {
            ItemStatus::Stored => self.published.fetch_add(1, Relaxed),
            ItemStatus::Duplicate => self.duplicates.fetch_add(1, Relaxed),
            ItemStatus::Conflict => self.conflicts.fetch_add(1, Relaxed),
        };
    }

    pub(super) fn commit(&self) {
        self.commits.fetch_add(1, Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            published: self.published.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            conflicts: self.conflicts.load(Relaxed),
            commits: self.commits.load(Relaxed),
        }
    }
}
