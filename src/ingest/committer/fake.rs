//! A log in memory that fails as told, and a backplane that remembers, with one journal for both.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::{
    backplane::{Announcement, Backplane, Status},
    domain::{Epoch, EpochChain, EventId, LogName, Seq, Source, Timestamp},
    log::{
        AppendRequest, Appended, Conflict, ContentDigest, EventLog, Item, ItemStatus, LogError, LogId, Look, NewEvent, OnConflict, Page,
        PageRequest, Position, RequestOutcome, Retention, StoreIdentity, Trimmed,
    },
};

/// How one append goes.
#[derive(Debug)]
pub(super) enum Turn {
    /// Nothing is stored.
    Fail(LogError),
    /// All is stored, and the answer is lost.
    LoseAnswer,
    Panic,
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// An append of these ids, one list a request, was answered.
    Appended(LogId, Vec<Vec<String>>),
    /// The head and the seqs of the events that came with it.
    Announced(LogId, u64, Vec<u64>),
}

#[derive(Default)]
struct State {
    logs: HashMap<LogId, Contents>,
    turns: VecDeque<Turn>,
    begun: usize,
    journal: Vec<Entry>,
}

#[derive(Clone, Default)]
struct Contents {
    head: u64,
    ids: HashMap<(Source, EventId), (ContentDigest, u64)>,
}

pub(super) struct Fake {
    state: Mutex<State>,
    gate: Semaphore,
}

impl Fake {
    pub(super) const EPOCH: Epoch = Epoch::new(7);
    /// The store refuses a whole append that has an event with this id.
    pub(super) const POISON: &str = "poison";

    /// Appends wait until they are let through.
    pub(super) fn held() -> Self {
        Self { state: Mutex::default(), gate: Semaphore::new(0) }
    }

    pub(super) fn open(turns: impl IntoIterator<Item = Turn>) -> Self {
        let fake = Self::held();
        fake.state().turns.extend(turns);
        fake.let_all_through();
        fake
    }

    pub(super) fn let_all_through(&self) {
        self.gate.add_permits(100_000);
    }

    pub(super) fn turns(&self, turns: impl IntoIterator<Item = Turn>) {
        self.state().turns.extend(turns);
    }

    /// How many appends have begun.
    pub(super) fn begun(&self) -> usize {
        self.state().begun
    }

    pub(super) fn journal(&self) -> Vec<Entry> {
        self.state().journal.clone()
    }

    /// The ids of every answered append, one list a request.
    pub(super) fn appends(&self) -> Vec<Vec<Vec<String>>> {
        let appends = self.journal().into_iter().filter_map(|entry| match entry {
            Entry::Appended(_, ids) => Some(ids),
            Entry::Announced(..) => None,
        });
        appends.collect()
    }

    pub(super) fn has(&self, log: LogId, id: &str) -> bool {
        self.state().logs.get(&log).is_some_and(|log| log.ids.keys().any(|(_, known)| known.as_str() == id))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the state")
    }
}

impl Contents {
    fn append(&mut self, request: &AppendRequest) -> RequestOutcome {
        let mut next = self.clone();
        let mut conflicts = Vec::new();
        let mut items = Vec::new();
        for (index, NewEvent { id, digest, .. }) in request.events.iter().enumerate() {
            let key = (request.source.clone(), id.clone());
            items.push(match next.ids.get(&key) {
                Some((known, seq)) if known == digest => Item { seq: Seq::new(*seq), status: ItemStatus::Duplicate },
                Some((_, seq)) => {
                    conflicts.push(Conflict { index, seq: (*seq <= self.head).then_some(Seq::new(*seq)) });
                    Item { seq: Seq::new(*seq), status: ItemStatus::Conflict }
                }
                None => {
                    next.head += 1;
                    next.ids.insert(key, (*digest, next.head));
                    Item { seq: Seq::new(next.head), status: ItemStatus::Stored }
                }
            });
        }
        if !conflicts.is_empty() && request.on_conflict == OnConflict::Refuse {
            return RequestOutcome::Refused(conflicts);
        }
        *self = next;
        RequestOutcome::Accepted(items)
    }
}

#[async_trait]
impl EventLog for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn append(&self, log: LogId, requests: &[AppendRequest]) -> Result<Appended, LogError> {
        self.state().begun += 1;
        self.gate.acquire().await.expect("never closed").forget();
        let turn = self.state().turns.pop_front();
        match turn {
            Some(Turn::Fail(error)) => return Err(error),
            Some(Turn::Panic) => panic!("as told"),
            Some(Turn::LoseAnswer) | None => {}
        }
        let ids: Vec<Vec<String>> = requests.iter().map(|r| r.events.iter().map(|e| e.id.to_string()).collect()).collect();
        if ids.iter().flatten().any(|id| id == Self::POISON) {
            return Err(LogError::Content("poison".into()));
        }
        let mut state = self.state();
        let contents = state.logs.entry(log).or_default();
        let before = Seq::new(contents.head);
        let outcomes = requests.iter().map(|request| contents.append(request)).collect();
        let head = Seq::new(contents.head);
        if matches!(turn, Some(Turn::LoseAnswer)) {
            return Err(LogError::Unknown("as told".into()));
        }
        state.journal.push(Entry::Appended(log, ids));
        Ok(Appended {
            outcomes,
            epoch: Self::EPOCH,
            before,
            head,
            received_at: Timestamp::from_micros(1),
            store: Some(StoreIdentity::default()),
        })
    }

    async fn look(&self) -> Result<Look, LogError> {
        let state = self.state();
        let position = |(log, contents): (&LogId, &Contents)| Position {
            log: *log,
            epoch: Self::EPOCH,
            head: Seq::new(contents.head),
            earliest: Seq::new(1),
        };
        Ok(Look { positions: state.logs.iter().map(position).collect(), ..Look::default() })
    }

    async fn open(&self, _: &LogName) -> Result<LogId, LogError> {
        unimplemented!("the committer never opens")
    }
    async fn epochs(&self, _: LogId) -> Result<EpochChain, LogError> {
        unimplemented!("the committer never reads")
    }
    async fn read(&self, _: LogId, _: &PageRequest) -> Result<Page, LogError> {
        unimplemented!("the committer never reads")
    }
    async fn seq_before(&self, _: LogId, _: Timestamp) -> Result<Seq, LogError> {
        unimplemented!("the committer never reads")
    }
    async fn trim(&self, _: LogId, _: &Retention) -> Result<Trimmed, LogError> {
        unimplemented!("the committer never trims")
    }
    async fn new_epoch(&self, _: LogId, _: &str) -> Result<Epoch, LogError> {
        unimplemented!("the committer never restores")
    }
    async fn size_bytes(&self) -> Result<u64, LogError> {
        unimplemented!("the committer never counts")
    }
    async fn close(&self) {}
}

impl Backplane for Fake {
    fn announce(&self, Announcement { log, epoch, head, events, .. }: Announcement) {
        assert_eq!(epoch, Self::EPOCH);
        self.state().journal.push(Entry::Announced(log, head.get(), events.iter().map(|event| event.seq.get()).collect()));
    }

    fn status(&self) -> Status {
        Status::default()
    }
}
