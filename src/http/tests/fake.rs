//! A log, a publisher and facts that do as they are told.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::authority::FakeAuthority;
use crate::{
    domain::{Epoch, EpochChain, EpochStart, Event, EventId, LogName, Seq, Timestamp},
    histogram::Spread,
    http::{
        Clients, Cluster, CredentialSettings, Facts, Health, HealthStatus, LimitSettings, Limits, LogStatistics, Logs, MemoryStatistics,
        Overall, Proxies, Publish, Scope, Scrutiny, State, Statistics,
    },
    hub::OpenError,
    ingest::{self, ConflictingId, PublishError, Published, PublishedItem},
    log::{
        AppendRequest, Appended, EventLog, ItemStatus, LogError, LogId, Look, Page, PageRequest, Position, Retention, TenantSettings,
        Trimmed,
    },
    trace::{Origin, Tracer},
};

/// A body that is one valid event.
pub(in crate::http) const EVENT: &str = r#"{"id":"1","type":"a.b","streams":["1"],"data":{}}"#;
/// The limit of a body.
pub(in crate::http) const BATCH_BYTES: usize = 1024;

const EPOCH: Epoch = Epoch::new(1);
const HEAD: Seq = Seq::new(3);

/// What the fakes do.
#[derive(Clone)]
pub(in crate::http) struct Fakes {
    pub(in crate::http) earliest: Seq,
    /// How many times the chain is answered without the epoch that the position is of.
    pub(in crate::http) stale_chains: Arc<AtomicUsize>,
    pub(in crate::http) unreachable: bool,
    /// There is no room for another tenant.
    pub(in crate::http) full: bool,
    pub(in crate::http) panics: bool,
    pub(in crate::http) ready: bool,
    pub(in crate::http) draining: bool,
    pub(in crate::http) publisher: Arc<FakePublisher>,
    pub(in crate::http) authority: Arc<FakeAuthority>,
    pub(in crate::http) credentials: CredentialSettings,
    /// Room, in KiB, for bodies that nobody has signed yet.
    pub(in crate::http) unverified: usize,
    /// How many questions the log was asked.
    pub(in crate::http) reads: Arc<AtomicUsize>,
}

impl Default for Fakes {
    fn default() -> Self {
        let publisher = Arc::default();
        Self {
            earliest: Seq::new(1),
            stale_chains: Arc::default(),
            unreachable: false,
            full: false,
            panics: false,
            ready: true,
            draining: false,
            publisher,
            authority: Arc::new(FakeAuthority { open: true, ..FakeAuthority::default() }),
            credentials: CredentialSettings::default(),
            unverified: 1024,
            reads: Arc::default(),
        }
    }
}

impl Fakes {
    pub(in crate::http) fn publishing(outcome: Result<Published, PublishError>) -> Self {
        Self { publisher: Arc::new(FakePublisher { outcome: Some(outcome), ..FakePublisher::default() }), ..Self::default() }
    }

    pub(in crate::http) fn trimmed_below(earliest: u64) -> Self {
        Self { earliest: Seq::new(earliest), ..Self::default() }
    }

    pub(in crate::http) fn state(&self) -> State {
        State {
            log: Arc::new(self.clone()),
            authority: Arc::<FakeAuthority>::clone(&self.authority),
            credentials: self.credentials.clone(),
            scrutiny: Scrutiny {
                limits: Limits::new(LimitSettings::default()),
                clients: Clients::new(Proxies::default(), || true),
                refused: Arc::default(),
            },
            deliver_per_second: None,
            logs: Arc::new(self.clone()),
            publisher: Arc::<FakePublisher>::clone(&self.publisher),
            facts: Arc::new(self.clone()),
            cluster: Arc::new(self.clone()),
            ingest: ingest::Limits { event_bytes: BATCH_BYTES, batch_events: 10, batch_bytes: BATCH_BYTES },
            unverified: Arc::new(tokio::sync::Semaphore::new(self.unverified)),
            max_selectors: 10,
            tracer: Tracer::default(),
        }
    }

    fn position(&self) -> Result<Position, LogError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.unreachable {
            return Err(LogError::Unavailable("connection to 10.0.0.9 refused".into()));
        }
        Ok(Position { log: LogId::new(1), epoch: EPOCH, head: HEAD, earliest: self.earliest })
    }
}

pub(in crate::http) fn conflict(index: usize) -> ConflictingId {
    ConflictingId { index, id: EventId::new("1"), seq: Some(Seq::new(1)) }
}

/// Stores the first request, and finds all others to repeat it; or answers what it was given.
#[derive(Default)]
pub(in crate::http) struct FakePublisher {
    outcome: Option<Result<Published, PublishError>>,
    requests: AtomicUsize,
    sources: Mutex<Vec<String>>,
}

