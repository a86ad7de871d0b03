//! A store of access, a clock and a judge of tokens that do as they are told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{Access, AccessSettings, AuthError, Clock, Credential, Ending, LiveStream, Principal, Rights, ServiceSecret, Tokens};
use crate::{
    domain::{LogName, Timestamp},
    log::{
        AccessState, AccessStore, AccessVersion, AuditEntry, AuditRecord, KeyRecord, LogError, Redeemed, Revocation, SecretDigest,
        TenantSettings, TicketRecord,
    },
};

/// A moment, in seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// Time as a test sets it, for the store and its instances alike; it begins at 1000 s.
#[derive(Clone)]
pub(crate) struct FakeClock(Arc<AtomicI64>);

impl Default for FakeClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1000)))
    }
}

impl FakeClock {
    pub(crate) fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn clock(&self) -> Clock {
        let clock = self.clone();
        Clock::new(move || clock.now())
    }
}

/// Takes the tokens that it was told of; their text is their subject.
#[derive(Default)]
pub(crate) struct FakeTokens(Mutex<BTreeMap<String, Principal>>);

impl FakeTokens {
    /// Takes `text` from now on, as a token of `tenant` issued at 500 s with `id` and `rights`.
    pub(crate) fn take(&self, text: &str, tenant: &str, id: &str, rights: &str) -> Principal {
        let principal = Principal {
            credential: Credential::Token,
            subject: Some(text.into()),
            token_id: Some(id.into()),
            issued_at: Some(at(500)),
            expires_at: Some(at(5000)),
            tenant: LogName::new(tenant),
            rights: Rights::parse(rights, Some(text)).expect(rights),
        };
        self.0.lock().expect("lock").insert(text.to_owned(), principal.clone());
        principal
    }
}

#[async_trait]
impl Tokens for FakeTokens {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, AuthError> {
        let known = self.0.lock().expect("lock").get(token).cloned().ok_or(AuthError::invalid("the token is not good"))?;
        if known.expires_at.is_some_and(|end| end <= now) { Err(AuthError::Expired) } else { Ok(known) }
    }
}

/// A call of the store that has its answer and does not give it yet.
pub(crate) struct Held {
    reached: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

impl Held {
    /// Resolves once the call has its answer.
    pub(crate) async fn reached(&mut self) {
        (&mut self.reached).await.expect("the call was made");
    }

    pub(crate) fn release(self) {
        self.release.send(()).expect("the call waits");
    }
}

struct Gate {
    reached: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

#[derive(Default)]
struct Gates(Mutex<VecDeque<Gate>>);

impl Gates {
    fn hold(&self) -> Held {
        let ((reached, was_reached), (release, released)) = (oneshot::channel(), oneshot::channel());
        self.0.lock().expect("lock").push_back(Gate { reached, released });
        Held { reached: was_reached, release }
    }

    async fn pass(&self) {
        let gate = self.0.lock().expect("lock").pop_front();
        if let Some(gate) = gate {
            let _ = gate.reached.send(());
            let _ = gate.released.await;
        }
    }
}

struct FakeTicket {
    record: TicketRecord,
    first_use_by: Timestamp,
    bound: Option<SecretDigest>,
    uses: u64,
    reused: AccessVersion,
}

#[derive(Default)]
struct Tables {
    state: AccessState,
    audit: Vec<AuditRecord>,
    tickets: BTreeMap<SecretDigest, FakeTicket>,
    forgotten: usize,
}

/// The tables of access in memory, shared by the instances of a test.
#[derive(Default)]
pub(crate) struct FakeStore {
    tables: Mutex<Tables>,
    clock: FakeClock,
    unreachable: AtomicBool,
    refused_loads: AtomicUsize,
    loads: Gates,
    redemptions: Gates,
}

impl FakeStore {
    pub(crate) fn new(clock: &FakeClock) -> Arc<Self> {
        Arc::new(Self { clock: clock.clone(), ..Self::default() })
    }

    pub(crate) fn set_unreachable(&self, unreachable: bool) {
        self.unreachable.store(unreachable, Ordering::SeqCst);
    }

    /// Holds the next answer to `access`.
    pub(crate) fn hold_load(&self) -> Held {
        self.loads.hold()
    }

    /// Holds the next answer to `redeem`.
    pub(crate) fn hold_redemption(&self) -> Held {
        self.redemptions.hold()
    }

