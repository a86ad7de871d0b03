//! Tickets, issued and redeemed.

use std::time::Duration;

use super::{Access, TicketUse};
use crate::{
    auth::{
        AuthError, Credential, Principal, ShownOnce,
        ticket::{read_holder, write_holder},
    },
    domain::Timestamp,
    log::{SecretDigest, TicketRecord},
};

/// The longest life of a ticket for a credential that may have no end itself.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The longest life of any, however far off its token's end is: the store has a row of each.
const LONGEST_OF_A_TOKEN: Duration = Duration::from_secs(24 * 60 * 60);

/// A ticket that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedTicket {
    /// What is sent as `ticket`.
    pub text: ShownOnce,
    /// Until when it must be used for the first time.
    pub first_use_by: Timestamp,
    /// From when on it is not taken at all: with the token that it is for, a day after it was issued at most, or
    /// an hour for an API key.
    pub expires_at: Timestamp,
}

impl Access {
    /// Issues a ticket with which whoever holds it opens a stream as `principal`.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] when there is nothing that the ticket could stand for.
    pub async fn issue_ticket(&self, principal: &Principal) -> Result<IssuedTicket, AuthError> {
        let now = self.now();
        let longest = now.plus(LONGEST);
        let expires_at = match &principal.credential {
            Credential::Token => principal.expires_at.map_or(longest, |end| end.min(now.plus(LONGEST_OF_A_TOKEN))),
            // a page that was given one by a service with an API key shall not have it for the key's whole life
            Credential::Key(_) => principal.expires_at.map_or(longest, |end| end.min(longest)),
            Credential::Open | Credential::Anonymous | Credential::Signature(_) => {
                return Err(AuthError::Forbidden("a ticket stands for a token or an API key".into()));
            }
        };
        if principal.rights.subscribe.is_nothing() {
            return Err(AuthError::Forbidden("the credential allows no subscription".into()));
        }
        let (text, digest) = self.seal.make();
        let holder = write_holder(&Principal { expires_at: Some(expires_at), ..principal.clone() });
        let first_use_within = self.settings.ticket_first_use;
        self.store.issue_ticket(&TicketRecord { digest, principal: holder, first_use_within, expires_at }).await?;
        Ok(IssuedTicket { text, first_use_by: now.plus(first_use_within).min(expires_at), expires_at })
    }

    /// Who holds this ticket, for the subscription with this digest. It is a use of the ticket, and the newest.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn redeem(&self, ticket: &str, subscription: &SecretDigest) -> Result<(Principal, TicketUse), AuthError> {
        let digest = self.seal.open(ticket)?;
        // before the store counts it: news of a newer use must find this one
        let expected = self.streams.expect(digest);
        let redeemed = self.store.redeem(&digest, subscription).await?;
        let redeemed =
            redeemed.ok_or(AuthError::invalid("the ticket was not used in time, has expired, or is for another subscription"))?;
        let counted = expected.counted(redeemed.uses);
        let principal = read_holder(&redeemed.principal)?;
        if principal.expires_at.is_some_and(|end| end <= self.now()) {
            return Err(AuthError::Expired);
        }
        Ok((self.admit(principal)?, counted))
    }
}
