//! What an instance knows of itself beyond `/events/stats`, for `/metrics`: all logs together, and how long things take.

use std::time::Duration;

use super::stats::Statistics;
use crate::{
    histogram::Spread,
    hub::GapsTold,
    ingest::Publishing,
    log::{Disk, Retention, SessionCounts, Trimmed},
};

/// Numbers of an instance; what is counted never grows less.
#[derive(Clone, Debug, Default)]
pub struct Overall {
    /// The sums over all logs; of the default one where there is no sum (`log`). Rates are left to whoever asks again.
    pub statistics: Statistics,
    /// From commit to write; of what another instance committed, from when this one was told.
    pub delivery: Spread,
    /// From a request to its commit.
    pub publishing: Publishing,
    /// What streams were told beside events.
    pub told: Told,
    /// The store.
    pub store: StoreFacts,
    /// The process.
    pub process: ProcessFacts,
    /// The runtime that owns the store and all timers; the workers have their own, which nobody else can look into.
    pub runtime: RuntimeFacts,
}

/// What streams were told beside events.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Where they stand, at their beginning.
    pub begun: u64,
    /// That nothing happened.
    pub heartbeats: u64,
    /// That something is missing.
    pub gaps: Vec<GapsTold>,
    /// Pages of the log that could not be read for them.
    pub pages_failed: u64,
}

/// How the store is used, and how much of it is kept.
#[derive(Clone, Debug, Default)]
pub struct StoreFacts {
    /// Connections, by what they are for.
    pub sessions: Vec<(&'static str, SessionCounts)>,
    /// The file system of a SQLite file.
    pub disk: Option<Disk>,
    /// What retention removed.
    pub trimmed: Trimmed,
    /// Trims that could not be made.
    pub trims_failed: u64,
    /// What holds where a tenant has no setting of its own.
    pub retention: Retention,
}

/// The process, as the kernel counts it; zeros where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFacts {
    /// Of all threads, in user and in kernel mode.
    pub cpu: Duration,
    /// Since the Unix epoch.
    pub started: Duration,
    /// In memory.
    pub resident_bytes: u64,
    /// Mapped.
    pub virtual_bytes: u64,
    /// Descriptors, as counted lately.
    pub open_files: u64,
    /// The limit of them.
    pub max_files: u64,
}

/// A tokio runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuntimeFacts {
    /// Its threads.
    pub workers: usize,
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Tasks that wait for a thread.
    pub queued: usize,
}