    pub(crate) fn version(&self) -> AccessVersion {
        self.tables().state.version
    }

    /// Everything that instances load, as in a backup.
    pub(crate) fn backup(&self) -> AccessState {
        self.tables().state.clone()
    }

    /// Goes back to a backup.
    pub(crate) fn restore(&self, backup: AccessState) {
        self.tables().state = backup;
    }

    /// `actor action target`, a line each.
    pub(crate) fn trail(&self) -> Vec<String> {
        self.tables().audit.iter().map(|line| format!("{} {} {}", line.entry.actor, line.entry.action, line.entry.target)).collect()
    }

    /// Everything that is stored, printed.
    pub(crate) fn printed(&self) -> String {
        let tables = self.tables();
        let tickets: Vec<_> = tables.tickets.values().map(|ticket| &ticket.record).collect();
        format!("{:?} {:?} {tickets:?}", tables.state, tables.audit)
    }

    /// How many loads the store was not there for.
    pub(crate) fn refused_loads(&self) -> usize {
        self.refused_loads.load(Ordering::SeqCst)
    }

    pub(crate) fn forgotten(&self) -> usize {
        self.tables().forgotten
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("lock")
    }

    fn reach(&self) -> Result<MutexGuard<'_, Tables>, LogError> {
        if self.unreachable.load(Ordering::SeqCst) {
            return Err(LogError::Unavailable("connection to 10.0.0.9 refused".into()));
        }
        Ok(self.tables())
    }

    /// A change that other instances must hear of, with its line in the audit trail.
    fn change<T>(&self, audit: &AuditEntry, change: impl FnOnce(&mut AccessState) -> T) -> Result<T, LogError> {
        let now = self.clock.now();
        let mut tables = self.reach()?;
        tables.state.version.0 += 1;
        let number = tables.audit.len() as u64 + 1;
        tables.audit.push(AuditRecord { number, at: now, entry: audit.clone() });
        Ok(change(&mut tables.state))
    }
}

fn find<'a>(state: &'a mut AccessState, tenant: &LogName, id: &str) -> Option<&'a mut KeyRecord> {
    state.keys.iter_mut().find(|key| key.id == id && key.tenant == *tenant)
}

#[async_trait]
impl AccessStore for FakeStore {
    async fn access(&self) -> Result<AccessState, LogError> {
        let found = self.reach().map(|tables| tables.state.clone());
        self.refused_loads.fetch_add(usize::from(found.is_err()), Ordering::SeqCst);
        let state = found?;
        self.loads.pass().await;
        Ok(state)
    }

    async fn create_key(&self, key: &KeyRecord, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(audit, |state| state.keys.push(key.clone()))
    }

