//! The log in Postgres 15 or newer.
//!
//! An append is one call of one database function (`migrations/postgres/0002_append.sql`); a page is one statement, hence one
//! snapshot; nothing holds a transaction open across a round trip. **Acknowledged is durable**: sessions commit synchronously whatever the
//! server's default, and a server that does not flush is refused (`a_killed_postgres_keeps_what_was_acknowledged`). A store that is not
//! the one that wrote the head starts a new epoch under the head's lock (`a_promoted_replica_starts_a_new_epoch`).
//!
//! Any number of instances may share one database; they also apply its migrations, one at a time.

mod access;
mod answering;
mod append;
mod binary;
mod error;
mod read;
mod settings;
pub(super) mod transfer;
mod trim;

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions as _, PgConnection, Postgres, Row as _,
    migrate::Migrator,
    postgres::{PgArguments, PgConnectOptions, PgRow},
    query::Query,
};
use tokio::time::timeout;

pub use settings::PostgresSettings;

use self::answering::Answering;
use super::{
    AccessVersion, AppendRequest, Appended, ContentDigest, EventLog, LogError, LogId, Look, Page, PageRequest, Retention, SessionCounts,
    StoreIdentity, Trimmed, page, schema,
    sessions::{Failure, Sessions, words_of_migration},
    statements, transfer as copying,
};
use crate::domain::{Epoch, EpochChain, EpochStart, EventId, LogName, Seq, Source, Timestamp};

/// Where every log stands and what it is called, the version of access, and who answers (a standby cannot say), from one snapshot. One row without
/// a log when there is none.
const LOOK: &str = "
    WITH me AS MATERIALIZED (SELECT CASE WHEN NOT pg_is_in_recovery() THEN store_identity() END AS store)
    SELECT l.id, l.epoch, l.head, l.earliest, v.version, l.name, me.store
    FROM me CROSS JOIN access_version AS v LEFT JOIN logs AS l ON v.one = 1 ORDER BY l.id";

// each must leave the version before able to run: see `schema`
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| schema::lenient(sqlx::migrate!("./migrations/postgres")));

/// Logs in one Postgres database.
pub struct PostgresLog {
    /// For appends alone: publishing does not queue behind whoever reads.
    writer: Sessions<PgConnectOptions>,
    readers: Sessions<PgConnectOptions>,
    /// For changes of access and uses of tickets, which queue for one row: neither publishing nor reading queues with them.
    access: Sessions<PgConnectOptions>,
    trim_step: u32,
    // held to compare two numbers
    answering: Mutex<Answering>,
}

impl PostgresLog {
    /// Connects, applies migrations, and checks that the server keeps what it acknowledges.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the server cannot be reached or is a standby, [`LogError::Internal`] for a malformed url, a server that
    /// refuses this user or has no such database, is too old or has `fsync=off`, or a schema that is not ours.
    pub async fn connect(url: &str, settings: PostgresSettings) -> Result<Self, LogError> {
        let options = settings.options(url)?;
        let mut connection = migrate(&options, &settings).await?;
        refuse_unfinished(&mut connection, &settings).await?;
        drop(connection);
        let sessions = |most| Sessions::new(options.clone(), most, settings.connect_timeout, settings.statement_timeout);
        let access = (settings.max_connections / 4).max(1);
        let readers = settings.max_connections.saturating_sub(1 + access).max(1);
        let (writer, readers, access) = (sessions(1), sessions(readers), sessions(access));
        Ok(Self { writer, readers, access, trim_step: settings.trim_step.max(1), answering: Mutex::default() })
    }

    /// How far the schema is; changes nothing.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the server cannot be reached or does not answer, [`LogError::Internal`] for a malformed url.
    pub async fn schema(url: &str, settings: &PostgresSettings) -> Result<schema::Schema, LogError> {
        let options = settings.options(url)?;
        let asked = async {
            let mut connection = options.connect().await.map_err(|error| error::of_connecting(&error))?;
            let there = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut connection);
            let failed = |error| error::of_read(Failure::of(error));
            let noted: Vec<schema::Noted> = match there.await.map_err(failed)? {
                true => sqlx::query_as(schema::NOTED).fetch_all(&mut connection).await.map_err(failed)?,
                false => Vec::new(),
            };
            let copied_to = sqlx::query_scalar("SELECT to_regclass('unfinished_copy') IS NOT NULL").fetch_one(&mut connection);
            let unfinished = copied_to.await.map_err(failed)?
                && sqlx::query_scalar(schema::UNFINISHED).fetch_one(&mut connection).await.map_err(failed)?;
            Ok(schema::Schema::of(&noted, &MIGRATIONS).or_unfinished(unfinished))
        };
        let asked = timeout(settings.connect_timeout + settings.statement_timeout, asked).await;
        asked.unwrap_or_else(|_| Err(error::of_read(Failure::TimedOut)))
    }

    /// Lets go of the sessions when another store answers than before: some may still lead to the one that was, which nobody follows any more.
    fn note_store(&self, store: Option<StoreIdentity>) {
        if self.answering.lock().unwrap_or_else(PoisonError::into_inner).has_changed(store, Instant::now()) {
            tracing::warn!("another store answers: connections to the one before are closed");
            [&self.writer, &self.readers, &self.access].into_iter().for_each(Sessions::forget);
        }
    }

    /// Runs a statement that may be run again: a connection that died while idle costs one more try.
    async fn read_rows<'q>(&self, statement: impl Fn() -> Query<'q, Postgres, PgArguments>) -> Result<Vec<PgRow>, LogError> {
        rows_again(&self.readers, statement).await.map_err(error::of_read)
    }

    /// Runs a statement that changes something.
    async fn write_rows(&self, statement: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, LogError> {
        rows(&self.writer, statement).await.map_err(error::of_write)
    }
}

