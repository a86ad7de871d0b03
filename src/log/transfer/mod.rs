//! Moves all that a store keeps into an empty one, of either kind.
//!
//! What is moved is rows: numberings, seqs, times, ids with their digests, postings, and everything of access, so that clients, indexers and
//! operators cannot tell the two stores apart. Only two things are the target's own: which store it is, so that its next append goes on in the
//! epoch that was copied, and, in SQLite, the numbers that logs have within it. And one thing is made up for: a log whose next append would have
//! started a new epoch at the source has one in the target already (`renewal`).
//!
//! The source is read in one snapshot while nobody can write it, nor, in SQLite, have it open at all. The target is written in one transaction, in
//! which everything is read again and compared before it is committed: a copy is whole or not there. Before it, a mark is committed that the
//! transaction takes away: a service does not start on a store to which a copy was begun (`a_copy_that_was_killed_is_not_served_and_can_be_repeated`).
//!
//! Rows pass through in chunks of bounded size, one being read while another is written. Adapters read and write (`postgres::transfer`,
//! `sqlite::transfer`); what is copied, in which order and how it is checked is here.

mod renewal;
mod run;
mod table;
mod tally;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, path::Path};

use async_trait::async_trait;
use futures::stream::BoxStream;

pub(in crate::log) use self::table::{Kind, LOGS, Table, all};
pub use self::{
    run::{Copied, Progress, Stage, copy},
    table::copied_columns,
};
use super::{LogError, PostgresSettings, SqliteSettings, access::calls::Value, postgres, sqlite};

/// A row of any table: one value a column.
pub(in crate::log) type Row = Vec<Value>;

/// What is read or written at once, at most.
pub(in crate::log) const CHUNK_ROWS: usize = 10_000;
/// What is read or written at once, at most, but for the last row.
pub(in crate::log) const CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// What refuses to open a store while a copy into it is unfinished.
pub(in crate::log) const UNFINISHED: &str = "\
    a copy into this store was begun and not finished: run `chaincast log copy` again, or set DATABASE_URL to the store that it was to copy";

/// What is read row by row.
pub(in crate::log) trait Rows: Send {
    /// The rows of a table, or those of one log in it if it is by log. Whoever stops reading before the end reads nothing else afterwards.
    fn rows<'a>(&'a mut self, table: &'static Table, log: Option<i64>) -> BoxStream<'a, Result<Row, LogError>>;
}

/// A store that is held still while it is read.
#[async_trait]
pub(in crate::log) trait Reads: Rows {
    /// The logs that clients may have been told more of than the store has, in which it would number anew with the next append; each with the cause.
    async fn unsettled(&mut self) -> Result<BTreeMap<i64, &'static str>, LogError>;

    /// Lets go of it.
    async fn release(self: Box<Self>);
}

/// An empty store in the one transaction that fills it; dropped before the commit it is empty again.
#[async_trait]
pub(in crate::log) trait Writes: Rows {
    /// Whether its logs are numbered one after the other, so that it does not take just any numbers.
    fn counts_logs(&self) -> bool;

    /// Writes rows of a table.
    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), LogError>;

    /// Takes the mark away and makes all of it last.
    async fn commit(self: Box<Self>) -> Result<(), LogError>;
}

/// One end of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What is copied.
    Source,
    /// What it is copied to.
    Target,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "the store to copy",
            Self::Target => "the store to copy to",
        })
    }
}

/// Why nothing was copied. A store that was not in use may have been given this version's tables all the same.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CopyError {
    /// Somebody else has it open.
    #[error("{0} is in use: stop every service and command that uses it, then copy")]
    InUse(End),
    /// It has something already.
    #[error("the store to copy to is not empty, there is something in its table `{0}`: name one that has nothing of chaincast in it")]
    NotEmpty(&'static str),
    /// It could not be read or written.
    #[error("{0}: {1}")]
    Store(End, LogError),
    /// What was written is not what was read.
    #[error("what was written to `{table}` does not read as what was copied ({read} rows for {copied}); nothing of the copy is kept")]
    Differs {
        /// The table.
        table: &'static str,
        /// How many rows were copied.
        copied: u64,
        /// How many were read again.
        read: u64,
    },
    /// The last step was not answered.
    #[error(
        "the end of the copy was not confirmed ({0}): run this again, and if it says that the store to copy to is not empty, the copy was whole"
    )]
    Unconfirmed(LogError),
}

/// A store to copy, held still for as long as this lives.
pub struct Source(Box<dyn Reads>);

impl Source {
    /// A file that nobody else has open, nor will until the copy is over.
    ///
    /// # Errors
    /// [`CopyError::InUse`] when somebody has; [`CopyError::Store`] when it cannot be opened.
    pub async fn sqlite(path: &Path, settings: SqliteSettings) -> Result<Self, CopyError> {
        Ok(Self(Box::new(sqlite::transfer::Reading::open(path, &settings).await?)))
    }

    /// A database that nobody can write until the copy is over.
    ///
    /// # Errors
    /// [`CopyError::InUse`] when a service is connected or somebody is writing; [`CopyError::Store`] when it cannot be reached.
    pub async fn postgres(url: &str, settings: PostgresSettings) -> Result<Self, CopyError> {
        Ok(Self(Box::new(postgres::transfer::Reading::open(url, &settings).await?)))
    }

    /// Whether somebody has the file open. Nobody in this process may.
    ///
    /// # Errors
    /// [`CopyError::Store`] when that cannot be found out.
    pub async fn is_sqlite_in_use(path: &Path) -> Result<bool, CopyError> {
        sqlite::transfer::is_in_use(path).await
    }

    /// Whether a service is connected to the database. One that has just ended is given a little time to be gone.
    ///
    /// # Errors
    /// [`CopyError::Store`] when that cannot be found out.
    pub async fn is_postgres_in_use(url: &str, settings: &PostgresSettings) -> Result<bool, CopyError> {
        postgres::transfer::is_in_use(url, settings).await
    }
}

/// An empty store to copy to, marked as one to which a copy was begun.
pub struct Target(Box<dyn Writes>);

impl Target {
    /// A file, made when there is none.
    ///
    /// # Errors
    /// [`CopyError::NotEmpty`], and what [`Source::sqlite`] fails for.
    pub async fn sqlite(path: &Path, settings: SqliteSettings) -> Result<Self, CopyError> {
        Ok(Self(Box::new(sqlite::transfer::Writing::open(path, &settings).await?)))
    }

    /// A database, in which the tables are made when there are none.
    ///
    /// # Errors
    /// [`CopyError::NotEmpty`], and what [`Source::postgres`] fails for.
    pub async fn postgres(url: &str, settings: PostgresSettings) -> Result<Self, CopyError> {
        Ok(Self(Box::new(postgres::transfer::Writing::open(url, &settings).await?)))
    }
}