    async fn rotate_key(
        &self,
        tenant: &LogName,
        id: &str,
        digest: SecretDigest,
        previous_until: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Option<KeyRecord>, LogError> {
        self.change(audit, |state| {
            let key = find(state, tenant, id).filter(|key| key.revoked_at.is_none())?;
            key.previous_digest = Some(std::mem::replace(&mut key.digest, digest));
            key.previous_until = Some(previous_until);
            key.generation += 1;
            Some(key.clone())
        })
    }

    async fn revoke_key(&self, tenant: &LogName, id: &str, audit: &AuditEntry) -> Result<bool, LogError> {
        let now = self.clock.now();
        self.change(audit, |state| find(state, tenant, id).map(|key| key.revoked_at.get_or_insert(now)).is_some())
    }

    async fn revoke(&self, revocation: &Revocation, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(audit, |state| state.revocations.push(revocation.clone()))
    }

    async fn lift(&self, tenant: Option<&LogName>, id: &str, audit: &AuditEntry) -> Result<bool, LogError> {
        self.change(audit, |state| {
            let before = state.revocations.len();
            state.revocations.retain(|revocation| revocation.id != id || (tenant.is_some() && revocation.tenant.as_ref() != tenant));
            state.revocations.len() < before
        })
    }

    async fn set_tenant(&self, tenant: &LogName, settings: &TenantSettings, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(audit, |state| {
            state.tenants.retain(|(known, _)| known != tenant);
            state.tenants.push((tenant.clone(), *settings));
        })
    }

    async fn record(&self, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(audit, |state| state.version.0 -= 1)
    }

    async fn audit_trail(&self, tenant: Option<&LogName>, after: u64, limit: usize) -> Result<Vec<AuditRecord>, LogError> {
        let tables = self.reach()?;
        let of_tenant = |line: &&AuditRecord| line.number > after && (tenant.is_none() || line.entry.tenant.as_ref() == tenant);
        Ok(tables.audit.iter().filter(of_tenant).take(limit).cloned().collect())
    }

    async fn issue_ticket(&self, ticket: &TicketRecord) -> Result<(), LogError> {
        let within = i64::try_from(ticket.first_use_within.as_micros()).expect("short");
        let first_use_by = Timestamp::from_micros(self.clock.now().as_micros() + within);
        let stored = FakeTicket { record: ticket.clone(), first_use_by, bound: None, uses: 0, reused: AccessVersion(0) };
        self.reach()?.tickets.insert(ticket.digest, stored);
        Ok(())
    }

    async fn redeem(&self, digest: &SecretDigest, subscription: &SecretDigest) -> Result<Option<Redeemed>, LogError> {
        let now = self.clock.now();
        let redeemed = {
            let mut tables = self.reach()?;
            let Tables { state, tickets, .. } = &mut *tables;
            let ticket = tickets.get_mut(digest).filter(|ticket| now < ticket.record.expires_at);
            let ticket = ticket.filter(|ticket| ticket.bound.map_or(now < ticket.first_use_by, |bound| bound == *subscription));
            ticket.map(|ticket| {
                ticket.bound = Some(*subscription);
                ticket.uses += 1;
                if ticket.uses > 1 {
                    state.version.0 += 1;
                    ticket.reused = state.version;
                }
                Redeemed { principal: ticket.record.principal.clone(), uses: ticket.uses }
            })
        };
        self.redemptions.pass().await;
        Ok(redeemed)
    }

    async fn reused_tickets(&self, since: AccessVersion) -> Result<Vec<(SecretDigest, u64)>, LogError> {
        let tables = self.reach()?;
        Ok(tables.tickets.iter().filter(|(_, ticket)| ticket.reused > since).map(|(digest, ticket)| (*digest, ticket.uses)).collect())
    }

    async fn forget_expired(&self) -> Result<(), LogError> {
        self.reach()?.forgotten += 1;
        Ok(())
    }

    async fn service_secret(&self) -> Result<[u8; 32], LogError> {
        self.reach().map(|_| [3; 32])
    }
}

/// A stream that remembers how it was ended.
#[derive(Default)]
pub(crate) struct FakeStream {
    endings: Mutex<Vec<Ending>>,
    /// Asked for its streams whenever this one is ended: no lock may be held then.
    access: Option<Arc<Access>>,
}

impl FakeStream {
    pub(crate) fn of(access: &Arc<Access>) -> Arc<Self> {
        Arc::new(Self { access: Some(Arc::clone(access)), ..Self::default() })
    }

    /// Why it was ended first, if it was.
    pub(crate) fn ended(&self) -> Option<Ending> {
        self.endings.lock().expect("lock").first().copied()
    }
}

impl LiveStream for FakeStream {
    fn end(&self, why: Ending) {
        self.access.as_ref().map(|access| access.live_streams());
        self.endings.lock().expect("lock").push(why);
    }
}

/// One store, one clock, one judge of tokens, for as many instances as a test starts.
pub(crate) struct FakeService {
    pub(crate) clock: FakeClock,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) tokens: Arc<FakeTokens>,
}

impl Default for FakeService {
    fn default() -> Self {
        let clock = FakeClock::default();
        Self { store: FakeStore::new(&clock), clock, tokens: Arc::default() }
    }
}

impl FakeService {
    pub(crate) fn settings(&self) -> AccessSettings {
        AccessSettings { secret: Some(ServiceSecret::new(&[1; 32])), clock: self.clock.clock(), ..AccessSettings::default() }
    }

    /// An instance that takes tokens.
    pub(crate) async fn instance(&self) -> Arc<Access> {
        let tokens: Arc<dyn Tokens> = Arc::<FakeTokens>::clone(&self.tokens);
        Access::start(Arc::<FakeStore>::clone(&self.store), Some(tokens), self.settings()).await.expect("started")
    }

    /// An instance that knows no tokens: open until there is a key.
    pub(crate) async fn without_tokens(&self, settings: AccessSettings) -> Arc<Access> {
        Access::start(Arc::<FakeStore>::clone(&self.store), None, settings).await.expect("started")
    }
}
