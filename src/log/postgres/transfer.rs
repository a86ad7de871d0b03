//! A database at either end of a copy: one connection, one transaction, and locks on every table for as long as that takes.
//!
//! A source is locked against writers before its snapshot is taken, so that nobody is acknowledged what the copy does not have. A target is locked
//! against everyone; its tables get new files, which a server drops by itself when the copy is not committed, and whose rows are frozen, so
//! that no vacuum has to write them all again.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow},
};
use tokio::time::{Instant, sleep, timeout};

use super::{PostgresSettings, binary, column, error, migrate, newer, refuse_unfinished};
use crate::log::{
    LogError,
    access::calls::Value,
    schema,
    sessions::Failure,
    transfer::{CopyError, End, Kind, LOGS, Reads, Row, Rows, Table, Writes, all},
};

/// What `pg_stat_activity` shows of a copy: other than a service, which must not be there.
const NAME: &str = "chaincast log copy";
/// How long those who use the store may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

const SERVICES: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()";

/// Logs whose head another store wrote: a primary that is gone, or what a backup was made of.
const UNSETTLED: &str = "SELECT id::bigint FROM logs WHERE store <> store_identity()";

/// A database that is copied.
pub(in crate::log) struct Reading {
    connection: PgConnection,
}

/// An empty database in the transaction that fills it.
pub(in crate::log) struct Writing {
    connection: PgConnection,
    /// What head rows say of who wrote them.
    store: String,
}

impl Reading {
    pub(in crate::log) async fn open(url: &str, settings: &PostgresSettings) -> Result<Self, CopyError> {
        let at_source = |error| CopyError::Store(End::Source, error);
        let options = options(url, settings).map_err(at_source)?;
        // before the schema is touched: those who are there may be older than it would be
        wait_until_unused(&mut connect(&options, settings, End::Source).await?, settings).await?;
        let mut connection = bring_up_to_date(&options, settings, End::Source).await?;
        refuse_unfinished(&mut connection, settings).await.map_err(at_source)?;
        wait_until_unused(&mut connection, settings).await?;
        // the locks come first: the snapshot is that of the first query behind them
        let lock = format!("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE {} IN SHARE MODE", tables(|_| true));
        execute(&mut connection, lock).await.map_err(|error| refused(End::Source, error))?;
        Ok(Self { connection })
    }
}

impl Writing {
    pub(in crate::log) async fn open(url: &str, settings: &PostgresSettings) -> Result<Self, CopyError> {
        let options = options(url, settings).map_err(|error| CopyError::Store(End::Target, error))?;
        // before the tables are made: what is not empty is left as it is
        must_be_empty(&mut connect(&options, settings, End::Target).await?).await?;
        let mut connection = bring_up_to_date(&options, settings, End::Target).await?;
        mark(&mut connection).await?;
        match begin(&mut connection).await {
            Ok(store) => Ok(Self { connection, store }),
            Err(error) => {
                if matches!(error, CopyError::NotEmpty(_)) {
                    // somebody else has come to live here between the mark and the lock
                    unmark(&mut connection).await.map_err(|error| refused(End::Target, error))?;
                }
                Err(error)
            }
        }
    }
}

