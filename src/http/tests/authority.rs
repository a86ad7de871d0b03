//! An authority of a few people. Every credential has `secret` in it, so that an answer that repeats one is found.

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use crate::{
    auth::{AuthError, Credential, Principal, Rights},
    domain::{LogName, Timestamp},
    http::{Authority, IssuedTicket, Registration, Signed, TicketUse},
    hub::Right,
    log::SecretDigest,
};

/// Who there is: name, credential, tenant, rights. The text of a credential is `secret.` and the name.
const PEOPLE: &[(&str, Credential, &str, &str)] = &[
    ("alice", Credential::Token, "default", r#"{"subscribe":{"users":["self"],"topics":["market.**"]}}"#),
    ("nobody", Credential::Token, "default", "{}"),
    ("admin", Credential::Token, "default", r#"{"subscribe":{"all":true},"publish":{},"role":"admin"}"#),
    ("ops", Credential::Token, "ops", r#"{"subscribe":{"all":true},"role":"super_admin"}"#),
    ("cautious", Credential::Token, "ops", r#"{"subscribe":{"streams":["1"]},"role":"super_admin"}"#),
];

/// What the two keys may publish; one is sent, one signs.
const WRITER: &str = r#"{"publish":{"types":["stream.*"],"topics":["market.**"]},"source":"indexer"}"#;

/// The signature that is taken for any body.
pub(super) const SIGNATURE: &str = "v1,secret";
/// How long tokens last.
pub(super) const LASTS_SECONDS: i64 = 3600;

#[derive(Default)]
pub(in crate::http) struct FakeAuthority {
    pub(super) open: bool,
    /// What is granted to everyone, as JSON.
    pub(super) anonymous: Option<&'static str>,
    /// Nothing can be told: the store is away.
    pub(super) away: bool,
    /// Every registration finds its credential revoked.
    pub(super) revoked: bool,
    /// Nothing can be written down.
    pub(super) unrecordable: bool,
    pub(super) recorded: Mutex<Vec<String>>,
    pub(super) redeemed: Mutex<Vec<SecretDigest>>,
    pub(super) registered: Mutex<Vec<Weak<Right>>>,
    pub(super) streams: Arc<AtomicUsize>,
}

/// How often a ticket was used.
#[derive(PartialEq)]
struct Uses(u64);

struct Leaves(Arc<AtomicUsize>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn away() -> AuthError {
    AuthError::Unavailable("10.0.0.9 refused secret".into())
}

fn principal(credential: Credential, subject: Option<&str>, tenant: &str, rights: &str) -> Principal {
    let rights = Rights::parse(rights, subject).expect("rights");
    let lasts = Timestamp::from_micros(Timestamp::now().as_micros() + LASTS_SECONDS * 1_000_000);
    let expires_at = (credential == Credential::Token).then_some(lasts);
    let subject = subject.map(Into::into);
    Principal { credential, subject, tenant: LogName::new(tenant), expires_at, ..Principal::anonymous(rights) }
}

fn person(text: &str) -> Result<Principal, AuthError> {
    let name = text.strip_prefix("secret.").unwrap_or_default();
    match name {
        "writer" => return Ok(principal(Credential::Key("writer".into()), None, "default", WRITER)),
        "expired" => return Err(AuthError::Expired),
        "revoked" => return Err(AuthError::Revoked),
        _ => {}
    }
    let found = PEOPLE.iter().find(|(known, ..)| *known == name);
    let (_, credential, tenant, rights) = found.ok_or(AuthError::invalid("the signature is not right"))?;
    Ok(principal(credential.clone(), Some("GALICE"), tenant, rights))
}

#[async_trait]
impl Authority for FakeAuthority {
    fn is_open(&self) -> bool {
        self.open
    }

    fn nobody(&self) -> Result<Principal, AuthError> {
        match self.anonymous {
            _ if self.open => Ok(Principal::open()),
            Some(rights) => Ok(Principal::anonymous(Rights::parse(rights, None).expect("rights"))),
            None => Err(AuthError::Missing),
        }
    }

    async fn bearer(&self, text: &str) -> Result<Principal, AuthError> {
        if self.away { Err(away()) } else { person(text) }
    }

    fn has_signing_key(&self, key_id: &str) -> bool {
        key_id == "signer"
    }

    fn signed(&self, key_id: &str, signed: &Signed<'_>, body: &[u8]) -> Result<Principal, AuthError> {
        assert!(!body.is_empty(), "a signature is over the body");
        assert!(signed.id.starts_with("m-1"));
        match (key_id, signed.signature, signed.timestamp) {
            ("signer", SIGNATURE, "1790000000") => Ok(principal(Credential::Signature("signer".into()), None, "default", WRITER)),
            _ => Err(AuthError::invalid("the signature is not right")),
        }
    }

    async fn issue_ticket(&self, principal: &Principal) -> Result<IssuedTicket, AuthError> {
        let expires_at = principal.expires_at.ok_or_else(|| AuthError::Forbidden("keys have no tickets".into()))?;
        Ok(IssuedTicket { text: "cct_made".into(), first_use_by: Timestamp::from_micros(0), expires_at })
    }

    async fn redeem(&self, ticket: &str, subscription: &SecretDigest) -> Result<(Principal, TicketUse), AuthError> {
        if self.away {
            return Err(away());
        }
        self.redeemed.lock().expect("lock").push(*subscription);
        person(ticket).map(|principal| (principal, TicketUse::new(Uses(2))))
    }

    fn register(&self, principal: &Principal, ticket: Option<TicketUse>, right: Arc<Right>) -> Result<Registration, AuthError> {
        assert_eq!(right.expiry().is_some(), principal.expires_at.is_some());
        assert!(ticket.is_none_or(|ticket| ticket.into_inner::<Uses>() == Some(Uses(2))));
        if self.revoked {
            return Err(AuthError::Revoked);
        }
        self.registered.lock().expect("lock").push(Arc::downgrade(&right));
        self.streams.fetch_add(1, Ordering::AcqRel);
        Ok(Registration::new(Leaves(self.streams.clone())))
    }

    async fn record_read(&self, principal: &Principal, tenant: &LogName, target: &str, reason: &str) -> Result<(), AuthError> {
        if self.unrecordable {
            return Err(away());
        }
        self.recorded.lock().expect("lock").push(format!("{} {tenant} {target} {reason}", principal.actor()));
        Ok(())
    }
}
