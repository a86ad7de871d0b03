//! Changes of who may do what: who may make them, and that each is recorded with who made it.
//!
//! An admin acts for its own tenant, and cannot make, end, or get the secret of anyone whose role is above its own. Roles are all that is compared:
//! within its tenant an admin may grant any right, also one that it does not have itself. A super admin acts for all.
//!
//! This instance knows of a change when it has been made; where that fails, and on other instances, the next look does it.

use std::{sync::Arc, time::Duration};

use super::{
    Access, Actor,
    actor::{MAX_TEXT_BYTES, check_text, refused},
};
use crate::{
    auth::{
        AuthError, Rights, ShownOnce,
        key::{make_secret, signing_secret},
        secret::random_id,
    },
    domain::{LogName, Timestamp},
    log::{AuditRecord, KeyKind, KeyRecord, Revocation, SecretDigest, TenantSettings},
};

/// The longest name of a key, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// The most keys of one tenant that were not revoked: every instance keeps them in memory.
const MAX_KEYS: usize = 1000;
/// The most with those that were: they stay, so that their streams and names do not come back.
const MAX_KEYS_EVER: usize = 10_000;
/// The most revocations of one tenant, and of all together.
const MAX_REVOCATIONS: usize = 10_000;
/// The longest rights of a key, in bytes of JSON: every instance keeps them.
const MAX_RIGHTS_BYTES: usize = 16 * 1024;
/// The longest time for which the secret before a rotation is taken, however the rotation is asked for.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A key that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The log that it is for.
    pub tenant: LogName,
    /// What its owner calls it.
    pub name: String,
    /// How it is used.
    pub kind: KeyKind,
    /// What it may do.
    pub rights: Rights,
    /// From when on it is not taken.
    pub expires_at: Option<Timestamp>,
}

/// A revocation that is wanted: of the credentials that match all that is given. Something must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRevocation {
    /// Only of this log; `None`: of all.
    pub tenant: Option<LogName>,
    /// Only of this subject; no API key has one.
    pub subject: Option<String>,
    /// Only the token with this `jti`.
    pub token_id: Option<String>,
    /// Only credentials that were issued before, or do not say when. An API key was issued when it was made, however often it was rotated since.
    pub issued_before: Option<Timestamp>,
    /// When it may be forgotten, because nothing that it concerns is valid any more.
    pub expires_at: Option<Timestamp>,
}

impl Access {
    /// Makes a key. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::Refused`], or the store could not be reached.
    pub async fn create_key(self: &Arc<Self>, actor: &Actor, new: NewKey) -> Result<(KeyRecord, ShownOnce), AuthError> {
        actor.check(Some(&new.tenant))?;
        actor.check_role(new.rights.role)?;
        check_text("name", &new.name, MAX_NAME_BYTES)?;
        let created_at = self.now();
        if new.expires_at.is_some_and(|at| at <= created_at) {
            return Err(refused("expiresAt", "is in the past"));
        }
        let keys = self.state.load().keys_of(&new.tenant);
        if keys.len() >= MAX_KEYS_EVER || keys.iter().filter(|key| key.revoked_at.is_none()).count() >= MAX_KEYS {
            return Err(refused(
                "tenant",
                format!("has as many keys as it may: {MAX_KEYS}, and {MAX_KEYS_EVER} with those that were revoked"),
            ));
        }
        let rights = new.rights.to_json();
        if rights.len() > MAX_RIGHTS_BYTES {
            return Err(refused("rights", format!("must be at most {MAX_RIGHTS_BYTES} bytes of JSON")));
        }
        let id = random_id();
        let (text, digest) = self.secret_of(&id, new.kind, 1)?;
        let NewKey { tenant, name, kind, rights: _, expires_at } = new;
        let key = KeyRecord {
            id,
            tenant,
            name,
            kind,
            digest,
            generation: 1,
            previous_digest: None,
            previous_until: None,
            rights,
            created_at,
            expires_at,
            revoked_at: None,
        };
        let entry = actor.entry(Some(&key.tenant), "key.created", told_key(&key));
        self.store.create_key(&key, &entry).await?;
        self.caught_up().await;
        Ok((key, text))
    }

    /// Gives a key another secret; the one that it has is taken for `overlap` more. Streams that it opened stay: they end when the key is revoked.
    ///
    /// # Errors
    /// As [`Access::create_key`], and [`AuthError::NotFound`].
    pub async fn rotate_key(
        self: &Arc<Self>,
        actor: &Actor,
        tenant: &LogName,
        id: &str,
        overlap: Duration,
    ) -> Result<(KeyRecord, ShownOnce), AuthError> {
        let kind = self.check_key(actor, tenant, id).await?;
        if overlap > MAX_OVERLAP {
            return Err(refused("overlap", "must be at most 30 days"));
        }
        let (bearer_text, digest) = self.secret_of(id, kind, 1)?;
        let entry = actor.entry(Some(tenant), "key.rotated", id.to_owned());
        let rotated = self.store.rotate_key(tenant, id, digest, self.now().plus(overlap), &entry).await?;
        let key = rotated.ok_or(NO_KEY)?;
        let text = match kind {
            KeyKind::Bearer => bearer_text,
            KeyKind::Signing => self.secret_of(id, kind, key.generation)?.0,
        };
        self.caught_up().await;
        Ok((key, text))
    }

