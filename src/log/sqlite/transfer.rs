//! A file at either end of a copy, which nobody else has open meanwhile.
//!
//! SQLite knows that: with exclusive locking a connection to a file that others have open finds it locked, and others find it locked as long as
//! that connection lives. A target is written with a rollback journal and not a write-ahead log, which would be as large as the copy; a copy that was
//! killed is rolled back by whoever opens the file next.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, QueryBuilder, Sqlite, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteLockingMode, SqliteRow, SqliteSynchronous},
};

use super::{
    SqliteSettings,
    acked::Acked,
    append::{CHUNK, RESTORED, is_behind, read_head},
    column, error, file, is_unfinished, migrate_on, newer,
};
use crate::{
    domain::{Epoch, Seq, Timestamp},
    log::{
        LogError, LogId,
        access::calls::Value,
        schema,
        sessions::Failure,
        transfer::{CopyError, End, Kind, Reads, Row, Rows, Table, UNFINISHED, Writes, all},
    },
};

/// How many rows the thread that reads may be ahead of who takes them.
const ROWS_AHEAD: usize = 500;

/// A file that is copied.
pub(in crate::log) struct Reading {
    connection: SqliteConnection,
    acked: Acked,
}

/// An empty file in the transaction that fills it.
pub(in crate::log) struct Writing {
    connection: SqliteConnection,
    path: PathBuf,
}

impl Reading {
    pub(in crate::log) async fn open(path: &Path, settings: &SqliteSettings) -> Result<Self, CopyError> {
        let mut connection = connect(path, settings, End::Source).await?;
        bring_up_to_date(&mut connection, End::Source).await?;
        if is_unfinished(&mut connection).await.map_err(|error| refused(End::Source, error))? {
            return Err(CopyError::Store(End::Source, LogError::Internal(UNFINISHED.into())));
        }
        execute(&mut connection, "BEGIN IMMEDIATE").await.map_err(|error| refused(End::Source, error))?;
        Ok(Self { connection, acked: Acked::beside(path) })
    }
}

impl Writing {
    pub(in crate::log) async fn open(path: &Path, settings: &SqliteSettings) -> Result<Self, CopyError> {
        let refused = |error| refused(End::Target, error);
        file::make(path).map_err(|error| CopyError::Store(End::Target, file::not_made(path, &error)))?;
        let mut connection = connect(path, settings, End::Target).await?;
        // before anything is changed
        must_be_empty(&mut connection).await?;
        execute(&mut connection, "PRAGMA journal_mode = DELETE").await.map_err(refused)?;
        bring_up_to_date(&mut connection, End::Target).await?;
        let mark = sqlx::query("INSERT INTO unfinished_copy (one, begun_at) VALUES (1, $1) ON CONFLICT DO NOTHING");
        mark.bind(Timestamp::now().as_micros()).execute(&mut connection).await.map_err(refused)?;
        execute(&mut connection, "BEGIN IMMEDIATE; DELETE FROM access_version").await.map_err(refused)?;
        Ok(Self { connection, path: path.to_owned() })
    }
}

