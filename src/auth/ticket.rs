//! Tickets: what a page that cannot send headers opens its stream with, in the place of a token that must not stand in a URL.
//!
//! `cct_` and base64url of 16 random bytes and as many of their HMAC: a forged ticket is refused without asking the store. The store has the
//! SHA-256 of the random part, and whose the ticket is. A ticket opens streams and nothing else, so of the rights only what may be seen goes with it.

use std::fmt;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::{AuthError, Credential, Principal, Rights, ServiceSecret, ShownOnce, secret::random};
use crate::{
    domain::{LogName, Timestamp},
    log::SecretDigest,
};

/// What the text of every ticket begins with.
pub const TICKET_PREFIX: &str = "cct_";
/// Bytes of the random part, and of the HMAC that is kept.
const HALF: usize = 16;

/// Makes tickets, and knows its own.
pub(super) struct TicketSeal(hmac::Key);

impl TicketSeal {
    pub(super) fn new(service: &ServiceSecret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &service.derive("tickets")))
    }

    /// A new ticket: its text, and what the store knows it by.
    pub(super) fn make(&self) -> (ShownOnce, SecretDigest) {
        let number: [u8; HALF] = random();
        let mut ticket = number.to_vec();
        ticket.extend_from_slice(self.seal(&number).as_ref().split_at(HALF).0);
        (ShownOnce::new(format!("{TICKET_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(ticket))), Sha256::digest(number).into())
    }

    /// What the store knows a ticket by, if it is one of ours.
    pub(super) fn open(&self, text: &str) -> Result<SecretDigest, AuthError> {
        let ticket = text.strip_prefix(TICKET_PREFIX).and_then(|encoded| BASE64_URL_SAFE_NO_PAD.decode(encoded).ok());
        let ticket = ticket.filter(|ticket| ticket.len() == 2 * HALF).ok_or(AuthError::invalid("the ticket is not whole"))?;
        let (number, seal) = ticket.split_at(HALF);
        let is_ours = verify_slices_are_equal(self.seal(number).as_ref().split_at(HALF).0, seal).is_ok();
        if is_ours { Ok(Sha256::digest(number).into()) } else { Err(AuthError::invalid("the ticket was not issued here")) }
    }

    fn seal(&self, number: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, number)
    }
}

impl fmt::Debug for TicketSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSeal(…)")
    }
}

/// Whose a ticket is, as the store keeps it. An unknown member is an error: it could be a limit.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Holder<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_id: Option<Box<str>>,
    /// Microseconds since 1970, as the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    tenant: Box<str>,
    #[serde(borrow)]
    rights: &'a RawValue,
}

/// The text that [`read_holder`] reads back: everything of `principal` that a stream needs.
pub(super) fn write_holder(principal: &Principal) -> String {
    let rights = Rights { subscribe: principal.rights.subscribe.clone(), ..Rights::default() }.to_json();
    let key = match &principal.credential {
        Credential::Key(id) => Some(id.clone()),
        _ => None,
    };
    let holder = Holder {
        key,
        subject: principal.subject.clone(),
        token_id: principal.token_id.clone(),
        issued_at: principal.issued_at.map(Timestamp::as_micros),
        expires_at: principal.expires_at.map(Timestamp::as_micros),
        tenant: principal.tenant.as_str().into(),
        rights: serde_json::from_str(&rights).expect("rights are written as JSON"),
    };
    serde_json::to_string(&holder).expect("strings and numbers always serialise")
}

/// Whose a ticket is.
pub(super) fn read_holder(text: &str) -> Result<Principal, AuthError> {
    let unreadable = |error: &dyn fmt::Display| AuthError::Unavailable(format!("whose a ticket is cannot be read: {error}"));
    let holder: Holder<'_> = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    Ok(Principal {
        credential: holder.key.map_or(Credential::Token, Credential::Key),
        subject: holder.subject,
        token_id: holder.token_id,
        issued_at: holder.issued_at.map(Timestamp::from_micros),
        expires_at: holder.expires_at.map(Timestamp::from_micros),
        tenant: LogName::parse(&holder.tenant).map_err(|error| unreadable(&error))?,
        rights: Rights::parse(holder.rights.get(), None).map_err(|error| unreadable(&error))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(secret: u8) -> TicketSeal {
        TicketSeal::new(&ServiceSecret::new(&[secret; 32]))
    }

    #[test]
    fn a_ticket_is_known_wherever_the_secret_is_and_nowhere_else() {
        let (text, digest) = seal(1).make();
        assert_eq!(seal(1).open(text.expose()), Ok(digest));
        assert_eq!(seal(2).open(text.expose()), Err(AuthError::invalid("the ticket was not issued here")));
        assert_ne!(seal(1).make().1, digest);
    }

    #[test]
    fn a_ticket_with_one_character_changed_is_refused() {
        let seal = seal(1);
        let (text, _) = seal.make();
        for at in 0..text.expose().len() {
            let mut forged = text.expose().to_owned();
            let other = if forged[at..].starts_with('B') { "C" } else { "B" };
            forged.replace_range(at..=at, other);
            assert!(seal.open(&forged).is_err(), "{at}");
        }
        for bad in ["", "cct_", "cck_abcdefghijkl_", &text.expose()[..40], &format!("{}A", text.expose())] {
            assert!(seal.open(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn of_its_holder_a_ticket_keeps_what_a_stream_needs() {
        let rights = r#"{"subscribe":{"users":["self"],"topics":["a.**"]},"publish":{},"role":"admin"}"#;
        let holder = Principal {
            credential: Credential::Token,
            subject: Some("GALICE".into()),
            token_id: Some("\"quoted\" \u{e9}".into()),
            issued_at: Some(Timestamp::from_micros(-1)),
            expires_at: Some(Timestamp::from_micros(9_007_199_254_740_993)),
            tenant: LogName::new("shop"),
            rights: Rights::parse(rights, Some("GALICE")).expect("rights"),
        };
        let read = read_holder(&write_holder(&holder)).expect("readable");
        assert_eq!(read.rights.subscribe, holder.rights.subscribe);
        assert!(read.rights.publish.is_none() && !read.is_admin(), "a ticket opens streams");
        assert_eq!(Principal { rights: holder.rights.clone(), ..read }, holder);
        let of_a_key = Principal { credential: Credential::Key("abcdefghijkl".into()), subject: None, token_id: None, ..holder };
        assert_eq!(read_holder(&write_holder(&of_a_key)).expect("readable").credential, of_a_key.credential);
    }

    #[test]
    fn a_holder_that_says_more_than_is_understood_is_refused() {
        for bad in
            ["{}", "", r#"{"tenant":"a","rights":{},"only":"x"}"#, r#"{"tenant":"a b","rights":{}}"#, r#"{"tenant":"a","rights":{"x":1}}"#]
        {
            assert!(matches!(read_holder(bad), Err(AuthError::Unavailable(_))), "{bad}");
        }
    }
}
