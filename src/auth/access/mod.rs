//! The live state of access of one instance: credentials become principals, and streams end with what allowed them.
//!
//! Everything that is asked at a request is in memory, as of the last look at the store; only a ticket's redemption asks the store. A change, made here
//! or elsewhere, moves the store's version; [`Access::run`] loads what changed and ends the streams that it concerns. Loads wait for one another, so that
//! what was read last is in effect, whatever its version: a store that was restored or failed over has gone back, and what it says is what there is.
//! Only what is known here as revoked stays so, until the process ends.
//!
//! Open mode ends with the first API key, and does not come back while the process runs.

mod actor;
mod changes;
mod refresh;
mod settings;
mod state;
mod streams;
mod tickets;

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::{Mutex, watch};

use self::{
    state::Loaded,
    streams::{Streams, Whose},
};
use super::{
    AuthError, Credential, KEY_PREFIX, Principal, ServiceSecret, Signed, TICKET_PREFIX,
    key::{Key, PresentedKey},
    ticket::TicketSeal,
};
use crate::{
    domain::{LogName, Timestamp},
    log::{AccessStore, AccessVersion, KeyKind, LogError, TenantSettings},
};

pub use actor::Actor;
pub use changes::{MAX_OVERLAP, NewKey, NewRevocation};
pub use settings::{AccessSettings, Clock, anonymous_rights};
pub use streams::{Ending, LiveStream, Registration, TicketUse};
pub use tickets::IssuedTicket;

/// Whoever can tell a good token.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Whose token it is. Revocations are not its business.
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, AuthError>;
}

/// The live state of access of one instance.
pub struct Access {
    store: Arc<dyn AccessStore>,
    tokens: Option<Arc<dyn Tokens>>,
    settings: AccessSettings,
    seal: TicketSeal,
    state: ArcSwap<Loaded>,
    /// Held from the reading of a state until it is in effect.
    refreshing: Arc<Mutex<()>>,
    /// Whether there is any credential; never taken back.
    closed: watch::Sender<bool>,
    streams: Arc<Streams>,
    tenants: watch::Sender<Arc<Vec<(LogName, TenantSettings)>>>,
}