/// Whether others have the file open, of which none is read or changed by asking.
pub(in crate::log) async fn is_in_use(path: &Path) -> Result<bool, CopyError> {
    // whoever has it open keeps it open: waiting would only keep them waiting
    let settings = SqliteSettings { connect_timeout: Duration::from_millis(100), ..SqliteSettings::default() };
    match connect(path, &settings, End::Source).await {
        Ok(connection) => {
            let _ = connection.close().await;
            Ok(false)
        }
        Err(CopyError::InUse(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The only connection to the file.
async fn connect(path: &Path, settings: &SqliteSettings, end: End) -> Result<SqliteConnection, CopyError> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(settings.connect_timeout);
    let options = options.locking_mode(SqliteLockingMode::Exclusive).synchronous(SqliteSynchronous::Full);
    // 64 MiB of pages: a target is written in the order of its keys
    let options = options.pragma("cache_size", "-65536").row_buffer_size(ROWS_AHEAD).disable_statement_logging();
    let mut connection = options.connect().await.map_err(|error| refused(end, error))?;
    // takes the lock, which is kept from then on
    execute(&mut connection, "BEGIN EXCLUSIVE; COMMIT").await.map_err(|error| refused(end, error))?;
    Ok(connection)
}

/// Applies migrations, of which this version must know all that there are.
async fn bring_up_to_date(connection: &mut SqliteConnection, end: End) -> Result<(), CopyError> {
    migrate_on(connection).await.map_err(|error| refused(end, error))?;
    match newer(connection).await.map_err(|error| refused(end, error))?[..] {
        [] => Ok(()),
        _ => Err(CopyError::Store(end, LogError::Internal(schema::NOT_COPIED.into()))),
    }
}

/// Looks into those tables that there are.
async fn must_be_empty(connection: &mut SqliteConnection) -> Result<(), CopyError> {
    for table in all() {
        let exists = sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1").bind(table.name);
        if exists.fetch_all(&mut *connection).await.map_err(|error| refused(End::Target, error))?.is_empty() {
            continue;
        }
        let first = sqlx::query(AssertSqlSafe(table.first())).fetch_all(&mut *connection).await;
        if !first.map_err(|error| refused(End::Target, error))?.is_empty() {
            return Err(CopyError::NotEmpty(table.name));
        }
    }
    Ok(())
}

/// Statements without values, one after the other.
async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}

fn refused(end: End, error: sqlx::Error) -> CopyError {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    match code.map(|code| code & 0xff) {
        // BUSY
        Some(5) => CopyError::InUse(end),
        _ => CopyError::Store(end, failed(error)),
    }
}

fn failed(error: sqlx::Error) -> LogError {
    error::of_read(Failure::of(error))
}

fn rows<'a>(connection: &'a mut SqliteConnection, table: &'static Table, log: Option<i64>) -> BoxStream<'a, Result<Row, LogError>> {
    let statement = sqlx::query(AssertSqlSafe(table.select("")));
    let statement = if table.by_log { statement.bind(log) } else { statement };
    statement.fetch(connection).map(|row| row.map_err(failed).and_then(|row| values(&row, table))).fuse().boxed()
}

fn values(row: &SqliteRow, table: &Table) -> Result<Row, LogError> {
    let value = |(at, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Small | Kind::Integer | Kind::Big => Value::Number(column(row, at)?),
            Kind::Text => Value::Text(column(row, at)?),
            Kind::Bytes => Value::Bytes(column(row, at)?),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

async fn insert(connection: &mut SqliteConnection, table: &Table, rows: Vec<Row>) -> Result<(), sqlx::Error> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO ");
        query.push(table.name).push(" (").push(table.names()).push(") ");
        query.push_values(rows.by_ref().take(CHUNK), |mut values, row| {
            for value in row {
                match value {
                    Value::Text(text) => values.push_bind(text),
                    Value::Bytes(bytes) => values.push_bind(bytes),
                    Value::Number(number) => values.push_bind(number),
                };
            }
        });
        query.build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(())
}

impl Rows for Reading {
    fn rows<'a>(&'a mut self, table: &'static Table, log: Option<i64>) -> BoxStream<'a, Result<Row, LogError>> {
        rows(&mut self.connection, table, log)
    }
}

impl Rows for Writing {
    fn rows<'a>(&'a mut self, table: &'static Table, log: Option<i64>) -> BoxStream<'a, Result<Row, LogError>> {
        rows(&mut self.connection, table, log)
    }
}

#[async_trait]
impl Reads for Reading {
    async fn unsettled(&mut self) -> Result<BTreeMap<i64, &'static str>, LogError> {
        let logs = sqlx::query("SELECT id FROM logs").fetch_all(&mut self.connection).await.map_err(failed)?;
        let mut unsettled = BTreeMap::new();
        for row in &logs {
            let log = LogId::new(column(row, 0)?);
            let noted =
                self.acked.last(log).map_err(|error| LogError::Unavailable(format!("the note of what was acknowledged: {error}")))?;
            let head = read_head(&mut self.connection, log).await.map_err(failed)?;
            let cause = match (head, noted) {
                (Some(head), Some(noted)) => is_behind(&mut self.connection, log, &head, noted).await.map_err(failed)?.then_some(RESTORED),
                // a file that came without its note may have been put back as well: nobody but clients who saw more notices the new epoch
                _ => Some("no note of what was acknowledged"),
            };
            unsettled.extend(cause.map(|cause| (i64::from(log.to_column()), cause)));
        }
        Ok(unsettled)
    }

    async fn release(self: Box<Self>) {
        // nothing was written: however it ends, there is nothing to undo
        let _ = self.connection.close().await;
    }
}

#[async_trait]
impl Writes for Writing {
    fn counts_logs(&self) -> bool {
        // the note beside the file has a line for each number up to the highest
        true
    }

    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), LogError> {
        insert(&mut self.connection, table, rows).await.map_err(failed)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), LogError> {
        let heads = sqlx::query("SELECT id, epoch, head FROM logs ORDER BY id").fetch_all(&mut self.connection).await.map_err(failed)?;
        execute(&mut self.connection, "DELETE FROM unfinished_copy").await.map_err(failed)?;
        let acked = Acked::beside(&self.path);
        // what is noted of a file that was here before would make this one look as if it had been put back
        acked.forget().map_err(|error| LogError::Unavailable(format!("the note of what was acknowledged: {error}")))?;
        execute(&mut self.connection, "COMMIT").await.map_err(|error| error::of_write(Failure::of(error)))?;
        for row in &heads {
            let (log, epoch, head) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
            if let Err(error) = acked.note(LogId::new(log), Epoch::from_column(epoch), Seq::from_column(head)) {
                tracing::warn!(%error, "cannot note what was acknowledged; a restored file would not be noticed before the next append");
            }
        }
        // the commit stands, whatever becomes of the connection
        let _ = self.connection.close().await;
        Ok(())
    }
}
