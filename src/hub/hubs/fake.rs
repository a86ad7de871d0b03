//! A store of logs in memory, whose looks and reads wait and fail as told, and a client that remembers what it heard.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::{
    backplane::Announcement,
    domain::{Epoch, EpochChain, EpochStart, Event, LogName, Seq, Timestamp},
    hub::{Flow, Frame, Notice, Offer, Outlet},
    log::{
        AccessVersion, AppendRequest, Appended, EventLog, LogError, LogId, Look, Page, PageRequest, Position, Retention, StoreIdentity,
        Trimmed,
    },
};

/// As many as anyone could want.
const ALL: usize = 1_000_000;

#[derive(Default)]
struct State {
    ids: HashMap<LogName, LogId>,
    logs: HashMap<LogId, Contents>,
    access: AccessVersion,
    is_away: bool,
    /// Another one after each failover.
    store: Option<StoreIdentity>,
}

#[derive(Clone)]
struct Contents {
    /// Who wrote it last.
    store: Option<StoreIdentity>,
    chain: Vec<EpochStart>,
    events: Vec<Event>,
}

/// See the module.
pub(super) struct Fake {
    state: Mutex<State>,
    /// Looks and first reads that may be answered.
    pub(super) looks: Semaphore,
    pub(super) starts: Semaphore,
    looked: AtomicUsize,
    started: AtomicUsize,
    opened: AtomicUsize,
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        let (looks, starts) = (Semaphore::new(ALL), Semaphore::new(ALL));
        let state = State { store: Some(StoreIdentity::new(1)), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), looks, starts, looked: 0.into(), started: 0.into(), opened: 0.into() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Has what is asked from now on wait.
    pub(super) fn hold(gate: &Semaphore) {
        gate.forget_permits(ALL);
    }

    pub(super) fn release(gate: &Semaphore) {
        gate.add_permits(ALL);
    }

    /// Looks that were asked for.
    pub(super) fn looked(&self) -> usize {
        self.looked.load(Ordering::SeqCst)
    }

    /// Hubs that asked where their log begins.
    pub(super) fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub(super) fn set_away(&self, is_away: bool) {
        self.state().is_away = is_away;
    }

    pub(super) fn change_access(&self) {
        self.state().access.0 += 1;
    }

