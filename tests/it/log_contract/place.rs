//! Somewhere to keep a log, and events to keep there.

use std::{path::PathBuf, sync::Arc};

use chaincast::{
    domain::{Envelope, Event, EventId, EventType, Filter, FilterParts, Keys, LogName, Pattern, Seq, Source, StreamId, Topic},
    log::{
        AppendRequest, EventLog, LogError, LogId, NewEvent, OnConflict, Page, PageRequest, PostgresLog, PostgresSettings, RequestOutcome,
        SqliteLog, SqliteSettings, Store,
    },
};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use tempfile::TempDir;

use crate::support::postgres;

/// Where an adapter keeps its logs.
pub(crate) enum Place {
    Sqlite(TempDir),
    Postgres(postgres::TestDatabase),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().expect("a temporary directory"))
    }

    pub(crate) async fn postgres() -> Self {
        Self::Postgres(postgres::TestDatabase::create().await)
    }

    /// One more instance of the adapter.
    pub(crate) async fn connect(&self) -> Arc<dyn EventLog> {
        self.store().await
    }

    /// One more instance of the adapter, with all that it keeps.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        self.store_in_steps_of(500).await
    }

    /// One that deletes so many rows at once.
    pub(crate) async fn store_in_steps_of(&self, trim_step: u32) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(_) => {
                let settings = SqliteSettings { trim_step, ..SqliteSettings::default() };
                Arc::new(SqliteLog::open_file(&self.file(), settings).await.expect("opens"))
            }
            Self::Postgres(database) => {
                let settings = PostgresSettings { trim_step, ..postgres::settings() };
                Arc::new(PostgresLog::connect(&database.url(), settings).await.expect("connects"))
            }
        }
    }

    /// One more instance, which must not come about; why.
    pub(crate) async fn refused(&self) -> LogError {
        let refused = match self {
            Self::Sqlite(_) => SqliteLog::open_file(&self.file(), SqliteSettings::default()).await.err(),
            Self::Postgres(database) => PostgresLog::connect(&database.url(), postgres::settings()).await.err(),
        };
        refused.expect("it must be refused")
    }

    /// An instance and its default log.
    pub(crate) async fn open(&self) -> (Arc<dyn EventLog>, LogId) {
        let log = self.connect().await;
        let id = log.open(&default_log()).await.expect("opens");
        (log, id)
    }

    /// Changes something behind the adapter's back, in words that both stores understand.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        self.try_tamper(sql).await.expect(sql);
    }

    /// Tries to.
    pub(crate) async fn try_tamper(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.sqlite_url()).await.expect("connects");
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
            Self::Postgres(database) => {
                let mut connection = PgConnection::connect(&database.url()).await.expect("connects");
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
        }
    }

    /// A number that the store knows.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        match self {
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.sqlite_url()).await.expect("connects");
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect(sql)
            }
            Self::Postgres(database) => {
                let mut connection = PgConnection::connect(&database.url()).await.expect("connects");
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect(sql)
            }
        }
    }

    fn file(&self) -> PathBuf {
        match self {
            Self::Sqlite(dir) => dir.path().join("made/on/the/way/log.db"),
            Self::Postgres(_) => unreachable!("only asked for SQLite"),
        }
    }

    fn sqlite_url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }
}

pub(crate) fn default_log() -> LogName {
    LogName::new(LogName::DEFAULT)
}

/// An event about streams, filed under topics.
pub(crate) fn event(id: &str, event_type: &str, streams: &[&str], topics: &[&str], data: &str) -> NewEvent {
    let list = |names: &[&str]| format!("[{}]", names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(","));
    let members = format!(r#"{{"id":"{id}","type":"{event_type}","streams":{},"topics":{},"#, list(streams), list(topics));
    let mut digest = [0_u8; 32];
    for (at, byte) in data.bytes().enumerate() {
        digest[at % 32] = digest[at % 32].rotate_left(1).wrapping_add(byte);
    }
    NewEvent {
        id: EventId::new(id),
        digest,
        keys: Keys {
            event_type: EventType::new(event_type),
            streams: streams.iter().map(|stream| StreamId::new(*stream)).collect(),
            users: Box::default(),
            topics: topics.iter().map(|topic| Topic::new(*topic)).collect(),
        },
        envelope: Envelope::assemble(&members, data),
    }
}

/// An event of which only the id and the data matter.
pub(crate) fn plain(id: &str, data: &str) -> NewEvent {
    event(id, "test.happened", &["1"], &[], &format!("{data:?}"))
}

/// Events `from..to` of which nothing matters.
pub(crate) fn plains(from: usize, to: usize) -> Vec<NewEvent> {
    (from..to).map(|n| plain(&format!("e{n}"), &n.to_string())).collect()
}

pub(crate) fn request(events: Vec<NewEvent>) -> AppendRequest {
    AppendRequest { source: Source::new(Source::DEFAULT), events, on_conflict: OnConflict::Refuse }
}

/// Appends one request and tells what became of it.
pub(crate) async fn publish(log: &Arc<dyn EventLog>, id: LogId, request: AppendRequest) -> RequestOutcome {
    let appended = log.append(id, &[request]).await.expect("appends");
    appended.outcomes.into_iter().next().expect("one outcome a request")
}

pub(crate) fn stream_filter(streams: &[&str]) -> Arc<Filter> {
    let streams = streams.iter().map(|stream| StreamId::new(*stream)).collect();
    Arc::new(Filter::new(FilterParts { streams, ..FilterParts::default() }, 100).expect("a filter"))
}

pub(crate) fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

pub(crate) async fn page(log: &Arc<dyn EventLog>, id: LogId, filter: Arc<Filter>, after: u64, limit: usize) -> Page {
    let request = PageRequest { filter, after: Seq::new(after), limit, max_bytes: 1 << 20 };
    log.read(id, &request).await.expect("reads")
}

/// Everything that is retained.
pub(crate) async fn everything(log: &Arc<dyn EventLog>, id: LogId) -> Vec<Event> {
    let mut events = Vec::new();
    let mut after = 0;
    loop {
        let page = page(log, id, Arc::new(Filter::everything()), after, 512).await;
        after = page.through.get();
        events.extend(page.events);
        if page.through >= page.position.head {
            return events;
        }
    }
}

pub(crate) fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq.get()).collect()
}
