//! The durable, ordered log: the truth that everything else is a view of.
//!
//! [`EventLog`] is the contract; `tests/it/log_contract` runs one suite over every adapter. Its promises:
//!
//! **Acknowledged is durable** (`acknowledged_is_durable_after_kill_9_dense_and_without_a_duplicate`): [`EventLog::append`] answers only once the
//! store has flushed. **A publish is idempotent** (`a_publish_is_idempotent`) within its source.
//! **No silent gap** (`a_reconnect_with_a_trimmed_cursor_is_told_of_the_gap`): [`Page::position`] comes from the same snapshot as the page's events,
//! so a reader cannot mistake a trimmed stretch for one without matches.
//!
//! Adapters know no HTTP and no subscriptions. They may be called from any task of the runtime that opened them, and give up after a deadline
//! of their own, dropping the connection that was in use.

mod access;
mod on_runtime;
mod outcome;
mod page;
pub mod postgres;
mod retention;
mod schema;
mod sessions;
pub mod sqlite;
mod statements;
pub mod transfer;

pub use access::{
    AccessState, AccessStore, AccessVersion, AuditEntry, AuditRecord, KeyKind, KeyRecord, Redeemed, Revocation, SecretDigest,
    TenantSettings, TicketRecord,
};
pub use on_runtime::OnRuntime;
pub use postgres::{PostgresLog, PostgresSettings};
pub use retention::{TrimCounts, run_retention};
pub use schema::Schema;
pub use sessions::SessionCounts;
pub use sqlite::{SqliteLog, SqliteSettings};

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use crate::domain::{Envelope, Epoch, EpochChain, Event, EventId, Filter, Keys, LogName, Seq, Source, Timestamp};

/// A log's number within its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(i32);

impl LogId {
    /// As a database column holds it.
    #[must_use]
    pub const fn new(n: i32) -> Self {
        Self(n)
    }

    /// As a database column.
    #[must_use]
    pub const fn to_column(self) -> i32 {
        self.0
    }
}

/// Which incarnation of a store answers: another one after a failover or a restore, and for every copy of it. What one committed says nothing
/// of the other, under the same epoch either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoreIdentity(u64);

impl StoreIdentity {
    /// As it was sent.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// Of whatever tells one store from another.
    #[must_use]
    pub fn of(marks: &str) -> Self {
        let digest = Sha256::digest(marks);
        Self(digest.iter().take(8).fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    /// To be sent.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// SHA-256 of an event's members as received, without whitespace outside strings.
pub type ContentDigest = [u8; 32];

/// An event that wants a seq.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its idempotency key.
    pub id: EventId,
    /// Tells a repetition from a conflict.
    pub digest: ContentDigest,
    /// What it is filed under.
    pub keys: Keys,
    /// What it says.
    pub envelope: Envelope,
}

/// What becomes of a request in which an id is known with other content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing of the request is stored.
    #[default]
    Refuse,
    /// What is stored stays, the rest of the request is stored.
    Keep,
}

/// One publisher's batch: stored whole or not at all.
#[derive(Clone, Debug)]
pub struct AppendRequest {
    /// The scope of the ids.
    pub source: Source,
    /// In the order in which they are numbered.
    pub events: Vec<NewEvent>,
    /// What to do about ids that are known with other content.
    pub on_conflict: OnConflict,
}

/// What became of one event of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where the event, or the one that has its id, stands.
    pub seq: Seq,
    /// What happened.
    pub status: ItemStatus,
}

/// What happened to one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemStatus {
    /// It was numbered.
    Stored,
    /// The same id with the same content is already there.
    Duplicate,
    /// The same id with other content is already there; kept as it was.
    Conflict,
}

/// One event that stands in the way of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Its index in the request.
    pub index: usize,
    /// Where the event that has its id stands; `None` when that is an earlier event of the same refused request.
    pub seq: Option<Seq>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// It is in the log; one item an event, in request order.
    Accepted(Vec<Item>),
    /// Nothing of it was stored; every conflict, in request order.
    Refused(Vec<Conflict>),
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// One a request, in the order given.
    pub outcomes: Vec<RequestOutcome>,
    /// The numbering in which the events stand.
    pub epoch: Epoch,
    /// The newest seq before the append.
    pub before: Seq,
    /// The newest seq after it; every seq in `(before, head]` is of this append.
    pub head: Seq,
    /// When the log took what it stored.
    pub received_at: Timestamp,
    /// Who stored it; `None` when the store cannot tell.
    pub store: Option<StoreIdentity>,
}

/// Where a log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which log.
    pub log: LogId,
    /// Its current numbering.
    pub epoch: Epoch,
    /// The newest seq; zero when nothing was ever stored.
    pub head: Seq,
    /// The oldest retained seq; head + 1 when nothing is retained.
    pub earliest: Seq,
}

/// What one look at the store finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Where every log stands.
    pub positions: Vec<Position>,
    /// What every log is called: a store that was put back may have another log under a number that was seen before.
    pub names: HashMap<LogId, LogName>,
    /// How often who may do what was changed.
    pub access: AccessVersion,
    /// Who was looked at; `None` when the store cannot tell, as a standby cannot.
    pub store: Option<StoreIdentity>,
}

/// One read of a log.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// What to return.
    pub filter: Arc<Filter>,
    /// Return events behind this seq only.
    pub after: Seq,
    /// The most events to return; at least 1.
    pub limit: usize,
    /// The most bytes of envelopes to return, though always at least one event.
    pub max_bytes: usize,
}

impl PageRequest {
    /// The most events of a page of replay.
    pub const REPLAY_EVENTS: usize = 512;
    /// The most bytes of a page of replay: also what one reading connection may pin.
    pub const REPLAY_BYTES: usize = 256 * 1024;