    /// Stores one more event, named after its log, and says what would be announced.
    pub(super) fn append(&self, log: LogId) -> Announcement {
        let mut state = self.state();
        let store = state.store;
        let contents = state.logs.get_mut(&log).expect("open");
        let seq = Seq::new(contents.events.len() as u64 + 1);
        if std::mem::replace(&mut contents.store, store) != store {
            contents.chain.push(EpochStart { epoch: Epoch::new(contents.chain.len() as u32 + 1), first: seq });
        }
        let epoch = contents.chain.last().expect("one link").epoch;
        let envelope = format!(r#"{{"id":"{}:{epoch}-{seq}","type":"a.b","streams":["1"],"data":{{}}}}"#, log.to_column());
        let event = Event::from_row(seq, Timestamp::from_micros(0), envelope).expect("well formed");
        contents.events.push(event.clone());
        Announcement { log, store, epoch, head: seq, events: vec![event], trace: None }
    }

    /// An event that no log has.
    pub(super) fn stray(seq: Seq) -> Event {
        let envelope = r#"{"id":"stray:","type":"a.b","streams":["1"],"data":{}}"#.to_owned();
        Event::from_row(seq, Timestamp::from_micros(0), envelope).expect("well formed")
    }

    /// Another store takes over, which has every log up to `head` only; it opens no epoch before it stores something.
    pub(super) fn fail_over(&self, head: usize) {
        let mut state = self.state();
        state.store = state.store.map(|store| StoreIdentity::new(store.get() + 1));
        state.logs.values_mut().for_each(|contents| contents.events.truncate(head));
    }

    /// The store can tell no more who it is, or can tell again.
    pub(super) fn set_store(&self, store: Option<StoreIdentity>) {
        self.state().store = store;
    }

    /// The log loses all behind `head`, and is numbered anew from there.
    pub(super) fn go_back(&self, log: LogId, head: u64) {
        let mut state = self.state();
        let contents = state.logs.get_mut(&log).expect("open");
        contents.events.truncate(head as usize);
        let epoch = Epoch::new(contents.chain.len() as u32 + 1);
        contents.chain.push(EpochStart { epoch, first: Seq::new(head + 1) });
    }

    /// The store is put back to before this log, which was its last, was opened.
    pub(super) fn lose(&self, name: &LogName) {
        let mut state = self.state();
        let id = state.ids.remove(name).expect("open");
        state.logs.remove(&id);
    }

    fn contents(&self, log: LogId) -> Result<Contents, LogError> {
        let state = self.state();
        if state.is_away {
            return Err(LogError::Unavailable("as told".to_owned()));
        }
        state.logs.get(&log).cloned().ok_or_else(|| LogError::Internal("no such log".to_owned()))
    }
}

impl Contents {
    fn position(&self, log: LogId) -> Position {
        let epoch = self.chain.last().expect("one link").epoch;
        Position { log, epoch, head: Seq::new(self.events.len() as u64), earliest: Seq::new(1) }
    }
}

#[async_trait]
impl EventLog for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn open(&self, name: &LogName) -> Result<LogId, LogError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state();
        if state.is_away {
            return Err(LogError::Unavailable("as told".to_owned()));
        }
        let store = state.store;
        let next = LogId::new(state.ids.len() as i32 + 1);
        let id = *state.ids.entry(name.clone()).or_insert(next);
        let chain = vec![EpochStart { epoch: Epoch::new(1), first: Seq::new(1) }];
        state.logs.entry(id).or_insert(Contents { store, chain, events: Vec::new() });
        Ok(id)
    }

    async fn append(&self, _log: LogId, _requests: &[AppendRequest]) -> Result<Appended, LogError> {
        Err(LogError::Internal("tests append by themselves".to_owned()))
    }

    /// What it finds is from when it was asked, whenever it answers.
    async fn look(&self) -> Result<Look, LogError> {
        let found = {
            let state = self.state();
            let positions = state.logs.iter().map(|(id, contents)| contents.position(*id)).collect();
            let names = state.ids.iter().map(|(name, id)| (*id, name.clone())).collect();
            let look = Look { positions, names, access: state.access, store: state.store };
            if state.is_away { Err(LogError::Unavailable("as told".to_owned())) } else { Ok(look) }
        };
        self.looked.fetch_add(1, Ordering::SeqCst);
        self.looks.acquire().await.expect("open").forget();
        found
    }

    /// For hubs that start, while looks are held.
    async fn standing(&self, log: LogId) -> Result<(Option<StoreIdentity>, Position), LogError> {
        let position = self.contents(log)?.position(log);
        Ok((self.state().store, position))
    }

    async fn epochs(&self, log: LogId) -> Result<EpochChain, LogError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        self.starts.acquire().await.expect("open").forget();
        Ok(EpochChain::new(self.contents(log)?.chain).expect("one link"))
    }

    async fn read(&self, log: LogId, request: &PageRequest) -> Result<Page, LogError> {
        let contents = self.contents(log)?;
        let after = contents.events.iter().filter(|event| event.seq > request.after && request.filter.matches(&event.keys));
        let events: Vec<Event> = after.take(request.limit).cloned().collect();
        let position = contents.position(log);
        Ok(Page { events, through: position.head, position })
    }

    async fn seq_before(&self, _log: LogId, _at: Timestamp) -> Result<Seq, LogError> {
        Ok(Seq::ZERO)
    }

    async fn trim(&self, _log: LogId, _retention: &Retention) -> Result<Trimmed, LogError> {
        Ok(Trimmed::default())
    }

    async fn new_epoch(&self, _log: LogId, _cause: &str) -> Result<Epoch, LogError> {
        Err(LogError::Internal("tests go back by themselves".to_owned()))
    }

    async fn size_bytes(&self) -> Result<u64, LogError> {
        Ok(0)
    }

    async fn close(&self) {}
}

/// What a client has heard.
#[derive(Default)]
struct Ear {
    /// Ids of events, and the words of notices but for heartbeats and cursors.
    heard: Vec<String>,
    has_left: bool,
    shard: Option<Waker>,
}

/// A client that takes everything.
#[derive(Clone, Default)]
pub(super) struct Client(Rc<RefCell<Ear>>);

impl Client {
    pub(super) fn heard(&self) -> Vec<String> {
        self.0.borrow().heard.clone()
    }

    /// Events alone.
    pub(super) fn events(&self) -> Vec<String> {
        self.heard().into_iter().filter(|word| word.contains(':')).collect()
    }

    pub(super) fn leave(&self) {
        let mut ear = self.0.borrow_mut();
        ear.has_left = true;
        ear.shard.take().into_iter().for_each(Waker::wake);
    }
}

impl Outlet for Client {
    fn offer(&mut self, frames: &[&Frame]) -> Offer {
        let ids = frames.iter().map(|frame| {
            let envelope: serde_json::Value = serde_json::from_str(frame.event().envelope.as_str()).expect("JSON");
            envelope["id"].as_str().expect("an id").to_owned()
        });
        self.0.borrow_mut().heard.extend(ids);
        Offer { taken: frames.len(), flow: Flow::Open }
    }

    fn tell(&mut self, notice: &Notice<'_>) -> Flow {
        let word = match notice {
            Notice::Open { .. } => Some("open"),
            Notice::Live { .. } => Some("live"),
            Notice::Gap(_) => Some("gap"),
            Notice::Closing { reason, .. } => Some(reason.as_str()),
            _ => None,
        };
        self.0.borrow_mut().heard.extend(word.map(str::to_owned));
        Flow::Open
    }

    fn flush(&mut self) -> Flow {
        Flow::Open
    }

    fn poll_writable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut ear = self.0.borrow_mut();
        if ear.has_left {
            return Poll::Ready(());
        }
        ear.shard = Some(context.waker().clone());
        Poll::Pending
    }

    fn cut(self) {}
}
