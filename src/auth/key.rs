//! API keys: their text, and whether a secret that was presented is theirs.
//!
//! `cck_<id>_<secret>` is 12 characters of `a-z0-9` and 32 random bytes in base64url. The store has the SHA-256 of those bytes: they are random
//! enough that nothing slower is needed. A [`Key`] is a stored key with its rights read once, when the state is loaded.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::{
    AuthError, Credential, Principal, Rights, Role, ServiceSecret, ShownOnce,
    secret::{ID_LENGTH, is_id, random},
    webhook::SigningSecret,
};
use crate::{
    domain::Timestamp,
    log::{KeyKind, KeyRecord, SecretDigest},
};

/// What the text of every API key begins with.
pub const KEY_PREFIX: &str = "cck_";
/// Said of every key that is not one of ours, so that nobody learns which ids there are.
const UNKNOWN: AuthError = AuthError::invalid("the API key is not known");

/// A new secret for the key of this id: the text for its owner, and what the store keeps.
pub(super) fn make_secret(id: &str) -> (ShownOnce, SecretDigest) {
    let secret: [u8; 32] = random();
    let text = format!("{KEY_PREFIX}{id}_{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
    (ShownOnce::new(text), Sha256::digest(secret).into())
}

/// An API key as it was presented.
pub(super) struct PresentedKey<'a> {
    pub(super) id: &'a str,
    digest: SecretDigest,
}

impl<'a> PresentedKey<'a> {
    /// Takes only what [`make_secret`] could have made.
    pub(super) fn parse(text: &'a str) -> Result<Self, AuthError> {
        const MALFORMED: AuthError = AuthError::invalid("the API key is not whole");
        // by position: the secret may hold `_` too
        let (id, secret) = text.strip_prefix(KEY_PREFIX).and_then(|rest| rest.split_at_checked(ID_LENGTH)).ok_or(MALFORMED)?;
        let secret = secret.strip_prefix('_').filter(|_| is_id(id)).ok_or(MALFORMED)?;
        let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).map_err(|_| MALFORMED)?;
        if secret.len() != 32 {
            return Err(MALFORMED);
        }
        Ok(Self { id, digest: Sha256::digest(&secret).into() })
    }
}

/// A stored key, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Key {
    record: KeyRecord,
    /// `None` when they cannot be read.
    rights: Option<Rights>,
}

impl Key {
    pub(super) fn new(record: KeyRecord) -> Self {
        let rights = Rights::parse(&record.rights, None)
            .inspect_err(|error| tracing::error!(key = record.id, %error, "the rights of an API key cannot be read: it is refused"))
            .ok();
        Self { record, rights }
    }

    pub(super) fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// What it may look after; everything, when that cannot be read: nobody of less shall touch it.
    pub(super) fn role(&self) -> Role {
        self.rights.as_ref().map_or(Role::SuperAdmin, |rights| rights.role)
    }

    /// Who it is that presented this. `None`: the id is not known.
    pub(super) fn bearer(key: Option<&Self>, presented: &PresentedKey<'_>, now: Timestamp) -> Result<Principal, AuthError> {
        let key = key.filter(|key| key.record.kind == KeyKind::Bearer).ok_or(UNKNOWN)?;
        let is = |digest: &SecretDigest| aws_lc_rs::constant_time::verify_slices_are_equal(digest, &presented.digest).is_ok();
        let previous = key.record.previous_digest.filter(|_| key.previous_until(now).is_some());
        let until = match (is(&key.record.digest), previous.is_some_and(|digest| is(&digest))) {
            (true, _) => key.record.expires_at,
            (false, true) => earliest(key.record.expires_at, key.record.previous_until),
            (false, false) => return Err(UNKNOWN),
        };
        key.principal(Credential::Key(key.record.id.as_str().into()), until, now)
    }

    /// The secrets that sign for it: the current one, and for a while the one before.
    pub(super) fn signing_secrets(&self, service: &ServiceSecret, now: Timestamp) -> Vec<SigningSecret> {
        let current = self.record.generation;
        let previous = current.checked_sub(1).filter(|before| *before > 0 && self.previous_until(now).is_some());
        [Some(current), previous].into_iter().flatten().map(|generation| signing_secret(service, &self.record.id, generation)).collect()
    }

    /// Who it is whose signature was found good.
    pub(super) fn signer(&self, now: Timestamp) -> Result<Principal, AuthError> {
        self.principal(Credential::Signature(self.record.id.as_str().into()), self.record.expires_at, now)
    }

    fn previous_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.record.previous_until.filter(|until| now < *until)
    }

    fn principal(&self, credential: Credential, expires_at: Option<Timestamp>, now: Timestamp) -> Result<Principal, AuthError> {
        if self.record.revoked_at.is_some() {
            return Err(AuthError::Revoked);
        }
        if expires_at.is_some_and(|at| at <= now) {
            return Err(AuthError::Expired);
        }
        let rights = self.rights.clone().ok_or_else(|| AuthError::Unavailable(format!("unreadable rights of key {}", self.record.id)))?;
        let (issued_at, tenant) = (Some(self.record.created_at), self.record.tenant.clone());
        Ok(Principal { credential, subject: None, token_id: None, issued_at, expires_at, tenant, rights })
    }
}

