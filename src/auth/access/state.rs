//! What the store said last, read and indexed once so that requests only look things up.

use std::{collections::HashMap, sync::Arc};

use super::streams::Whose;
use crate::{
    auth::{
        key::Key,
        revocation::{Marks, Revocations},
    },
    domain::{LogName, Timestamp},
    log::{AccessState, AccessVersion, KeyRecord, TenantSettings},
};

/// One state of access.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) version: AccessVersion,
    keys: HashMap<String, Arc<Key>>,
    pub(super) revocations: Revocations,
    pub(super) tenants: Arc<Vec<(LogName, TenantSettings)>>,
}

impl Loaded {
    /// A state as it was read; keys that were the same before are not read again.
    pub(super) fn new(state: AccessState, before: &Self) -> Self {
        let AccessState { version, keys, revocations, tenants } = state;
        let read = |record: KeyRecord| match before.keys.get(&record.id) {
            Some(known) if *known.record() == record => Arc::clone(known),
            _ => Arc::new(Key::new(record)),
        };
        let keys = keys.into_iter().map(|record| (record.id.clone(), read(record))).collect();
        Self { version, keys, revocations: Revocations::new(revocations), tenants: Arc::new(tenants) }
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
                let marks = Marks { tenant: &record.tenant, subject: None, token_id: None, issued_at: Some(record.created_at) };
                record.revoked_at.is_some() || self.revocations.strike(&marks, now)
            }),
        }
    }
}