    /// A page of a subscription's replay.
    #[must_use]
    pub fn replay(filter: Arc<Filter>, after: Seq) -> Self {
        Self { filter, after, limit: Self::REPLAY_EVENTS, max_bytes: Self::REPLAY_BYTES }
    }
}

/// What a read found; all from one snapshot.
#[derive(Clone, Debug)]
pub struct Page {
    /// The matching events in `(after, through]`, in seq order.
    pub events: Vec<Event>,
    /// How far was looked: no match in `(after, through]` is missing from `events`, but for trimmed ones. Never less than `after` unless the head is.
    pub through: Seq,
    /// Where the log stood in the snapshot.
    pub position: Position,
}

/// How much of a log to keep. The tighter bound counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Events received longer ago than this may go.
    pub max_age: Option<Duration>,
    /// At most this many events are kept.
    pub max_events: Option<u64>,
    /// How long ids outlive their first publication; never less than `max_age` in effect. `None`: for ever.
    pub dedupe: Option<Duration>,
}

/// What a trim did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Rows of events deleted.
    pub events: u64,
    /// Ids forgotten.
    pub ids: u64,
}

/// A file system that the store fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that the service may still write.
    pub free: u64,
    /// All of its bytes.
    pub size: u64,
}

/// Why a log did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The store could not be reached; nothing was changed.
    #[error("log unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost, or the deadline passed, while a change was under way: it may or may not have been made. Repeating the same
    /// append is safe.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// The store refuses this content; repeating it will not help.
    #[error("refused by the store: {0}")]
    Content(String),
    /// A bug, a store that someone edited by hand, or, where a store is opened, one that cannot be used until somebody changes something.
    #[error("log failed: {0}")]
    Internal(String),
}

impl LogError {
    /// What is wrong, without what it means for the call.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Unavailable(detail) | Self::Unknown(detail) | Self::Content(detail) | Self::Internal(detail) => detail,
        }
    }
}

/// A store of logs.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// The name of the store, for people: `sqlite` or `postgres`.
    fn kind(&self) -> &'static str;

    /// The log of this name, made empty with a first epoch when there is none.
    ///
    /// It gets a number that no other log had, as far as that can be known: those that a restore took out of the store are remembered by who uses
    /// them.
    async fn open(&self, name: &LogName) -> Result<LogId, LogError>;

    /// Numbers and stores what is new in `requests`, in their order, in one transaction.
    ///
    /// Opens a new epoch first when the store is not the one that wrote the head. An event whose id is known is a duplicate or a conflict by its
    /// digest. Two requests of one call must not share an id within a source; within one request a repetition is a duplicate or conflict of
    /// the first.
    async fn append(&self, log: LogId, requests: &[AppendRequest]) -> Result<Appended, LogError>;

    /// Where every log stands, and how often access was changed, from one query.
    async fn look(&self) -> Result<Look, LogError>;

    /// Where every log stands.
    async fn positions(&self) -> Result<Vec<Position>, LogError> {
        Ok(self.look().await?.positions)
    }

    /// Where one log stands.
    async fn position(&self, log: LogId) -> Result<Position, LogError> {
        Ok(self.standing(log).await?.1)
    }

    /// Where one log stands, and who says so, if the store can tell.
    async fn standing(&self, log: LogId) -> Result<(Option<StoreIdentity>, Position), LogError> {
        let Look { positions, store, .. } = self.look().await?;
        let position = positions.into_iter().find(|position| position.log == log);
        position.map(|position| (store, position)).ok_or_else(|| LogError::Internal("the log is not in its store".to_owned()))
    }

    /// The numberings of a log.
    async fn epochs(&self, log: LogId) -> Result<EpochChain, LogError>;

    /// One page. Costs what it returns, not what the log holds; stops early, with `through` short of the head, rather than scan on.
    async fn read(&self, log: LogId, request: &PageRequest) -> Result<Page, LogError>;

    /// The seq behind which everything was received at or after `at`.
    async fn seq_before(&self, log: LogId, at: Timestamp) -> Result<Seq, LogError>;

    /// Moves `earliest` up to what `retention` asks for, then deletes below it in small steps.
    async fn trim(&self, log: LogId, retention: &Retention) -> Result<Trimmed, LogError>;

    /// Starts a new numbering after the current head: part of every restore.
    async fn new_epoch(&self, log: LogId, cause: &str) -> Result<Epoch, LogError>;

    /// How many ids are kept by which a repetition is known, for statistics; `None` when the store cannot tell. Reads all of them.
    async fn ids(&self, _log: LogId) -> Result<Option<u64>, LogError> {
        Ok(None)
    }

    /// What each of these ids was stored with, in their order: the digests by which a repetition is known; `None` for an id that is not known, and
    /// where the store cannot tell.
    async fn digests(&self, _log: LogId, ids: &[(Source, EventId)]) -> Result<Vec<Option<ContentDigest>>, LogError> {
        Ok(vec![None; ids.len()])
    }

    /// Bytes on disk of all logs together, with what is kept of access, for statistics.
    async fn size_bytes(&self) -> Result<u64, LogError>;

    /// The file system of the store's own files; `None` when they are another machine's to watch.
    async fn disk(&self) -> Result<Option<Disk>, LogError> {
        Ok(None)
    }

    /// How connections to the store are used, by what they are for; from memory.
    fn sessions(&self) -> Vec<(&'static str, SessionCounts)> {
        Vec::new()
    }

    /// Lets go of connections and files.
    async fn close(&self);
}

/// All that one store keeps: logs, and who may use them.
pub trait Store: EventLog + AccessStore {}

impl<T: EventLog + AccessStore> Store for T {}
