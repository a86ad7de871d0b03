//! What the service asks of whoever knows credentials: one trait, which the composition root implements over `auth`.
//!
//! Texts of credentials go in, principals come out; neither this module nor any other of `http` keeps, compares or prints a credential.

use std::{any::Any, sync::Arc};

use async_trait::async_trait;

use crate::{
    auth::{AuthError, Principal},
    domain::{LogName, Timestamp},
    hub::Right,
    log::SecretDigest,
};

/// Says who asks.
#[async_trait]
pub trait Authority: Send + Sync + 'static {
    /// Whether the service has no credentials, so that none is looked at.
    fn is_open(&self) -> bool;

    /// Who it is that presents nothing: whoever there is in open mode, the anonymous one if there is any, else [`AuthError::Missing`].
    fn nobody(&self) -> Result<Principal, AuthError>;

    /// Whose token or API key `text` is.
    async fn bearer(&self, text: &str) -> Result<Principal, AuthError>;

    /// Whether there is a signing key of this id, so that a body is worth reading.
    fn has_signing_key(&self, key_id: &str) -> bool;

    /// Who signed `body`, by the key with this id. Called on any thread; must not wait.
    fn signed(&self, key_id: &str, signed: &Signed<'_>, body: &[u8]) -> Result<Principal, AuthError>;

    /// Makes a ticket for `principal`.
    async fn issue_ticket(&self, principal: &Principal) -> Result<IssuedTicket, AuthError>;

    /// Takes a ticket for `subscription`, the digest of what is asked for, to which its first use binds it.
    async fn redeem(&self, ticket: &str, subscription: &SecretDigest) -> Result<(Principal, TicketUse), AuthError>;

    /// Has `right` ended with the credential of `principal`, or by a newer use of its ticket, for as long as what is returned is held: the
    /// stream holds it until it ends.
    fn register(&self, principal: &Principal, ticket: Option<TicketUse>, right: Arc<Right>) -> Result<Registration, AuthError>;

    /// Writes down that `principal` is about to read `target` of another tenant's, and why.
    async fn record_read(&self, principal: &Principal, tenant: &LogName, target: &str, reason: &str) -> Result<(), AuthError>;
}

/// What a signed request says of itself, header by header.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`, as it came.
    pub timestamp: &'a str,
    /// `webhook-signature`: one or several, separated by spaces.
    pub signature: &'a str,
}

/// A ticket on its way to its owner.
pub struct IssuedTicket {
    /// What `?ticket=` takes.
    pub text: String,
    /// Until when it must have been used once.
    pub first_use_by: Timestamp,
    /// From when on it is not taken at all.
    pub expires_at: Timestamp,
}

/// One use of a ticket, as whoever counted it knows it; handed back when its stream is registered.
pub struct TicketUse(Box<dyn Any + Send + Sync>);

impl TicketUse {
    /// Whatever is to be handed back.
    #[must_use]
    pub fn new(counted: impl Any + Send + Sync) -> Self {
        Self(Box::new(counted))
    }

    /// What was counted; `None` when it is another's.
    #[must_use]
    pub fn into_inner<T: Any>(self) -> Option<T> {
        self.0.downcast().ok().map(|counted| *counted)
    }
}

/// A place in the registry of streams, given up when dropped.
pub struct Registration(Box<dyn Any + Send + Sync>);

impl Registration {
    /// Whatever gives the place up when it is dropped.
    #[must_use]
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }

    pub(super) fn into_guard(self) -> Box<dyn Any + Send + Sync> {
        self.0
    }
}