/// What a signing key's owner signs with. The store does not have it.
pub(super) fn signing_secret(service: &ServiceSecret, id: &str, generation: u32) -> SigningSecret {
    SigningSecret::new(&service.derive(&format!("signing-key:{id}:{generation}")))
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LogName;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn record(digest: SecretDigest) -> KeyRecord {
        KeyRecord {
            id: "abcdefghijkl".into(),
            tenant: LogName::new("shop"),
            name: "indexer".into(),
            kind: KeyKind::Bearer,
            digest,
            generation: 1,
            previous_digest: None,
            previous_until: None,
            rights: r#"{"publish":{}}"#.into(),
            created_at: at(1),
            expires_at: None,
            revoked_at: None,
        }
    }

    fn ask(record: &KeyRecord, text: &ShownOnce, now: Timestamp) -> Result<Principal, AuthError> {
        Key::bearer(Some(&Key::new(record.clone())), &PresentedKey::parse(text.expose())?, now)
    }

    #[test]
    fn a_key_is_known_by_its_secret_and_the_one_before_until_it_is_not_taken_any_more() {
        let (old, old_digest) = make_secret("abcdefghijkl");
        let (new, digest) = make_secret("abcdefghijkl");
        assert_eq!(ask(&record(digest), &old, at(5)), Err(UNKNOWN));
        let rotated = KeyRecord { previous_digest: Some(old_digest), previous_until: Some(at(10)), generation: 2, ..record(digest) };
        assert_eq!(ask(&rotated, &new, at(99)).expect("current").expires_at, None);
        assert_eq!(ask(&rotated, &old, at(9)).expect("previous").expires_at, Some(at(10)), "it ends with the old secret");
        assert_eq!(ask(&rotated, &old, at(10)), Err(UNKNOWN));
        let principal = ask(&rotated, &new, at(5)).expect("current");
        assert_eq!((principal.tenant.as_str(), principal.actor().as_str(), principal.issued_at), ("shop", "key:abcdefghijkl", Some(at(1))));
    }

    #[test]
    fn an_expired_a_revoked_and_an_unreadable_key_are_refused() {
        let (text, digest) = make_secret("abcdefghijkl");
        let expiring = KeyRecord { expires_at: Some(at(10)), ..record(digest) };
        assert!(ask(&expiring, &text, at(9)).is_ok());
        assert_eq!(ask(&expiring, &text, at(10)), Err(AuthError::Expired));
        assert_eq!(ask(&KeyRecord { revoked_at: Some(at(2)), ..record(digest) }, &text, at(3)), Err(AuthError::Revoked));
        let unreadable = KeyRecord { rights: "{".into(), ..record(digest) };
        assert!(matches!(ask(&unreadable, &text, at(3)), Err(AuthError::Unavailable(_))));
        assert_eq!(Key::new(unreadable).role(), Role::SuperAdmin);
    }

    #[test]
    fn a_signing_key_is_no_bearer_key() {
        let (text, digest) = make_secret("abcdefghijkl");
        assert_eq!(ask(&KeyRecord { kind: KeyKind::Signing, ..record(digest) }, &text, at(3)), Err(UNKNOWN));
    }

    #[test]
    fn a_signing_key_has_the_secret_before_its_rotation_for_a_while() {
        let service = ServiceSecret::new(&[1; 32]);
        let secrets = |generation, until: Option<i64>| {
            let record = KeyRecord { kind: KeyKind::Signing, generation, previous_until: until.map(at), ..record([0; 32]) };
            Key::new(record).signing_secrets(&service, at(5))
        };
        let [first, second] = [1, 2].map(|generation| signing_secret(&service, "abcdefghijkl", generation));
        assert_ne!(first, second);
        assert_eq!(secrets(1, None), std::slice::from_ref(&first));
        assert_eq!(secrets(2, Some(6)), [second.clone(), first]);
        assert_eq!(secrets(2, Some(5)), [second]);
        assert_eq!(secrets(1, Some(6)).len(), 1, "there is no secret before the first");
    }

    #[test]
    fn only_a_text_that_could_have_been_made_is_looked_up() {
        let (text, _) = make_secret("abcdefghijkl");
        let text = text.expose();
        assert_eq!(text.len(), 60);
        assert!(PresentedKey::parse(text).is_ok());
        let tail = &text[17..];
        let zeros = "A".repeat(42);
        for bad in [
            String::new(),
            "cck_".into(),
            text[1..].into(),
            text[..59].into(),
            format!("{text}="),
            format!("{text} "),
            format!("cck_ABCDEFGHIJKL_{tail}"),
            format!("cck_abcdefghijk_{tail}"),
            format!("cck_abcdefghijk\u{e9}_{tail}"),
            // bits that no byte has
            format!("cck_abcdefghijkl_{zeros}B"),
            format!("CCK_abcdefghijkl_{tail}"),
        ] {
            assert!(PresentedKey::parse(&bad).is_err(), "{bad}");
        }
    }
}
