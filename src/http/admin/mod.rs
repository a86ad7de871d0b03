//! What operators ask: keys, revocations, tenants' settings and the audit trail, under `/admin`.
//!
//! Only `Authorization: Bearer` opens these routes, never a cookie or a query, and no page of another site: an operator's browser must not be
//! made to act. `caller` says who asks and how far that reaches; bodies are read by `members`, which takes nothing that it does not know. What a
//! caller may not know of is 404. What is stored, and what a credential is, is `auth`'s: everything here goes through [`Admin`].

mod access;
pub(super) mod audit;
mod caller;
pub(super) mod keys;
mod members;
pub(super) mod revocations;
pub(super) mod tenants;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use actix_web::web::{self, ServiceConfig};
use async_trait::async_trait;

use super::{Guard, Scrutiny, routes};
use crate::{
    auth::{AuthError, NewKey, NewRevocation, Principal, ShownOnce},
    domain::LogName,
    log::{AuditRecord, KeyRecord, Revocation, TenantSettings},
};

pub(super) use caller::Caller;

/// The largest body.
const BODY_BYTES: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Who may do what, and changes to it; each change is recorded with its actor.
#[async_trait]
pub trait Admin: Send + Sync + 'static {
    /// Whether the service has no credentials, so that none is looked at.
    fn is_open(&self) -> bool;

    /// Who it is that presents nothing.
    fn nobody(&self) -> Result<Principal, AuthError>;

    /// Whose token or API key `text` is.
    async fn bearer(&self, text: &str) -> Result<Principal, AuthError>;

    /// Makes a key; the text is its secret, which is told once.
    async fn create_key(&self, by: &Principal, key: NewKey) -> Result<(KeyRecord, ShownOnce), AuthError>;

    /// Gives a key another secret; the old one is taken for `overlap` longer.
    async fn rotate_key(&self, by: &Principal, tenant: &LogName, id: &str, overlap: Duration) -> Result<(KeyRecord, ShownOnce), AuthError>;

    /// Ends a key.
    async fn revoke_key(&self, by: &Principal, tenant: &LogName, id: &str) -> Result<(), AuthError>;

    /// Makes a revocation.
    async fn revoke(&self, by: &Principal, wanted: NewRevocation, reason: Option<String>) -> Result<Revocation, AuthError>;

    /// Removes a revocation that the caller may see.
    async fn lift(&self, by: &Principal, id: &str) -> Result<(), AuthError>;

    /// Sets all of a log's own settings.
    async fn set_tenant(&self, by: &Principal, tenant: &LogName, settings: TenantSettings) -> Result<(), AuthError>;

    /// The keys of one log, or of all.
    async fn keys(&self, by: &Principal, tenant: Option<&LogName>) -> Result<Vec<KeyRecord>, AuthError>;

    /// The revocations of one log, or all.
    async fn revocations(&self, by: &Principal, tenant: Option<&LogName>) -> Result<Vec<Revocation>, AuthError>;

    /// The logs that have settings of their own: one, or all.
    async fn tenants(&self, by: &Principal, tenant: Option<&LogName>) -> Result<Vec<(LogName, TenantSettings)>, AuthError>;

    /// Writes down that `by` looks at what is another tenant's, and why.
    async fn record_read(&self, by: &Principal, tenant: &LogName, reason: &str) -> Result<(), AuthError>;

    /// At most `limit` lines of the audit trail behind number `after`, oldest first; of one log, or of all.
    async fn audit_trail(&self, by: &Principal, tenant: Option<&LogName>, after: u64, limit: usize) -> Result<Vec<AuditRecord>, AuthError>;
}

/// What the operators' routes share.
#[derive(Clone)]
pub struct Console {
    /// Who may do what.
    pub admin: Arc<dyn Admin>,
    /// Held against whoever needs no credential, on any listener: a page must not reach an open service by a name of its own.
    pub guard: Guard,
    /// What every credential goes through.
    pub scrutiny: Scrutiny,
    /// Whether whoever reaches `/metrics` may read it: true where only operators listen.
    pub open_metrics: bool,
}

/// The table of paths below `/admin`.
pub(super) fn table(config: &mut ServiceConfig) {
    config
        .service(routes::at("/admin/keys", "GET, HEAD, POST").route(routes::read(keys::list)).route(web::post().to(keys::create)))
        .service(routes::at("/admin/keys/{id}", "DELETE").route(web::delete().to(keys::revoke)))
        .service(routes::at("/admin/keys/{id}/rotate", "POST").route(web::post().to(keys::rotate)))
        .service(
            routes::at("/admin/revocations", "GET, HEAD, POST")
                .route(routes::read(revocations::list))
                .route(web::post().to(revocations::create)),
        )
        .service(routes::at("/admin/revocations/{id}", "DELETE").route(web::delete().to(revocations::lift)))
        .service(routes::at("/admin/tenants", routes::READ).route(routes::read(tenants::list)))
        .service(routes::at("/admin/tenants/{name}", "PUT").route(web::put().to(tenants::set)))
        .service(routes::at("/admin/audit", routes::READ).route(routes::read(audit::trail)));
}

/// Whether a path is one of these: pages of other sites are granted nothing here.
pub(super) fn is_below(path: &str) -> bool {
    let path = path.strip_prefix(routes::PREFIX).unwrap_or(path);
    path.strip_prefix("/admin").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
