//! What the store said last, read and indexed once so that requests only look things up.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::streams::Whose;
use crate::{
    auth::{
        Role,
        key::Key,
        revocation::{Marks, Revocations},
    },
    domain::{LogName, Timestamp},
    log::{AccessState, AccessVersion, KeyRecord, Revocation, TenantSettings},
};

/// One state of access.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) version: AccessVersion,
    keys: HashMap<String, Arc<Key>>,
    pub(super) revocations: Revocations,
    /// Of the revocations those that the store has lost.
    lost: Vec<Revocation>,
    pub(super) tenants: Arc<Vec<(LogName, TenantSettings)>>,
}

impl Loaded {
    /// A state as it was read; keys that were the same before are not read again. What was revoked before stays so, except by revocations that
    /// were lifted since: of a state that has gone back, none was.
    pub(super) fn new(state: AccessState, before: &Self) -> Self {
        let AccessState { version, mut keys, mut revocations, tenants } = state;
        for key in keys.iter_mut().filter(|key| key.revoked_at.is_none()) {
            key.revoked_at = before.key(&key.id).and_then(|known| known.record().revoked_at);
        }
        let lost = before.lost_by(version, &revocations);
        revocations.extend_from_slice(&lost);
        let read = |record: KeyRecord| match before.keys.get(&record.id) {
            Some(known) if *known.record() == record => Arc::clone(known),
            _ => Arc::new(Key::new(record)),
        };
        let mut keys: HashMap<_, _> = keys.into_iter().map(|record| (record.id.clone(), read(record))).collect();
        for (id, key) in before.keys.iter().filter(|(_, key)| key.record().revoked_at.is_some()) {
            keys.entry(id.clone()).or_insert_with(|| Arc::clone(key));
        }
        Self { version, keys, revocations: Revocations::new(revocations), lost, tenants: Arc::new(tenants) }
    }

    /// The revocations that are known here and that a store of this version lacks because it has gone back, now or before.
    fn lost_by(&self, version: AccessVersion, found: &[Revocation]) -> Vec<Revocation> {
        let known: Vec<&Revocation> = if version < self.version { self.revocations.list() } else { self.lost.iter().collect() };
        if known.is_empty() {
            return Vec::new();
        }
        let found: HashSet<&str> = found.iter().map(|revocation| revocation.id.as_str()).collect();
        known.into_iter().filter(|revocation| !found.contains(revocation.id.as_str())).cloned().collect()
    }

    pub(super) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    pub(super) fn key(&self, id: &str) -> Option<&Key> {
        self.keys.get(id).map(|key| &**key)
    }

    /// The keys of a log, oldest first.
    pub(super) fn keys_of(&self, tenant: &LogName) -> Vec<KeyRecord> {
        self.keys_where(|key| key.tenant == *tenant)
    }

    /// The keys that `wanted` selects, oldest first.
    pub(super) fn keys_where(&self, wanted: impl Fn(&KeyRecord) -> bool) -> Vec<KeyRecord> {
        let mut keys: Vec<KeyRecord> = self.keys.values().map(|key| key.record()).filter(|key| wanted(key)).cloned().collect();
        keys.sort_unstable_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        keys
    }

    /// Whether what someone was recognised by is not taken any more.
    pub(super) fn refuses(&self, whose: &Whose, is_open: bool, now: Timestamp) -> bool {
        match whose {
            Whose::Open => !is_open,
            Whose::Anonymous => false,
            Whose::Token(token) => self.revocations.strike(&token.marks(), now),
            Whose::Key(id) => self.key(id).is_none_or(|key| {
                let record = key.record();
                let (tenant, issued_at) = (&record.tenant, Some(record.created_at));
                let marks = Marks { tenant, subject: None, token_id: None, issued_at, is_super_admin: key.role() >= Role::SuperAdmin };
                record.revoked_at.is_some() || self.revocations.strike(&marks, now)
            }),
        }
    }
}