/// Whether a service is connected to the database.
pub(in crate::log) async fn is_in_use(url: &str, settings: &PostgresSettings) -> Result<bool, CopyError> {
    let options = options(url, settings).map_err(|error| CopyError::Store(End::Source, error))?;
    match wait_until_unused(&mut connect(&options, settings, End::Source).await?, settings).await {
        Ok(()) => Ok(false),
        Err(CopyError::InUse(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

async fn connect(options: &PgConnectOptions, settings: &PostgresSettings, end: End) -> Result<PgConnection, CopyError> {
    let unreached = |error| CopyError::Store(end, error);
    match timeout(settings.connect_timeout, options.connect()).await {
        Ok(connected) => connected.map_err(|error| unreached(error::of_connecting(&error))),
        Err(_) => Err(unreached(LogError::Unavailable(format!("no connection within {:?}", settings.connect_timeout)))),
    }
}

/// Applies migrations, of which this version must know all that there are.
async fn bring_up_to_date(options: &PgConnectOptions, settings: &PostgresSettings, end: End) -> Result<PgConnection, CopyError> {
    let mut connection = migrate(options, settings).await.map_err(|error| CopyError::Store(end, error))?;
    match newer(&mut connection).await.map_err(|error| refused(end, error))?[..] {
        [] => Ok(connection),
        _ => Err(CopyError::Store(end, LogError::Internal(schema::NOT_COPIED.into()))),
    }
}

/// Says, before anything else, that a copy is begun.
async fn mark(connection: &mut PgConnection) -> Result<(), CopyError> {
    lock_out(connection).await?;
    must_be_empty(connection).await?;
    let mark = "INSERT INTO unfinished_copy (begun_at) VALUES (micros_now()) ON CONFLICT DO NOTHING; COMMIT";
    execute(connection, mark.into()).await.map_err(|error| refused(End::Target, error))
}

async fn unmark(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    execute(connection, "ROLLBACK; DELETE FROM unfinished_copy".into()).await
}

/// Begins the copy's own transaction.
async fn begin(connection: &mut PgConnection) -> Result<String, CopyError> {
    lock_out(connection).await?;
    must_be_empty(connection).await?;
    // the trail refuses even this, and is empty; what is truncated may be written frozen
    let truncate = format!("TRUNCATE {}", tables(is_truncated));
    execute(connection, truncate).await.map_err(|error| refused(End::Target, error))?;
    let store = sqlx::query("SELECT store_identity()").fetch_all(&mut *connection).await;
    let store = store.and_then(|rows| rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0));
    store.map_err(|error| refused(End::Target, error))
}

async fn lock_out(connection: &mut PgConnection) -> Result<(), CopyError> {
    let lock = format!("BEGIN; LOCK TABLE {}, unfinished_copy IN ACCESS EXCLUSIVE MODE", tables(|_| true));
    execute(connection, lock).await.map_err(|error| refused(End::Target, error))
}

/// Looks into those tables that there are.
async fn must_be_empty(connection: &mut PgConnection) -> Result<(), CopyError> {
    let look = async |connection: &mut PgConnection, sql: String| sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await;
    for table in all() {
        let exists = look(connection, format!("SELECT 1 WHERE to_regclass('{}') IS NOT NULL", table.name)).await;
        if exists.map_err(|error| refused(End::Target, error))?.is_empty() {
            continue;
        }
        let first = look(connection, table.first()).await.map_err(|error| refused(End::Target, error))?;
        if !first.is_empty() {
            return Err(CopyError::NotEmpty(table.name));
        }
    }
    Ok(())
}

/// Waits a while for services to be gone.
async fn wait_until_unused(connection: &mut PgConnection, settings: &PostgresSettings) -> Result<(), CopyError> {
    let deadline = Instant::now() + PATIENCE;
    while services(connection, settings).await.map_err(|error| refused(End::Source, error))? > 0 {
        if Instant::now() > deadline {
            return Err(CopyError::InUse(End::Source));
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn services(connection: &mut PgConnection, settings: &PostgresSettings) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(SERVICES).bind(&settings.application_name).fetch_one(connection).await
}

fn options(url: &str, settings: &PostgresSettings) -> Result<PgConnectOptions, LogError> {
    let options = settings.options(url)?.application_name(NAME);
    let lock_timeout = PATIENCE.as_millis().to_string();
    let options = options.options([
        // a statement may read a whole table, and the transaction waits for the other store: what is bounded is each chunk
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("lock_timeout", &lock_timeout),
        // tables that were just written have no statistics, and must not be sorted on disk instead of being read along their key
        ("enable_sort", "off"),
    ]);
    // a table that takes minutes is no slow statement
    Ok(options.disable_statement_logging())
}

fn is_truncated(table: &Table) -> bool {
    table.name != "audit"
}

fn tables(wanted: impl Fn(&Table) -> bool) -> String {
    all().filter(|table| wanted(table)).map(|table| table.name).collect::<Vec<_>>().join(", ")
}

/// Statements without values, one after the other.
async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Nobody waits longer than a while for a lock, which somebody else has then.
fn refused(end: End, error: sqlx::Error) -> CopyError {
    match error.as_database_error().and_then(|error| error.code()).as_deref() {
        Some("55P03") => CopyError::InUse(end),
        _ => CopyError::Store(end, failed(error)),
    }
}

fn failed(error: sqlx::Error) -> LogError {
    error::of_read(Failure::of(error))
}

fn rows<'a>(connection: &'a mut PgConnection, table: &'static Table, log: Option<i64>) -> BoxStream<'a, Result<Row, LogError>> {
    let statement = sqlx::query(AssertSqlSafe(table.select("::bigint")));
    let statement = if table.by_log { statement.bind(log.and_then(|log| i32::try_from(log).ok())) } else { statement };
    statement.fetch(connection).map(|row| row.map_err(failed).and_then(|row| values(&row, table))).fuse().boxed()
}

fn values(row: &PgRow, table: &Table) -> Result<Row, LogError> {
    let value = |(at, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Small | Kind::Integer | Kind::Big => Value::Number(column(row, at)?),
            Kind::Text => Value::Text(column(row, at)?),
            Kind::Bytes => Value::Bytes(column(row, at)?),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
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
        let logs = sqlx::query(UNSETTLED).fetch_all(&mut self.connection).await.map_err(failed)?;
        // what `append_events` gives as the cause
        logs.iter().map(|row| Ok((column(row, 0)?, "store changed"))).collect()
    }

    async fn release(self: Box<Self>) {
        // nothing was written: however it ends, there is nothing to undo
        let _ = self.connection.close().await;
    }
}

#[async_trait]
impl Writes for Writing {
    fn counts_logs(&self) -> bool {
        false
    }

    async fn write(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), LogError> {
        let is_logs = table == &LOGS;
        let freeze = if is_truncated(table) { ", FREEZE" } else { "" };
        let store = if is_logs { ", store" } else { "" };
        let sql = format!("COPY {} ({}{store}) FROM STDIN (FORMAT binary{freeze})", table.name, table.names());
        let kinds: Vec<Kind> = table.columns.iter().map(|(_, kind)| *kind).collect();
        let bytes = binary::encode(&rows, &kinds, is_logs.then_some(self.store.as_str()))?;
        let written = async {
            let mut copy = self.connection.copy_in_raw(&sql).await?;
            copy.send(bytes).await?;
            copy.finish().await
        };
        let written = written.await.map_err(failed)?;
        if written == rows.len() as u64 { Ok(()) } else { Err(LogError::Internal(format!("{written} of {} rows were taken", rows.len()))) }
    }

    async fn commit(mut self: Box<Self>) -> Result<(), LogError> {
        execute(&mut self.connection, "DELETE FROM unfinished_copy".into()).await.map_err(failed)?;
        execute(&mut self.connection, "COMMIT".into()).await.map_err(|error| error::of_write(Failure::of(error)))?;
        // the commit stands, whatever becomes of the connection
        let _ = self.connection.close().await;
        Ok(())
    }
}