async fn rows_again<'q>(
    sessions: &Sessions<PgConnectOptions>,
    statement: impl Fn() -> Query<'q, Postgres, PgArguments>,
) -> Result<Vec<PgRow>, Failure> {
    match rows(sessions, statement()).await {
        Err(Failure::Lost(_)) => rows(sessions, statement()).await,
        result => result,
    }
}

async fn rows(sessions: &Sessions<PgConnectOptions>, statement: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, Failure> {
    let mut session = sessions.acquire().await?;
    let worked = timeout(session.deadline(), statement.fetch_all(session.connection())).await;
    session.settle(worked)
}

/// Brings the schema up to date on a connection of its own, and looks at what the server promises.
async fn migrate(options: &PgConnectOptions, settings: &PostgresSettings) -> Result<PgConnection, LogError> {
    // migrations wait for another instance's, or rewrite a table: the server's limit for statements is not theirs
    let options = options.clone().options([("statement_timeout", "0")]);
    let mut connection = match timeout(settings.connect_timeout, options.connect()).await {
        Ok(connected) => connected.map_err(|error| error::of_connecting(&error))?,
        Err(_) => return Err(LogError::Unavailable(format!("no connection within {:?}", settings.connect_timeout))),
    };
    let work = async {
        let server = sqlx::query("SELECT current_setting('fsync') = 'on', current_setting('server_version_num')::int, pg_is_in_recovery()");
        let server = server.fetch_one(&mut connection).await.map_err(|error| error::of_read(Failure::Answered(error)))?;
        let (flushes, version, standby): (bool, i32, bool) = (column(&server, 0)?, column(&server, 1)?, column(&server, 2)?);
        if version < 150_000 {
            return Err(LogError::Internal(format!("Postgres 15 or newer is needed, this is {version}")));
        }
        if !flushes && !settings.allow_unsafe_fsync {
            return Err(LogError::Internal("the server has fsync=off and would lose acknowledged events".into()));
        }
        if standby {
            return Err(LogError::Unavailable("the server is a standby".into()));
        }
        // `run` takes what can be acquired from, whose future is not `Send` enough for `spawn`
        MIGRATIONS
            .run_direct(None, &mut connection, false)
            .await
            .map_err(|error| LogError::Internal(format!("migrations: {}", words_of_migration(&error))))?;
        let newer = newer(&mut connection).await.map_err(|error| error::of_read(Failure::of(error)))?;
        schema::refusal(schema::known(&MIGRATIONS), &newer).map_or(Ok(()), |why| Err(LogError::Internal(why)))
    };
    timeout(settings.migration_timeout, work).await.unwrap_or_else(|_| Err(LogError::Unavailable("migrations took too long".into())))?;
    Ok(connection)
}

/// What newer versions have done to the schema.
async fn newer(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(schema::NEWER).bind(schema::known(&MIGRATIONS)).fetch_all(connection).await
}

/// A database to which a copy was begun is none to start on.
async fn refuse_unfinished(connection: &mut PgConnection, settings: &PostgresSettings) -> Result<(), LogError> {
    let mark = timeout(settings.statement_timeout, sqlx::query("SELECT 1 FROM unfinished_copy").fetch_all(connection)).await;
    let mark = mark.map_err(|_| Failure::TimedOut).and_then(|mark| mark.map_err(Failure::of)).map_err(error::of_read)?;
    if mark.is_empty() { Ok(()) } else { Err(LogError::Internal(copying::UNFINISHED.into())) }
}

/// A column of a row, or the news that the statement and this code have parted ways.
fn column<'r, T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>>(row: &'r PgRow, index: usize) -> Result<T, LogError> {
    row.try_get(index).map_err(|error| LogError::Internal(error.to_string()))
}

