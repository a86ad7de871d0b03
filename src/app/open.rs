//! Who asks, in a service without credentials: whoever reaches it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    auth::{AuthError, Principal},
    domain::LogName,
    http::{Authority, IssuedTicket, Registration, Signed, TicketUse},
    hub::Right,
    log::SecretDigest,
};

/// Takes no credential, and needs none.
pub(super) struct Open;

const NONE: AuthError = AuthError::Invalid("this service has no credentials");

#[async_trait]
impl Authority for Open {
    fn is_open(&self) -> bool {
        true
    }

    fn nobody(&self) -> Result<Principal, AuthError> {
        Ok(Principal::open())
    }

    async fn bearer(&self, _text: &str) -> Result<Principal, AuthError> {
        Err(NONE)
    }

    fn signed(&self, _key_id: &str, _signed: &Signed<'_>, _body: &[u8]) -> Result<Principal, AuthError> {
        Err(NONE)
    }

    async fn issue_ticket(&self, _principal: &Principal) -> Result<IssuedTicket, AuthError> {
        Err(NONE)
    }

    async fn redeem(&self, _ticket: &str, _subscription: &SecretDigest) -> Result<(Principal, TicketUse), AuthError> {
        Err(NONE)
    }

    fn register(&self, _principal: &Principal, _ticket: Option<TicketUse>, _right: Arc<Right>) -> Result<Registration, AuthError> {
        Ok(Registration::new(()))
    }

    async fn record_read(&self, _principal: &Principal, _tenant: &LogName, _target: &str, _reason: &str) -> Result<(), AuthError> {
        Err(AuthError::Forbidden("this service has one tenant".to_owned()))
    }
}
