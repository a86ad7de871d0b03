//! The log in one SQLite file: no server, one machine.
//!
//! One connection writes, in `BEGIN IMMEDIATE` transactions, a few others read; the write-ahead log lets them not wait for each other.
//! **Acknowledged is durable**: `synchronous=FULL` flushes each commit. A file put back from a backup is noticed by the note beside it
//! (`<file>.acked`) and starts a new epoch before a number is used twice (`a_restored_file_starts_a_new_epoch_before_a_seq_is_reused`).
//!
//! Other processes may use the same file; who finds it locked waits, and gives up before the deadline. A file that is replaced while it is open is
//! opened anew; one that was deleted makes the log unavailable until it is back, because a new empty one in its place would hide the loss.

mod access;
mod acked;
mod append;
mod decide;
mod error;
mod file;
mod read;
mod settings;
pub(super) mod transfer;
mod trim;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions as _, Row as _, Sqlite, SqliteConnection,
    migrate::Migrator,
    query::Query,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow},
};
use tokio::time::timeout;

pub use settings::SqliteSettings;

use self::{acked::Acked, file::DatabaseFile};
use super::{
    AccessVersion, AppendRequest, Appended, ContentDigest, Disk, EventLog, LogError, LogId, Look, Page, PageRequest, Retention,
    SessionCounts, StoreIdentity, Trimmed, page, schema,
    sessions::{Failure, Session, Sessions},
    statements, transfer as copying,
};
use crate::domain::{Epoch, EpochChain, EpochStart, EventId, LogName, Seq, Source, Timestamp};

/// Where every log stands and what it is called, and the version of access, from one snapshot. One row without a log when there is none.
const LOOK: &str = "
    SELECT l.id, l.epoch, l.head, l.earliest, v.version, l.name FROM access_version AS v LEFT JOIN logs AS l ON v.one = 1 ORDER BY l.id";

// each must leave the version before able to run: see `schema`
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| schema::lenient(sqlx::migrate!("./migrations/sqlite")));

/// Logs in one SQLite file.
pub struct SqliteLog {
    path: PathBuf,
    file: DatabaseFile,
    acked: Acked,
    writer: Sessions<SqliteConnectOptions>,
    readers: Sessions<SqliteConnectOptions>,
    trim_step: u32,
}

impl SqliteLog {
    /// Opens the file, made for its owner alone with its directories when there is none, and applies migrations.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the file stays locked or something else is in the way that may pass, [`LogError::Internal`] when it is not
    /// ours, is no database, or may not be opened.
    pub async fn open_file(path: &Path, settings: SqliteSettings) -> Result<Self, LogError> {
        file::make(path).map_err(|error| file::not_made(path, &error))?;
        let unfinished = connect(settings.writer(path), path, &settings, async |connection: &mut SqliteConnection| {
            migrate_on(connection).await?;
            is_unfinished(connection).await
        });
        refuse_unfinished(unfinished.await?)?;
        let writer = Sessions::new(settings.writer(path), 1, settings.connect_timeout, settings.statement_timeout);
        let readers = Sessions::new(settings.reader(path), settings.readers, settings.connect_timeout, settings.statement_timeout);
        let file = DatabaseFile::at(path).map_err(|error| LogError::Unavailable(format!("{}: {error}", path.display())))?;
        let (acked, trim_step) = (Acked::beside(path), settings.trim_step.max(1));
        Ok(Self { path: path.to_owned(), file, acked, writer, readers, trim_step })
    }

