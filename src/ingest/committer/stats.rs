//! What a committer has done, for dashboards.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
}

impl Stats {
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
