//! Keys and revocations in memory, of whoever is called by the text of its credential.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    auth::{AuthError, Credential, NewKey, NewRevocation, Principal, Rights, ShownOnce},
    domain::{LogName, Timestamp},
    http::Admin,
    log::{AuditEntry, AuditRecord, KeyRecord, Revocation, TenantSettings},
};

/// What a credential's text may be; the tenants are `shop` and `bank`.
pub(super) const SUPER: &str = "super";
pub(super) const SHOP: &str = "shop-admin";
pub(super) const BANK: &str = "bank-admin";
pub(super) const NOBODY_OF_NOTE: &str = "shop-user";

#[derive(Default)]
pub(super) struct FakeAdmin {
    pub(super) open: bool,
    pub(super) anonymous: bool,
    pub(super) keys: Mutex<Vec<KeyRecord>>,
    pub(super) revocations: Mutex<Vec<Revocation>>,
    pub(super) reads: Mutex<Vec<String>>,
    pub(super) tenants: Mutex<Vec<(LogName, TenantSettings)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn principal(tenant: &str, role: &str) -> Principal {
    Principal {
        credential: Credential::Key("caller".into()),
        tenant: LogName::new(tenant),
        rights: Rights::parse(&format!(r#"{{"role":"{role}"}}"#), None).expect("rights"),
        ..Principal::open()
    }
}

fn is_of<'a>(tenant: Option<&'a LogName>) -> impl Fn(&LogName) -> bool + 'a {
    move |other| tenant.is_none_or(|tenant| tenant == other)
}

#[async_trait]
impl Admin for FakeAdmin {
    fn is_open(&self) -> bool {
        self.open
    }

    fn nobody(&self) -> Result<Principal, AuthError> {
        match (self.open, self.anonymous) {
            (true, _) => Ok(Principal::open()),
            (false, true) => Ok(Principal::anonymous(Rights::default())),
            (false, false) => Err(AuthError::Missing),
        }
    }

    async fn bearer(&self, text: &str) -> Result<Principal, AuthError> {
        match text {
            SUPER => Ok(principal("default", "super_admin")),
            SHOP => Ok(principal("shop", "admin")),
            BANK => Ok(principal("bank", "admin")),
            NOBODY_OF_NOTE => Ok(principal("shop", "none")),
            "expired" => Err(AuthError::Expired),
            "away" => Err(AuthError::Unavailable("10.0.0.9".into())),
            _ => Err(AuthError::invalid("not one of ours")),
        }
    }

    async fn create_key(&self, _by: &Principal, key: NewKey) -> Result<(KeyRecord, ShownOnce), AuthError> {
        let mut keys = lock(&self.keys);
        let record = KeyRecord {
            id: format!("key{}", keys.len() + 1),
            tenant: key.tenant,
            name: key.name,
            kind: key.kind,
            digest: [7; 32],
            generation: 1,
            previous_digest: None,
            previous_until: None,
            rights: key.rights.to_json(),
            created_at: Timestamp::from_micros(0),
            expires_at: key.expires_at,
            revoked_at: None,
        };
        keys.push(record.clone());
        Ok((record, ShownOnce::new("cck_secret_1".into())))
    }

    async fn rotate_key(
        &self,
        _by: &Principal,
        tenant: &LogName,
        id: &str,
        overlap: Duration,
    ) -> Result<(KeyRecord, ShownOnce), AuthError> {
        let mut keys = lock(&self.keys);
        let found = keys.iter_mut().find(|key| key.tenant == *tenant && key.id == id && key.revoked_at.is_none());
        found.ok_or(AuthError::NotFound("key")).map(|key| {
            key.generation += 1;
            key.previous_until = Some(Timestamp::from_micros(overlap.as_micros() as i64));
            (key.clone(), ShownOnce::new("cck_secret_2".into()))
        })
    }

    async fn revoke_key(&self, _by: &Principal, tenant: &LogName, id: &str) -> Result<(), AuthError> {
        let mut keys = lock(&self.keys);
        let found = keys.iter_mut().find(|key| key.tenant == *tenant && key.id == id);
        found.map(|key| key.revoked_at = Some(Timestamp::from_micros(1))).ok_or(AuthError::NotFound("key"))
    }

    async fn revoke(&self, _by: &Principal, wanted: NewRevocation, _reason: Option<String>) -> Result<Revocation, AuthError> {
        let mut revocations = lock(&self.revocations);
        let NewRevocation { tenant, subject, token_id, issued_before, expires_at } = wanted;
        let (id, created_at) = (format!("rev{}", revocations.len() + 1), Timestamp::from_micros(0));
        let made = Revocation { id, tenant, subject, token_id, issued_before, created_at, expires_at };
        revocations.push(made.clone());
        Ok(made)
    }

    async fn lift(&self, by: &Principal, id: &str) -> Result<(), AuthError> {
        let mut revocations = lock(&self.revocations);
        let may = |one: &Revocation| by.is_super_admin() || one.tenant.as_ref() == Some(&by.tenant);
        let found = revocations.iter().position(|one| one.id == id && may(one)).ok_or(AuthError::NotFound("revocation"))?;
        revocations.remove(found);
        Ok(())
    }

    async fn set_tenant(&self, _by: &Principal, tenant: &LogName, settings: TenantSettings) -> Result<(), AuthError> {
        lock(&self.tenants).push((tenant.clone(), settings));
        Ok(())
    }

    async fn keys(&self, _by: &Principal, tenant: Option<&LogName>) -> Result<Vec<KeyRecord>, AuthError> {
        Ok(lock(&self.keys).iter().filter(|key| is_of(tenant)(&key.tenant)).cloned().collect())
    }

    async fn revocations(&self, _by: &Principal, tenant: Option<&LogName>) -> Result<Vec<Revocation>, AuthError> {
        let is_of = is_of(tenant);
        Ok(lock(&self.revocations).iter().filter(|one| tenant.is_none() || one.tenant.as_ref().is_some_and(&is_of)).cloned().collect())
    }

    async fn tenants(&self, _by: &Principal, tenant: Option<&LogName>) -> Result<Vec<(LogName, TenantSettings)>, AuthError> {
        Ok(lock(&self.tenants).iter().filter(|(name, _)| is_of(tenant)(name)).cloned().collect())
    }

    async fn record_read(&self, _by: &Principal, tenant: &LogName, _reason: &str) -> Result<(), AuthError> {
        lock(&self.reads).push(tenant.to_string());
        Ok(())
    }

    async fn audit_trail(&self, by: &Principal, tenant: Option<&LogName>, after: u64, limit: usize) -> Result<Vec<AuditRecord>, AuthError> {
        let entry = AuditEntry {
            tenant: tenant.cloned(),
            actor: by.actor(),
            action: "key.created".into(),
            target: "key:key1".into(),
            reason: None,
        };
        let numbers = (1..=5).filter(|number| *number > after).take(limit);
        Ok(numbers.map(|number| AuditRecord { number, at: Timestamp::from_micros(0), entry: entry.clone() }).collect())
    }
}
