//! How the adapter uses its file.

use std::{path::Path, time::Duration};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

/// Settings of [`super::SqliteLog`].
#[derive(Clone, Debug)]
pub struct SqliteSettings {
    /// The most connections that read at the same time; each is a thread.
    pub readers: usize,
    /// How long to wait for a free connection.
    pub connect_timeout: Duration,
    /// How long a read or a transaction may take. Waiting for another process's write takes at most four fifths of it.
    pub statement_timeout: Duration,
    /// The most events that one step of a trim deletes: it keeps appends waiting.
    pub trim_step: u32,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self { readers: 4, connect_timeout: Duration::from_secs(3), statement_timeout: Duration::from_secs(5), trim_step: 500 }
    }
}

impl SqliteSettings {
    pub(super) fn writer(&self, path: &Path) -> SqliteConnectOptions {
        self.options(path)
            // it is made before it is opened, for its owner alone
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            // what a burst has made it grow to is given back at the next checkpoint
            .pragma("journal_size_limit", "67108864")
            // with NORMAL a commit would be in the write-ahead log but not on the disk
            .synchronous(SqliteSynchronous::Full)
    }

    pub(super) fn reader(&self, path: &Path) -> SqliteConnectOptions {
        self.options(path).read_only(true)
    }

    fn options(&self, path: &Path) -> SqliteConnectOptions {
        // the store's own answer, "busy", comes before the deadline and says that nothing was changed
        SqliteConnectOptions::new().filename(path).busy_timeout(self.statement_timeout / 5 * 4)
    }
}
