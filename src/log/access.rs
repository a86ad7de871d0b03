//! What the store keeps of who may do what: API keys, revocations, tickets, tenants' settings, and the record of who changed them.
//!
//! It lies beside the events, so that whatever holds on one instance holds on all, with a backplane or without. Every change that another instance
//! must hear of moves one [`AccessVersion`] in the same transaction; [`EventLog::look`](super::EventLog::look) reads it with the heads. A change
//! and its [`AuditEntry`] are one transaction too: nothing changes unrecorded.
//!
//! Secrets are not here: of an API key and of a ticket the store has digests, of a signing key a number from which the service's secret derives it.
//! What a right means is `auth`'s; the store keeps it as text.

pub(super) mod calls;
pub(super) mod rows;
pub(super) mod statements;

use std::time::Duration;

use async_trait::async_trait;

use super::LogError;
use crate::domain::{LogName, Timestamp};

/// Moves with each change that other instances must hear of, and never to a number that it had before. Whoever remembers another one than it
/// finds, be it greater, reads the state again. Zero: nothing was ever changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessVersion(pub u64);

/// SHA-256 of a secret.
pub type SecretDigest = [u8; 32];

/// How a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Sent as it is, in `Authorization: Bearer`.
    Bearer,
    /// Signs requests, and never travels.
    Signing,
}

/// A credential that the service issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its public name; visible ASCII without `_`, unique in the store.
    pub id: String,
    /// The log that it is for.
    pub tenant: LogName,
    /// What its owner calls it.
    pub name: String,
    /// How it is used.
    pub kind: KeyKind,
    /// Of the secret; zeroes for a signing key.
    pub digest: SecretDigest,
    /// Counts rotations, from 1; a signing key's secret derives from it.
    pub generation: u32,
    /// Of the secret before the last rotation.
    pub previous_digest: Option<SecretDigest>,
    /// Until when the secret before the last rotation is taken.
    pub previous_until: Option<Timestamp>,
    /// What it may do, as JSON.
    pub rights: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is not taken; `None`: never by itself.
    pub expires_at: Option<Timestamp>,
    /// Since when it is not taken.
    pub revoked_at: Option<Timestamp>,
}

/// Credentials that are not taken any more: those that match all that is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Its name.
    pub id: String,
    /// Only of this log; `None`: of all.
    pub tenant: Option<LogName>,
    /// Only of this subject.
    pub subject: Option<String>,
    /// Only the token with this `jti`.
    pub token_id: Option<String>,
    /// Only credentials that were issued before, or that do not say when.
    pub issued_before: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it may be forgotten, because nothing that it concerns is valid any more.
    pub expires_at: Option<Timestamp>,
}

/// A log's own settings; what is `None` is as the service's settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantSettings {
    /// Events older than this many days may go.
    pub retention_days: Option<u32>,
    /// At most this many events are kept.
    pub retention_events: Option<u64>,
    /// Connections at once, on one instance.
    pub max_connections: Option<u32>,
    /// Events published a second, by one credential on one instance.
    pub publish_per_second: Option<u32>,
    /// Events delivered a second to one connection.
    pub deliver_per_second: Option<u32>,
}

/// Everything but tickets and the audit trail, from one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessState {
    /// Its version.
    pub version: AccessVersion,
    /// Every key, revoked ones included, oldest first.
    pub keys: Vec<KeyRecord>,
    /// Every revocation that has not expired.
    pub revocations: Vec<Revocation>,
    /// Logs that have settings of their own.
    pub tenants: Vec<(LogName, TenantSettings)>,
}

/// A line of the audit trail before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The log that it concerns; `None`: all.
    pub tenant: Option<LogName>,
    /// Who did it: `key:<id>`, `token:<sub>`, `cli:<user>`, `open`.
    pub actor: String,
    /// What: `key.created`, `key.rotated`, `key.revoked`, `revocation.created`, `revocation.lifted`, `tenant.changed`, `tenant.read`.
    pub action: String,
    /// To what; no secret.
    pub target: String,
    /// Why, as far as was said.
    pub reason: Option<String>,
}

/// A line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its position in the trail, from 1.
    pub number: u64,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// What.
    pub entry: AuditEntry,
}

/// A ticket when it is issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRecord {
    /// Of its random part.
    pub digest: SecretDigest,
    /// Whose it is, as `auth` writes it; told to whoever redeems it.
    pub principal: String,
    /// How long from now it may be used for the first time, by the store's clock.
    pub first_use_within: Duration,
    /// From when on it is not taken at all.
    pub expires_at: Timestamp,
}

/// A ticket that was presented and taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// Whose it is.
    pub principal: String,
    /// How often it was presented, this time included: the newest use is the one that counts.
    pub uses: u64,
}

/// The tables of access, in the store of the logs.
#[async_trait]
pub trait AccessStore: Send + Sync + 'static {
    /// Everything that instances keep in memory.
    async fn access(&self) -> Result<AccessState, LogError>;

    /// Stores a new key. [`LogError::Content`] when its id is taken.
    async fn create_key(&self, key: &KeyRecord, audit: &AuditEntry) -> Result<(), LogError>;

    /// Gives a key that is not revoked another secret; the old one is taken until `previous_until`. `None` when `tenant` has no such key.
    async fn rotate_key(
        &self,
        tenant: &LogName,
        id: &str,
        digest: SecretDigest,
        previous_until: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Option<KeyRecord>, LogError>;

    /// Ends a key. `false` when `tenant` has no such key; ending it twice keeps the first time.
    async fn revoke_key(&self, tenant: &LogName, id: &str, audit: &AuditEntry) -> Result<bool, LogError>;

    /// Stores a revocation.
    async fn revoke(&self, revocation: &Revocation, audit: &AuditEntry) -> Result<(), LogError>;

    /// Removes a revocation of `tenant` (`None`: of any). `false` when there is none.
    async fn lift(&self, tenant: Option<&LogName>, id: &str, audit: &AuditEntry) -> Result<bool, LogError>;

    /// Sets all of a log's own settings.
    async fn set_tenant(&self, tenant: &LogName, settings: &TenantSettings, audit: &AuditEntry) -> Result<(), LogError>;

    /// Writes one line of the audit trail.
    async fn record(&self, audit: &AuditEntry) -> Result<(), LogError>;

    /// At most `limit` lines behind number `after`, oldest first; of one log, or of all.
    async fn audit_trail(&self, tenant: Option<&LogName>, after: u64, limit: usize) -> Result<Vec<AuditRecord>, LogError>;

    /// Stores a ticket.
    async fn issue_ticket(&self, ticket: &TicketRecord) -> Result<(), LogError>;

    /// Takes a ticket for `subscription`, the digest of what it is used for, to which its first use binds it. `None` when there is no such ticket,
    /// it was not used in time, it has expired, or it is bound to another subscription. A use after the first moves the version.
    async fn redeem(&self, digest: &SecretDigest, subscription: &SecretDigest) -> Result<Option<Redeemed>, LogError>;

    /// Tickets that were used again behind a version, and how often in all.
    async fn reused_tickets(&self, since: AccessVersion) -> Result<Vec<(SecretDigest, u64)>, LogError>;

    /// Deletes expired tickets, those that were not used in time, and expired revocations. Does not move the version.
    async fn forget_expired(&self) -> Result<(), LogError>;

    /// 32 random bytes, made by whoever asks first, for services that were not given a secret.
    async fn service_secret(&self) -> Result<[u8; 32], LogError>;
}