impl FakePublisher {
    pub(in crate::http) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Under which sources was published.
    pub(in crate::http) fn sources(&self) -> Vec<String> {
        self.sources.lock().expect("lock").clone()
    }
}

#[async_trait]
impl Publish for FakePublisher {
    async fn publish(&self, _log: LogId, request: AppendRequest, _origin: Option<Origin>) -> Result<Published, PublishError> {
        self.sources.lock().expect("lock").push(request.source.to_string());
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(outcome) = &self.outcome {
            return outcome.clone();
        }
        let status = if before == 0 { ItemStatus::Stored } else { ItemStatus::Duplicate };
        let items = request.events.into_iter().map(|event| PublishedItem { id: event.id, seq: HEAD.next(), status });
        Ok(Published { items: items.collect(), epoch: EPOCH })
    }
}

#[async_trait]
impl Logs for Fakes {
    async fn log(&self, _name: &LogName) -> Result<LogId, OpenError> {
        if self.full { Err(OpenError::TooMany) } else { Ok(LogId::new(1)) }
    }

    async fn has_log(&self, name: &LogName) -> Result<bool, LogError> {
        Ok(!name.as_str().starts_with("no-"))
    }

    fn settings_of(&self, _id: LogId) -> TenantSettings {
        TenantSettings::default()
    }
}

impl Facts for Fakes {
    fn ready(&self) -> bool {
        self.ready
    }

    fn draining(&self) -> bool {
        self.draining
    }

    fn health(&self) -> Health {
        Health { status: HealthStatus::Healthy, services: std::iter::empty().collect() }
    }

    fn statistics(&self, _log: LogId, whole_instance: bool) -> Statistics {
        assert!(!self.panics, "on purpose");
        let log = LogStatistics { epoch: EPOCH.to_string(), head: HEAD.get(), ..LogStatistics::default() };
        Statistics { log, memory: whole_instance.then(MemoryStatistics::default), ..Statistics::default() }
    }

    fn overall(&self) -> Overall {
        let delivery = Spread { buckets: vec![(Some(63), 1), (None, 2)], sum_micros: 100 };
        Overall { statistics: Facts::statistics(self, LogId::new(1), true), delivery, ..Overall::default() }
    }
}

#[async_trait]
impl Cluster for Fakes {
    async fn statistics(&self, log: LogId, whole_instance: bool) -> Statistics {
        Statistics { scope: Scope::Cluster, missing: Some(1), ..Facts::statistics(self, log, whole_instance) }
    }
}

#[async_trait]
impl EventLog for Fakes {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn open(&self, _name: &LogName) -> Result<LogId, LogError> {
        Ok(LogId::new(1))
    }

    async fn append(&self, _log: LogId, _requests: &[AppendRequest]) -> Result<Appended, LogError> {
        Err(LogError::Internal("handlers publish through the publisher".into()))
    }

    async fn look(&self) -> Result<Look, LogError> {
        Ok(Look { positions: vec![self.position()?], ..Look::default() })
    }

    async fn epochs(&self, _log: LogId) -> Result<EpochChain, LogError> {
        let stale = self.stale_chains.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let first = EpochStart { epoch: if stale { Epoch::new(9) } else { EPOCH }, first: Seq::new(1) };
        self.position().map(|_| EpochChain::new(vec![first]).expect("one link"))
    }

    async fn read(&self, _log: LogId, request: &PageRequest) -> Result<Page, LogError> {
        let first = request.after.next().max(self.earliest);
        let seqs = (first.get()..=HEAD.get()).map(Seq::new);
        let events = seqs.map(|seq| Event::from_row(seq, Timestamp::from_micros(0), EVENT.to_owned()).expect("well formed"));
        let events: Vec<Event> = events.filter(|event| request.filter.matches(&event.keys)).take(request.limit).collect();
        let through = events.last().filter(|_| events.len() == request.limit).map_or(HEAD, |event| event.seq);
        Ok(Page { events, through, position: self.position()? })
    }

    async fn seq_before(&self, _log: LogId, _at: Timestamp) -> Result<Seq, LogError> {
        Ok(self.earliest.before())
    }

    async fn trim(&self, _log: LogId, _retention: &Retention) -> Result<Trimmed, LogError> {
        Ok(Trimmed::default())
    }

    async fn new_epoch(&self, _log: LogId, _cause: &str) -> Result<Epoch, LogError> {
        Ok(EPOCH)
    }

    async fn size_bytes(&self) -> Result<u64, LogError> {
        Ok(0)
    }

    async fn close(&self) {}
}