fn first(rows: &[PgRow], log: LogId) -> Result<&PgRow, LogError> {
    rows.first().ok_or_else(|| LogError::Internal(format!("no log {}", log.to_column())))
}

#[async_trait]
impl EventLog for PostgresLog {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    async fn open(&self, name: &LogName) -> Result<LogId, LogError> {
        let epoch = i64::from(fastrand::u32(..));
        let statement = || sqlx::query("SELECT open_log($1, $2)").bind(name.as_str()).bind(epoch);
        let rows = self.read_rows(statement).await?;
        rows.first().map_or_else(|| Err(LogError::Internal("open_log answered nothing".into())), |row| Ok(LogId::new(column(row, 0)?)))
    }

    async fn append(&self, log: LogId, requests: &[AppendRequest]) -> Result<Appended, LogError> {
        append::append(self, log, requests).await
    }

    async fn look(&self) -> Result<Look, LogError> {
        let rows = self.read_rows(|| sqlx::query(LOOK)).await?;
        let version: i64 = rows.first().map_or_else(|| Err(LogError::Internal("no version of access".into())), |row| column(row, 4))?;
        let (mut positions, mut names) = (Vec::with_capacity(rows.len()), HashMap::with_capacity(rows.len()));
        for row in &rows {
            // the one row of a store without logs
            let Some(id) = column(row, 0)? else { continue };
            let id = LogId::new(id);
            positions.push(page::position(id, (column(row, 1)?, column(row, 2)?, column(row, 3)?)));
            names.insert(id, LogName::new(column::<&str>(row, 5)?));
        }
        let store = rows.first().map_or(Ok(None), |row| column::<Option<&str>>(row, 6))?.map(StoreIdentity::of);
        self.note_store(store);
        Ok(Look { positions, names, access: AccessVersion(version.unsigned_abs()), store })
    }

    async fn epochs(&self, log: LogId) -> Result<EpochChain, LogError> {
        let rows = self.read_rows(|| sqlx::query(statements::EPOCHS).bind(log.to_column())).await?;
        let link = |row: &PgRow| Ok(EpochStart { epoch: Epoch::from_column(column(row, 0)?), first: Seq::from_column(column(row, 1)?) });
        let links = rows.iter().map(link).collect::<Result<_, LogError>>()?;
        EpochChain::new(links).ok_or_else(|| LogError::Internal(format!("no log {}", log.to_column())))
    }

    async fn read(&self, log: LogId, request: &PageRequest) -> Result<Page, LogError> {
        read::read(self, log, request).await
    }

    async fn seq_before(&self, log: LogId, at: Timestamp) -> Result<Seq, LogError> {
        let rows = self.read_rows(|| sqlx::query(statements::SEQ_BEFORE).bind(log.to_column()).bind(at.as_micros())).await?;
        Ok(Seq::from_column(column(first(&rows, log)?, 0)?))
    }

    async fn trim(&self, log: LogId, retention: &Retention) -> Result<Trimmed, LogError> {
        trim::trim(self, log, retention).await
    }

    async fn new_epoch(&self, log: LogId, cause: &str) -> Result<Epoch, LogError> {
        let epoch = Epoch::new(fastrand::u32(..));
        let statement = sqlx::query("SELECT new_epoch($1, $2, $3)").bind(log.to_column()).bind(epoch.to_column()).bind(cause);
        self.write_rows(statement).await?;
        Ok(epoch)
    }

    async fn ids(&self, log: LogId) -> Result<Option<u64>, LogError> {
        let rows = self.read_rows(|| sqlx::query(statements::IDS).bind(log.to_column())).await?;
        let ids: i64 = column(first(&rows, log)?, 0)?;
        Ok(Some(ids.unsigned_abs()))
    }

    async fn digests(&self, log: LogId, ids: &[(Source, EventId)]) -> Result<Vec<Option<ContentDigest>>, LogError> {
        read::digests(self, log, ids).await
    }

    async fn size_bytes(&self) -> Result<u64, LogError> {
        const SIZE: &str = "
            SELECT sum(pg_total_relation_size(t))::bigint
            FROM unnest('{logs,epochs,events,ids,postings,access_version,api_keys,revocations,tenants,tickets,audit}'::regclass[]) AS t";
        let rows = self.read_rows(|| sqlx::query(SIZE)).await?;
        let size: i64 = rows.first().map_or(Ok(0), |row| column(row, 0))?;
        Ok(size.unsigned_abs())
    }

    fn sessions(&self) -> Vec<(&'static str, SessionCounts)> {
        vec![("append", self.writer.counts()), ("read", self.readers.counts()), ("access", self.access.counts())]
    }

    async fn close(&self) {
        self.writer.close();
        self.readers.close();
        self.access.close();
    }
}
