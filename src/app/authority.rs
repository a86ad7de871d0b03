//! The instance's state of access, as HTTP asks for it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    auth::{self, Access, Actor, AuthError, Ending, LiveStream, Principal},
    domain::LogName,
    http::{Authority, IssuedTicket, Registration, Signed, TicketUse},
    hub::{CloseReason, Right},
    log::SecretDigest,
};

/// See the module.
pub(super) struct Gate(pub(super) Arc<Access>);

/// A stream of the hub, for whoever may end it.
struct Stream(Arc<Right>);

impl LiveStream for Stream {
    fn end(&self, why: Ending) {
        self.0.end(match why {
            Ending::Revoked => CloseReason::Revoked,
            Ending::Superseded => CloseReason::Superseded,
        });
    }
}

#[async_trait]
impl Authority for Gate {
    fn is_open(&self) -> bool {
        self.0.is_open()
    }

    fn nobody(&self) -> Result<Principal, AuthError> {
        self.0.nobody()
    }

    async fn bearer(&self, text: &str) -> Result<Principal, AuthError> {
        self.0.bearer(text).await
    }

    fn has_signing_key(&self, key_id: &str) -> bool {
        self.0.has_signing_key(key_id)
    }

    fn signed(&self, key_id: &str, signed: &Signed<'_>, body: &[u8]) -> Result<Principal, AuthError> {
        self.0.signed(key_id, &auth::Signed::parse(signed.id, signed.timestamp, signed.signature)?, body)
    }

    async fn issue_ticket(&self, principal: &Principal) -> Result<IssuedTicket, AuthError> {
        let auth::IssuedTicket { text, first_use_by, expires_at } = self.0.issue_ticket(principal).await?;
        Ok(IssuedTicket { text: text.expose().to_owned(), first_use_by, expires_at })
    }

    async fn redeem(&self, ticket: &str, subscription: &SecretDigest) -> Result<(Principal, TicketUse), AuthError> {
        let (principal, ticket) = self.0.redeem(ticket, subscription).await?;
        Ok((principal, TicketUse::new(ticket)))
    }

    fn register(&self, principal: &Principal, ticket: Option<TicketUse>, right: Arc<Right>) -> Result<Registration, AuthError> {
        let ticket = ticket.and_then(TicketUse::into_inner::<auth::TicketUse>);
        self.0.register(principal, ticket, Arc::new(Stream(right))).map(Registration::new)
    }

    async fn record_read(&self, principal: &Principal, tenant: &LogName, target: &str, reason: &str) -> Result<(), AuthError> {
        self.0.record_read(&Actor::from(principal), tenant, &format!("{target}: {reason}")).await
    }
}
