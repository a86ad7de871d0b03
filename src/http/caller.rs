//! Who sent a request, and what it may do here.
//!
//! A handler asks for its caller before it reads anything else of the request, so that whoever needs a credential and has none learns nothing but
//! that. In open mode no credential is looked at, but where one is exchanged for something.

use std::sync::Arc;

use actix_web::HttpRequest;

use super::{
    authority::{Authority, Registration, Signed, TicketUse},
    client::ClientNet,
    credentials::{self, Presented, Signature},
    limits::Place,
    problem::Problem,
    scrutiny::Scrutiny,
    state::State,
    tenancy::{Reading, Tenancy},
};
use crate::{
    auth::{AuthError, Credential, NotYours, Principal},
    domain::{Filter, LogName},
    hub::{Expiry, Right},
    ingest::{Draft, Fault},
    log::{LogId, SecretDigest},
};

/// Who sent a request.
pub(super) struct Caller {
    pub(super) principal: Principal,
    ticket: Option<TicketUse>,
}

/// Who knows a good signature, and what comes of a bad one.
pub(super) struct Judges {
    pub(super) authority: Arc<dyn Authority>,
    pub(super) scrutiny: Scrutiny,
}

/// Who publishes.
pub(super) enum Sender {
    /// Somebody whose credential came with the head of the request.
    Known(Caller),
    /// Whoever signed the body.
    Signed(Signature),
}

impl Caller {
    fn new(principal: Principal) -> Self {
        Self { principal, ticket: None }
    }

    fn nobody(state: &State) -> Result<Self, Problem> {
        let nobody = state.authority.nobody().map_err(|error| state.scrutiny.refuse(None, error))?;
        Ok(Self::new(nobody))
    }

    /// Who reads.
    pub(super) async fn reader(request: &HttpRequest, state: &State) -> Result<Self, Problem> {
        Self::of(request, state, None::<fn() -> Result<SecretDigest, Problem>>).await?.who_may_see_something()
    }

    /// Who follows what has the digest `subscription`, which is asked for only if a ticket was presented.
    pub(super) async fn follower(
        request: &HttpRequest,
        state: &State,
        subscription: impl FnOnce() -> Result<SecretDigest, Problem>,
    ) -> Result<Self, Problem> {
        Self::of(request, state, Some(subscription)).await?.who_may_see_something()
    }

    /// Who asks for numbers: anybody who says who it is.
    pub(super) async fn recognised(request: &HttpRequest, state: &State) -> Result<Self, Problem> {
        let caller = Self::of(request, state, None::<fn() -> Result<SecretDigest, Problem>>).await?;
        if caller.is_anonymous() { Err(Problem::unauthenticated()) } else { Ok(caller) }
    }

    async fn of(
        request: &HttpRequest,
        state: &State,
        subscription: Option<impl FnOnce() -> Result<SecretDigest, Problem>>,
    ) -> Result<Self, Problem> {
        if state.authority.is_open() {
            return Self::nobody(state);
        }
        match (credentials::presented(request, &state.credentials, subscription.is_some())?, subscription) {
            (Presented::Bearer(text), _) => Ok(Self::new(state.scrutiny.of(request, state.authority.bearer(&text)).await?)),
            (Presented::Ticket(text), Some(subscription)) => {
                let (principal, ticket) = state.scrutiny.of(request, state.authority.redeem(&text, &subscription()?)).await?;
                Ok(Self { principal, ticket: Some(ticket) })
            }
            (Presented::Nothing | Presented::Ticket(_), _) => Self::nobody(state),
        }
    }

    /// Whose credential stands in `Authorization`, and that credential.
    pub(super) async fn bearer(request: &HttpRequest, state: &State) -> Result<(Self, String), Problem> {
        let text = credentials::bearer(request.headers())?.ok_or_else(Problem::unauthenticated)?;
        Ok((Self::new(state.scrutiny.of(request, state.authority.bearer(&text)).await?), text))
    }

    /// What its rights leave of `filter`.
    pub(super) fn visible(&self, filter: Filter) -> Result<Filter, Problem> {
        self.principal.rights.subscribe.narrow(filter).map_err(|denied| self.refused(Problem::from(denied)))
    }

    /// Whoever signed `body`, if it may publish; `client` sent it.
    pub(super) fn signed(signature: &Signature, body: &[u8], client: Option<ClientNet>, by: &Judges) -> Result<Self, Problem> {
        let Signature { key_id, id, timestamp, signature } = signature;
        let signer = by.authority.signed(key_id, &Signed { id, timestamp, signature }, body);
        Self::new(signer.map_err(|error| by.scrutiny.refuse(client, error))?).who_may_publish()
    }