    /// Makes sure that the file can be written, which a connection to one that only can be read does not tell.
    ///
    /// # Errors
    /// [`LogError::Internal`] when it cannot, naming what is in the way; [`LogError::Unavailable`] when the file stays locked.
    pub async fn prove_writable(&self) -> Result<(), LogError> {
        // a file that only can be read takes even `BEGIN IMMEDIATE`; that nothing is changed is not known before the update runs
        const PROOF: &str = "BEGIN IMMEDIATE; UPDATE access_version SET version = version WHERE one = 0; ROLLBACK";
        if let Some(obstacle) = file::obstacle(&self.path) {
            return Err(LogError::Internal(obstacle));
        }
        let mut session = self.writer.acquire().await.map_err(error::of_read)?;
        let worked = timeout(session.deadline(), sqlx::raw_sql(PROOF).execute(session.connection())).await;
        session.settle(worked).map(drop).map_err(|failure| match failure {
            Failure::Answered(error) => error::of_opening(&error, &self.path),
            failure => error::of_read(failure),
        })
    }

    /// How far the schema is; changes nothing, and makes no file.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the file cannot be opened or stays locked, [`LogError::Internal`] when it is no database.
    pub async fn schema(path: &Path, settings: &SqliteSettings) -> Result<schema::Schema, LogError> {
        if !path.exists() {
            return Ok(schema::Schema::of(&[], &MIGRATIONS));
        }
        connect(settings.reader(path), path, settings, async |connection: &mut SqliteConnection| {
            let there = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE name IN ('_sqlx_migrations', 'unfinished_copy')");
            let there: Vec<String> = there.fetch_all(&mut *connection).await?;
            let is_there = |table: &str| there.iter().any(|name| name == table);
            let noted: Vec<schema::Noted> = match is_there("_sqlx_migrations") {
                true => sqlx::query_as(schema::NOTED).fetch_all(&mut *connection).await?,
                false => Vec::new(),
            };
            let unfinished = is_there("unfinished_copy") && sqlx::query_scalar(schema::UNFINISHED).fetch_one(connection).await?;
            Ok(schema::Schema::of(&noted, &MIGRATIONS).or_unfinished(unfinished))
        })
        .await
    }

    /// The connection that writes.
    async fn writer(&self) -> Result<Session<'_, SqliteConnectOptions>, LogError> {
        self.look_at_file().await?;
        self.writer.acquire().await.map_err(error::of_read)
    }

    /// The connection that writes, and which store it leads to; `None` when the file was replaced while the connection was taken.
    async fn writer_to(&self) -> Result<(Session<'_, SqliteConnectOptions>, Option<StoreIdentity>), LogError> {
        self.look_at_file().await?;
        // known before the connection is taken, and still the one that the path names behind it: so it is what the connection has open
        let file = self.file.identity();
        let session = self.writer.acquire().await.map_err(error::of_read)?;
        let is_still = matches!(self.file.replacement(), Ok(None)) && self.file.identity() == file;
        Ok((session, is_still.then_some(file)))
    }

    async fn look_at_file(&self) -> Result<(), LogError> {
        let gone = |error: std::io::Error| LogError::Unavailable(format!("{}: {error}", self.path.display()));
        if let Some(other) = self.file.replacement().map_err(gone)? {
            tracing::warn!(path = %self.path.display(), "the database file was replaced; opening it anew");
            self.writer.forget();
            self.readers.forget();
            // only now: whoever looks before this forgets the old connections too
            self.file.accept(other);
            migrate(self.writer.acquire().await.map_err(error::of_read)?).await?;
        }
        Ok(())
    }

    async fn read_rows(&self, statement: Query<'_, Sqlite, SqliteArguments>) -> Result<Vec<SqliteRow>, LogError> {
        self.look_at_file().await?;
        let read = async {
            let mut session = self.readers.acquire().await?;
            let worked = timeout(session.deadline(), statement.fetch_all(session.connection())).await;
            session.settle(worked)
        };
        read.await.map_err(error::of_read)
    }

    /// Notes what was acknowledged. The commit stands whether or not this succeeds.
    fn note(&self, log: LogId, epoch: Epoch, head: Seq) {
        if let Err(error) = self.acked.note(log, epoch, head) {
            tracing::warn!(note = %self.acked.path().display(), %error, "cannot note what was acknowledged; a restored file would not be noticed");
        }
    }
}

