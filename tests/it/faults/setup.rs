//! What a scenario consists of before anything breaks: its name, its size, its store, and what its instances are told.

use std::{path::Path, time::Duration};

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::{postgres::Cluster, process::Settings, store::Store};

/// `full` for the figures of RELIABILITY.md; unset for what every test run can afford.
const SIZE: &str = "CHAINCAST_TEST_FAULTS";

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) subscribers: usize,
    pub(super) publishers: usize,
    /// Between two batches of a publisher.
    pub(super) pace: Duration,
    /// How many are acknowledged before a fault, and after it.
    pub(super) events: usize,
    /// How long a fault lasts.
    pub(super) fault: Duration,
}

impl Size {
    /// What the environment asks for.
    pub(super) fn wanted() -> Self {
        let pace = Duration::from_millis(20);
        match std::env::var(SIZE).as_deref() {
            Ok("full") => Self { subscribers: 300, publishers: 4, pace: 2 * pace, events: 1000, fault: Duration::from_secs(10) },
            Ok(other) => panic!("{SIZE} is `full` or unset, not {other:?}"),
            Err(_) => Self { subscribers: 45, publishers: 3, pace, events: 150, fault: Duration::from_secs(1) },
        }
    }
}

/// A scenario.
pub(super) struct Setup {
    /// Its place in the table.
    pub(super) nr: u32,
    /// What breaks.
    pub(super) fault: &'static str,
    pub(super) instances: usize,
    /// How many of the subscribers read slowly.
    pub(super) slow: usize,
    /// Bytes that each event carries beyond its own.
    pub(super) padding: usize,
    settings: Vec<(&'static str, String)>,
}

impl Setup {
    /// Three instances whose rings hold less than is published, so that coming back means the log as well as memory.
    pub(super) fn of(nr: u32, fault: &'static str) -> Self {
        let settings = [("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1), ("CHAINCAST_HEARTBEAT_SECONDS", 1), ("CHAINCAST_RING_EVENTS", 256)];
        let settings = settings.map(|(name, value)| (name, value.to_string())).into();
        Self { nr, fault, instances: 3, slow: 0, padding: 0, settings }
    }

    /// With one more variable for every instance.
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    /// With some who read slowly, and events large enough for that to tell.
    pub(super) fn with_slow_readers(mut self, slow: usize, padding: usize) -> Self {
        (self.slow, self.padding) = (slow, padding);
        self
    }

    /// What an instance is told that finds its store there.
    pub(super) fn settings(&self, database_url: &str) -> Settings {
        self.settings.iter().fold(Settings::at(database_url), |settings, (name, value)| settings.with(name, value))
    }
}

/// The store of a scenario.
pub(super) enum Home {
    /// A database on the test server.
    Shared(Store),
    /// A server of its own that may be stopped, killed and filled.
    Own(Cluster),
    /// A directory whose room may end; it may be a file system that only the one instance sees.
    Disk(TempDir),
}

/// What bounds the room of a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Room {
    /// A small file system of its own.
    Disk { megabytes: usize },
    /// The limit of the process.
    Limit,
}

impl Home {
    /// Where the server is.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Shared(store) => store.url(),
            Self::Own(cluster) => cluster.url(),
            Self::Disk(_) => panic!("a file that only its instance sees"),
        }
    }

    /// Where the store can be read without the service: of a directory, as `pid` sees it, a copy that is made in `folder`.
    pub(super) fn url_to_read(&self, pid: u32, folder: &Path) -> String {
        let Self::Disk(dir) = self else { return self.url() };
        // SQLite takes /proc/<pid>/root for a link to this test's own root
        for file in ["log.db", "log.db-wal"] {
            let seen_by_it = format!("/proc/{pid}/root{}/{file}", dir.path().display());
            std::fs::copy(&seen_by_it, folder.join(file)).unwrap_or_else(|error| panic!("{seen_by_it}: {error}"));
        }
        format!("sqlite://{}/log.db", folder.display())
    }
}

/// Lets one scenario run at a time.
pub(super) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