    /// What of these events it may not publish.
    pub(super) fn not_its_own(&self, drafts: &[Draft]) -> Vec<Fault> {
        let fault = |draft: &Draft| {
            let refused = match &self.principal.rights.publish {
                Some(publish) => publish.permits(draft.keys()).err()?,
                None => NotYours::Type(draft.keys().event_type.clone()),
            };
            let (member, code, name) = match refused {
                NotYours::Type(name) => ("type".to_owned(), "type_not_allowed", name.to_string()),
                NotYours::Topic(at, name) => (format!("topics/{at}"), "topic_not_allowed", name.to_string()),
            };
            let detail = format!("`{name}` is not among what the credential may publish");
            Some(Fault { pointer: format!("{}/{member}", draft.pointer()), code, detail })
        };
        drafts.iter().filter_map(fault).take(Fault::MAX).collect()
    }

    /// Whether it may publish at all.
    pub(super) fn who_may_publish(self) -> Result<Self, Problem> {
        match (&self.principal.rights.publish, self.is_anonymous()) {
            (Some(_), _) => Ok(self),
            (None, true) => Err(Problem::unauthenticated()),
            (None, false) => Err(AuthError::Forbidden("the credential does not allow publishing".to_owned()).into()),
        }
    }

    fn who_may_see_something(self) -> Result<Self, Problem> {
        if self.is_anonymous() && self.principal.rights.subscribe.is_nothing() { Err(Problem::unauthenticated()) } else { Ok(self) }
    }

    /// What is not allowed to whoever has no credential may be allowed to whoever has.
    fn refused(&self, problem: Problem) -> Problem {
        if self.is_anonymous() { problem.without_credential() } else { problem }
    }

    fn is_anonymous(&self) -> bool {
        self.principal.credential == Credential::Anonymous
    }

    /// Whose log it is for.
    pub(super) fn tenant(&self) -> &LogName {
        &self.principal.tenant
    }

    /// What it reads: its own log, or another's if it may and says why.
    pub(super) fn reading(&self, asked: Tenancy) -> Result<Reading, Problem> {
        asked.of(&self.principal).map_err(|problem| self.refused(problem))
    }

    /// Takes a new connection of what its owner may begin.
    pub(super) fn begin(&self, state: &State) -> Result<(), Problem> {
        let owner = self.principal.counted_as();
        Ok(state.scrutiny.limits.begin(self.within_tenant(owner.as_deref()))?)
    }

    /// A place among what its address and its owner hold here.
    pub(super) fn hold(&self, request: &HttpRequest, state: &State) -> Result<Place, Problem> {
        let owner = self.principal.counted_as();
        Ok(state.scrutiny.limits.hold(state.scrutiny.client(request), self.within_tenant(owner.as_deref()))?)
    }

    /// A place for a stream among what its owner holds on all instances, for whom the other counts have room.
    pub(super) async fn share(&self, place: &mut Place, state: &State) -> Result<(), Problem> {
        let owner = self.principal.counted_as();
        Ok(state.scrutiny.limits.share(place, self.within_tenant(owner.as_deref())).await?)
    }

    fn within_tenant<'a>(&'a self, owner: Option<&'a str>) -> Option<(&'a str, &'a str)> {
        owner.map(|owner| (self.tenant().as_str(), owner))
    }

    /// Whether it may publish so many more events now.
    pub(super) fn may_publish_now(&self, events: usize, log: LogId, state: &State) -> Result<(), Problem> {
        let owner = self.principal.counted_as();
        let Some(owner) = self.within_tenant(owner.as_deref()) else { return Ok(()) };
        let own = state.logs.settings_of(log).publish_per_second;
        Ok(state.scrutiny.limits.publish(owner, events, own, state.ingest.batch_events)?)
    }

    /// The right to a stream, which ends with the credential, and the stream's place in the registry. In open mode streams have none: they end
    /// together when it does, and that includes one that is under way.
    pub(super) fn enrol(mut self, state: &State) -> Result<Option<(Arc<Right>, Registration)>, Problem> {
        if self.principal.credential == Credential::Open && self.principal.expires_at.is_none() {
            return if state.authority.is_open() { Ok(None) } else { Err(AuthError::Missing.into()) };
        }
        let right = Right::new(self.principal.expires_at.map(Expiry::at));
        let registration = state.authority.register(&self.principal, self.ticket.take(), right.clone())?;
        Ok(Some((right, registration)))
    }
}

impl Sender {
    /// Who publishes, as far as the head of the request tells.
    pub(super) async fn of(request: &HttpRequest, state: &State) -> Result<Self, Problem> {
        if state.authority.is_open() {
            return Caller::nobody(state)?.who_may_publish().map(Self::Known);
        }
        if let Some(text) = credentials::bearer(request.headers())? {
            return Caller::new(state.scrutiny.of(request, state.authority.bearer(&text)).await?).who_may_publish().map(Self::Known);
        }
        match Signature::find(request)? {
            Some(signature) => {
                // before a body of megabytes is read for it
                let client = state.scrutiny.client(request);
                state.scrutiny.limits.hear(client)?;
                let Signature { key_id, id, timestamp, signature: text } = &signature;
                let said = state.authority.may_be_signed(key_id, &Signed { id, timestamp, signature: text });
                said.map_err(|error| state.scrutiny.refuse(client, error))?;
                Ok(Self::Signed(signature))
            }
            None => Caller::nobody(state)?.who_may_publish().map(Self::Known),
        }
    }
}