async fn migrate(mut session: Session<'_, SqliteConnectOptions>) -> Result<(), LogError> {
    let migrated = timeout(session.deadline(), async {
        migrate_on(session.connection()).await?;
        is_unfinished(session.connection()).await
    });
    let migrated = migrated.await;
    refuse_unfinished(session.settle(migrated).map_err(error::of_read)?)
}

fn refuse_unfinished(unfinished: bool) -> Result<(), LogError> {
    if unfinished { Err(LogError::Internal(copying::UNFINISHED.into())) } else { Ok(()) }
}

/// Does what a start begins with, on a connection of its own, whose errors tell whether waiting can help.
async fn connect<T>(
    options: SqliteConnectOptions,
    path: &Path,
    settings: &SqliteSettings,
    work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
) -> Result<T, LogError> {
    let late = |_| LogError::Unavailable(format!("{}: no answer within the deadline", path.display()));
    let failed = |error| error::of_opening(&error, path);
    // an empty file becomes a database while it is connected to, which is flushed
    let opened = async { work(&mut options.connect().await?).await };
    timeout(settings.connect_timeout + settings.statement_timeout, opened).await.map_err(late)?.map_err(failed)
}

async fn migrate_on(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // `run` takes what can be acquired from, whose future is not `Send` enough for a trait object
    MIGRATIONS.run_direct(None, connection, false).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => error,
        other => sqlx::Error::Migrate(Box::new(other)),
    })?;
    let newer = newer(connection).await?;
    schema::refusal(schema::known(&MIGRATIONS), &newer).map_or(Ok(()), |why| Err(sqlx::Error::Configuration(why.into())))
}

/// What newer versions have done to the schema.
async fn newer(connection: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(schema::NEWER).bind(schema::known(&MIGRATIONS)).fetch_all(connection).await
}

/// A file to which a copy was begun is none to start on.
async fn is_unfinished(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    Ok(!sqlx::query("SELECT 1 FROM unfinished_copy").fetch_all(connection).await?.is_empty())
}

/// Starts a numbering behind the head, in the transaction under way.
async fn start_epoch(connection: &mut SqliteConnection, log: LogId, epoch: Epoch, cause: &str) -> Result<(), sqlx::Error> {
    const LINK: &str = "
        INSERT INTO epochs (log, ordinal, epoch, first_seq, cause, at)
        SELECT id, coalesce((SELECT max(ordinal) + 1 FROM epochs WHERE log = $1), 0), $2, head + 1, $3, $4 FROM logs WHERE id = $1";
    let (id, column) = (log.to_column(), epoch.to_column());
    sqlx::query(LINK).bind(id).bind(column).bind(cause).bind(Timestamp::now().as_micros()).execute(&mut *connection).await?;
    sqlx::query("UPDATE logs SET epoch = $2 WHERE id = $1").bind(id).bind(column).execute(connection).await?;
    Ok(())
}

/// A column of a row, or the news that the statement and this code have parted ways.
fn column<'r, T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>>(row: &'r SqliteRow, index: usize) -> Result<T, LogError> {
    row.try_get(index).map_err(|error| LogError::Internal(error.to_string()))
}

fn first(rows: &[SqliteRow], log: LogId) -> Result<&SqliteRow, LogError> {
    rows.first().ok_or_else(|| no_log(log))
}

fn no_log(log: LogId) -> LogError {
    LogError::Internal(format!("no log {}", log.to_column()))
}

#[async_trait]
impl EventLog for SqliteLog {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    async fn open(&self, name: &LogName) -> Result<LogId, LogError> {
        append::open(self, name).await
    }

    async fn append(&self, log: LogId, requests: &[AppendRequest]) -> Result<Appended, LogError> {
        append::append(self, log, requests).await
    }