impl Access {
    /// Loads the state. Without `tokens`, and until there is a key, the service is open.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn start(
        store: Arc<dyn AccessStore>,
        tokens: Option<Arc<dyn Tokens>>,
        settings: AccessSettings,
    ) -> Result<Arc<Self>, LogError> {
        let seal = match &settings.secret {
            Some(secret) => TicketSeal::new(secret),
            None => TicketSeal::new(&ServiceSecret::new(&store.service_secret().await?)),
        };
        let state = store.access().await?;
        let access = Self {
            closed: watch::Sender::new(tokens.is_some()),
            store,
            tokens,
            settings,
            seal,
            state: ArcSwap::default(),
            refreshing: Arc::default(),
            streams: Arc::default(),
            tenants: watch::Sender::default(),
        };
        access.install(state);
        Ok(Arc::new(access))
    }

    fn now(&self) -> Timestamp {
        self.settings.clock.now()
    }

    /// Of the state that is loaded.
    #[must_use]
    pub fn version(&self) -> AccessVersion {
        self.state.load().version
    }

    /// Whether there is no credential at all, so that everyone who reaches the service may do everything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !*self.closed.borrow()
    }

    /// Whether there is any credential, now and when it comes to be: from then on nobody is let in without, and who was must go.
    #[must_use]
    pub fn closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// How many streams are registered.
    #[must_use]
    pub fn live_streams(&self) -> usize {
        self.streams.count()
    }

    /// Logs with settings of their own, now and whenever they change.
    #[must_use]
    pub fn tenants(&self) -> watch::Receiver<Arc<Vec<(LogName, TenantSettings)>>> {
        self.tenants.subscribe()
    }

    /// Who sent this API key or token.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn bearer(&self, text: &str) -> Result<Principal, AuthError> {
        let now = self.now();
        let principal = if text.starts_with(KEY_PREFIX) {
            let presented = PresentedKey::parse(text)?;
            Key::bearer(self.state.load().key(presented.id), &presented, now)?
        } else if text.starts_with(TICKET_PREFIX) {
            return Err(AuthError::invalid("a ticket opens a stream, and is sent as `ticket` in the query"));
        } else {
            let tokens = self.tokens.as_ref().ok_or(AuthError::invalid("tokens are not taken here"))?;
            tokens.verify(text, now).await?
        };
        self.admit(principal)
    }

    /// Whether a request that says to be signed so is worth reading: there is such a key, and the time is right.
    ///
    /// # Errors
    /// [`AuthError::Invalid`].
    pub fn may_be_signed(&self, key_id: &str, signed: &Signed<'_>) -> Result<(), AuthError> {
        let state = self.state.load();
        let known = state.key(key_id).is_some_and(|key| key.record().kind == KeyKind::Signing && key.record().revoked_at.is_none());
        if known { signed.check_time(self.now()) } else { Err(AuthError::invalid("the signing key is not known")) }
    }

    /// Who signed this request, with the signing key that it names.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn signed(&self, key_id: &str, signed: &Signed<'_>, body: &[u8]) -> Result<Principal, AuthError> {
        let now = self.now();
        let state = self.state.load();
        let key = state.key(key_id).filter(|key| key.record().kind == KeyKind::Signing);
        let key = key.ok_or(AuthError::invalid("the signing key is not known"))?;
        let service =
            self.settings.secret.as_ref().ok_or_else(|| AuthError::Unavailable(format!("signing key {key_id} needs CHAINCAST_SECRET")))?;
        signed.check(body, &key.signing_secrets(service, now), now)?;
        let signer = key.signer(now)?;
        self.admit(signer)
    }

    /// What someone without a credential is.
    ///
    /// # Errors
    /// [`AuthError::Missing`] where that is nobody.
    pub fn nobody(&self) -> Result<Principal, AuthError> {
        if self.is_open() {
            return Ok(Principal::open());
        }
        self.settings.anonymous.clone().map(Principal::anonymous).ok_or(AuthError::Missing)
    }

    /// Puts a stream on the list of those that end when `principal`'s credential is revoked, or `ticket` is used again.
    ///
    /// # Errors
    /// [`AuthError::Revoked`] or [`AuthError::Superseded`] when that has happened since the credential was looked at.
    pub fn register(
        &self,
        principal: &Principal,
        ticket: Option<TicketUse>,
        stream: Arc<dyn LiveStream>,
    ) -> Result<Registration, AuthError> {
        let registration = self.streams.register(Whose::of(principal), ticket, stream)?;
        // only now: a revocation from here on finds the stream on the list
        if self.refuses(&Whose::of(principal)) { Err(AuthError::Revoked) } else { Ok(registration) }
    }

    /// Looks again at whoever was recognised before something was waited for, such as a body that its sender took its time with. In memory only.
    /// The secret of a key that was rotated meanwhile is not looked at: it is the same key.
    ///
    /// # Errors
    /// What has ended since: [`AuthError::Expired`], [`AuthError::Revoked`], or open mode ([`AuthError::Missing`]).
    pub fn recheck(&self, principal: &Principal) -> Result<(), AuthError> {
        if principal.expires_at.is_some_and(|end| end <= self.now()) {
            return Err(AuthError::Expired);
        }
        match (self.refuses(&Whose::of(principal)), &principal.credential) {
            (false, _) => Ok(()),
            (true, Credential::Open) => Err(AuthError::Missing),
            (true, _) => Err(AuthError::Revoked),
        }
    }

    fn admit(&self, principal: Principal) -> Result<Principal, AuthError> {
        if self.refuses(&Whose::of(&principal)) { Err(AuthError::Revoked) } else { Ok(principal) }
    }

    fn refuses(&self, whose: &Whose) -> bool {
        self.state.load().refuses(whose, self.is_open(), self.now())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("version", &self.version()).field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