    /// Ends a key, and the streams that it opened.
    ///
    /// # Errors
    /// As [`Access::rotate_key`].
    pub async fn revoke_key(self: &Arc<Self>, actor: &Actor, tenant: &LogName, id: &str) -> Result<(), AuthError> {
        self.check_key(actor, tenant, id).await?;
        let entry = actor.entry(Some(tenant), "key.revoked", id.to_owned());
        let found = self.store.revoke_key(tenant, id, &entry).await?;
        self.caught_up().await;
        if found { Ok(()) } else { Err(NO_KEY) }
    }

    /// Ends the credentials that match, and the streams that they opened.
    ///
    /// # Errors
    /// As [`Access::create_key`].
    pub async fn revoke(self: &Arc<Self>, actor: &Actor, new: NewRevocation) -> Result<Revocation, AuthError> {
        actor.check(new.tenant.as_ref())?;
        for (member, text) in [("subject", &new.subject), ("tokenId", &new.token_id)] {
            text.as_ref().map_or(Ok(()), |text| check_text(member, text, MAX_TEXT_BYTES))?;
        }
        let created_at = self.now();
        if new.expires_at.is_some_and(|at| at <= created_at) {
            return Err(refused("expiresAt", "is in the past"));
        }
        let NewRevocation { tenant, subject, token_id, issued_before, expires_at } = new;
        if tenant.is_none() && subject.is_none() && token_id.is_none() && issued_before.is_none() {
            return Err(refused("revocation", "must name a tenant, a subject, a token or a time: this would be every credential there is"));
        }
        if self.state.load().revocations.list().into_iter().filter(|revocation| revocation.tenant == tenant).count() >= MAX_REVOCATIONS {
            return Err(refused("revocation", format!("there are {MAX_REVOCATIONS} of them: as many as may be; give them an end")));
        }
        let revocation = Revocation { id: random_id(), tenant, subject, token_id, issued_before, created_at, expires_at };
        let entry = actor.entry(revocation.tenant.as_ref(), "revocation.created", told(&revocation));
        self.store.revoke(&revocation, &entry).await?;
        self.caught_up().await;
        Ok(revocation)
    }

    /// Takes a revocation back: of the actor's tenant, or of any for a super admin. Streams that it ended stay ended.
    ///
    /// # Errors
    /// As [`Access::rotate_key`].
    pub async fn lift(self: &Arc<Self>, actor: &Actor, id: &str) -> Result<(), AuthError> {
        let scope = actor.scope()?;
        let known = || self.state.load().revocations.list().into_iter().find(|revocation| revocation.id == id).cloned();
        // it may have been made elsewhere a moment ago; its tenant never changes
        let revocation = match known() {
            Some(revocation) => Some(revocation),
            None => self.refresh().await.map(|_| known())?,
        };
        let in_scope = |revocation: &Revocation| scope.is_none() || revocation.tenant.as_ref() == scope;
        let revocation = revocation.filter(in_scope).ok_or(NO_REVOCATION)?;
        // whoever lifts it, the trail of the tenant that it is about tells
        let entry = actor.entry(revocation.tenant.as_ref(), "revocation.lifted", told(&revocation));
        let found = self.store.lift(scope, id, &entry).await?;
        self.caught_up().await;
        if found { Ok(()) } else { Err(NO_REVOCATION) }
    }

    /// Sets all of a log's own settings.
    ///
    /// # Errors
    /// As [`Access::create_key`].
    pub async fn set_tenant(self: &Arc<Self>, actor: &Actor, tenant: &LogName, settings: &TenantSettings) -> Result<(), AuthError> {
        actor.check(Some(tenant))?;
        let entry = actor.entry(Some(tenant), "tenant.changed", told_settings(tenant, settings));
        self.store.set_tenant(tenant, settings, &entry).await?;
        self.caught_up().await;
        Ok(())
    }

    /// Records that someone reads another tenant's log, and why; to be awaited before the first event is shown.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] for whoever is no super admin, [`AuthError::Refused`] without a reason.
    pub async fn record_read(&self, actor: &Actor, tenant: &LogName, reason: &str) -> Result<(), AuthError> {
        actor.check(None)?;
        let actor = actor.clone().because(reason)?;
        Ok(self.store.record(&actor.entry(Some(tenant), "tenant.read", tenant.to_string())).await?)
    }