    async fn look(&self) -> Result<Look, LogError> {
        let rows = self.read_rows(sqlx::query(LOOK)).await?;
        let version: i64 = rows.first().map_or_else(|| Err(LogError::Internal("no version of access".into())), |row| column(row, 4))?;
        let (mut positions, mut names) = (Vec::with_capacity(rows.len()), HashMap::with_capacity(rows.len()));
        for row in &rows {
            // the one row of a store without logs
            let Some(id) = column(row, 0)? else { continue };
            let id = LogId::new(id);
            positions.push(page::position(id, (column(row, 1)?, column(row, 2)?, column(row, 3)?)));
            names.insert(id, LogName::new(column::<&str>(row, 5)?));
        }
        Ok(Look { positions, names, access: AccessVersion(version.unsigned_abs()), store: Some(self.file.identity()) })
    }

    async fn epochs(&self, log: LogId) -> Result<EpochChain, LogError> {
        let rows = self.read_rows(sqlx::query(statements::EPOCHS).bind(log.to_column())).await?;
        let link =
            |row: &SqliteRow| Ok(EpochStart { epoch: Epoch::from_column(column(row, 0)?), first: Seq::from_column(column(row, 1)?) });
        let links = rows.iter().map(link).collect::<Result<_, LogError>>()?;
        EpochChain::new(links).ok_or_else(|| no_log(log))
    }

    async fn read(&self, log: LogId, request: &PageRequest) -> Result<Page, LogError> {
        read::read(self, log, request).await
    }

    async fn seq_before(&self, log: LogId, at: Timestamp) -> Result<Seq, LogError> {
        let rows = self.read_rows(sqlx::query(statements::SEQ_BEFORE).bind(log.to_column()).bind(at.as_micros())).await?;
        Ok(Seq::from_column(column(first(&rows, log)?, 0)?))
    }

    async fn trim(&self, log: LogId, retention: &Retention) -> Result<Trimmed, LogError> {
        trim::trim(self, log, retention).await
    }

    async fn new_epoch(&self, log: LogId, cause: &str) -> Result<Epoch, LogError> {
        append::new_epoch(self, log, cause).await
    }

    async fn ids(&self, log: LogId) -> Result<Option<u64>, LogError> {
        let rows = self.read_rows(sqlx::query(statements::IDS).bind(log.to_column())).await?;
        let ids: i64 = column(first(&rows, log)?, 0)?;
        Ok(Some(ids.unsigned_abs()))
    }

    async fn digests(&self, log: LogId, ids: &[(Source, EventId)]) -> Result<Vec<Option<ContentDigest>>, LogError> {
        read::digests(self, log, ids).await
    }

    async fn size_bytes(&self) -> Result<u64, LogError> {
        let path = self.path.clone();
        // a file system that does not answer must not hold the runtime's own thread
        let asked = tokio::task::spawn_blocking(move || {
            // the write-ahead log is part of the log
            let wal = std::fs::metadata(format!("{}-wal", path.display())).map_or(0, |file| file.len());
            let file = std::fs::metadata(&path).map_err(|error| LogError::Unavailable(format!("{}: {error}", path.display())))?;
            Ok(file.len() + wal)
        });
        asked.await.map_err(|error| LogError::Unavailable(error.to_string()))?
    }

    async fn disk(&self) -> Result<Option<Disk>, LogError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let asked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&folder)).await;
        let found = asked.map_err(|error| LogError::Unavailable(error.to_string()))?;
        let found = found.map_err(|error| LogError::Unavailable(error.to_string()))?;
        // what is left for who is not root
        Ok(Some(Disk { free: found.f_bavail.saturating_mul(found.f_frsize), size: found.f_blocks.saturating_mul(found.f_frsize) }))
    }

    fn sessions(&self) -> Vec<(&'static str, SessionCounts)> {
        vec![("append", self.writer.counts()), ("read", self.readers.counts())]
    }

    async fn close(&self) {
        self.readers.close();
        self.writer.close();
    }
}