    /// The keys of a log, oldest first, as of the last look.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`].
    pub fn keys(&self, actor: &Actor, tenant: &LogName) -> Result<Vec<KeyRecord>, AuthError> {
        actor.check(Some(tenant))?;
        Ok(self.state.load().keys_of(tenant))
    }

    /// The keys of every log, oldest first, as of the last look.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`].
    pub fn all_keys(&self, actor: &Actor) -> Result<Vec<KeyRecord>, AuthError> {
        actor.check(None)?;
        Ok(self.state.load().keys_where(|_| true))
    }

    /// The revocations that the actor may lift, oldest first, as of the last look.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`].
    pub fn revocations(&self, actor: &Actor) -> Result<Vec<Revocation>, AuthError> {
        let tenant = actor.scope()?;
        let state = self.state.load();
        let of_tenant = |revocation: &&&Revocation| tenant.is_none() || revocation.tenant.as_ref() == tenant;
        Ok(state.revocations.list().iter().filter(of_tenant).map(|revocation| (*revocation).clone()).collect())
    }

    /// At most `limit` lines of the audit trail behind number `after`: of one log, or, for a super admin, of all.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], or the store could not be reached.
    pub async fn audit_trail(
        &self,
        actor: &Actor,
        tenant: Option<&LogName>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<AuditRecord>, AuthError> {
        actor.check(tenant)?;
        Ok(self.store.audit_trail(tenant, after, limit).await?)
    }

    /// The kind of a key that the actor may touch.
    async fn check_key(self: &Arc<Self>, actor: &Actor, tenant: &LogName, id: &str) -> Result<KeyKind, AuthError> {
        actor.check(Some(tenant))?;
        let known = || {
            let state = self.state.load();
            state.key(id).filter(|key| key.record().tenant == *tenant).map(|key| (key.record().kind, key.role()))
        };
        // it may have been made elsewhere a moment ago; neither its kind nor its role ever changes
        let found = match known() {
            Some(found) => Some(found),
            None => self.refresh().await.map(|_| known())?,
        };
        let (kind, role) = found.ok_or(NO_KEY)?;
        actor.check_role(role)?;
        Ok(kind)
    }

    /// A key's text, and the digest that the store keeps.
    fn secret_of(&self, id: &str, kind: KeyKind, generation: u32) -> Result<(ShownOnce, SecretDigest), AuthError> {
        match (kind, &self.settings.secret) {
            (KeyKind::Bearer, _) => Ok(make_secret(id)),
            (KeyKind::Signing, Some(service)) => Ok((signing_secret(service, id, generation).to_text(), SecretDigest::default())),
            (KeyKind::Signing, None) => Err(refused("kind", "signing keys need CHAINCAST_SECRET to be set")),
        }
    }

    /// The change is made, whether this succeeds or not; where it does not, the next look makes up for it.
    async fn caught_up(self: &Arc<Self>) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "a change of access is stored, and not yet in effect here");
        }
    }
}

const NO_KEY: AuthError = AuthError::NotFound("key");
const NO_REVOCATION: AuthError = AuthError::NotFound("revocation");

/// A key, with what it may do as far as there is room for it in a line.
fn told_key(key: &KeyRecord) -> String {
    const MAX_CHARS: usize = 500;
    format!("{} ({}): {}", key.id, key.name, key.rights.chars().take(MAX_CHARS).collect::<String>())
}

/// A tenant, with the settings that it has from now on.
fn told_settings(tenant: &LogName, settings: &TenantSettings) -> String {
    let TenantSettings { retention_days, retention_events, max_connections, publish_per_second, deliver_per_second } = *settings;
    let members = [
        ("retentionDays", retention_days.map(u64::from)),
        ("retentionEvents", retention_events),
        ("maxConnections", max_connections.map(u64::from)),
        ("publishPerSecond", publish_per_second.map(u64::from)),
        ("deliverPerSecond", deliver_per_second.map(u64::from)),
    ];
    let set = members.iter().filter_map(|(name, value)| value.map(|value| format!(" {name}={value}")));
    format!("{tenant}{}", set.collect::<String>())
}

/// Whom a revocation is about: it is gone once it is lifted or has expired, and the trail must still say so.
fn told(revocation: &Revocation) -> String {
    let Revocation { id, tenant, subject, token_id, issued_before, .. } = revocation;
    let mut text = id.clone();
    let mut add = |name: &str, value: Option<&dyn std::fmt::Display>| {
        if let Some(value) = value {
            text.push_str(&format!(" {name}={value}"));
        }
    };
    add("tenant", tenant.as_ref().map(|value| value as _));
    add("sub", subject.as_ref().map(|value| value as _));
    add("jti", token_id.as_ref().map(|value| value as _));
    add("issuedBefore", issued_before.as_ref().map(|value| value as _));
    text
}
