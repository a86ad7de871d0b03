//! What operators ask, answered by the instance's own state of access.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::Admin;
use crate::{
    auth::{Access, Actor, AuthError, NewKey, NewRevocation, Principal, ShownOnce},
    domain::LogName,
    log::{AuditRecord, KeyRecord, Revocation, TenantSettings},
};

#[async_trait]
impl Admin for Arc<Access> {
    fn is_open(&self) -> bool {
        Access::is_open(self)
    }

    fn nobody(&self) -> Result<Principal, AuthError> {
        Access::nobody(self)
    }

    async fn bearer(&self, text: &str) -> Result<Principal, AuthError> {
        Access::bearer(self, text).await
    }

    fn recheck(&self, by: &Principal) -> Result<(), AuthError> {
        Access::recheck(self, by)
    }

    async fn create_key(&self, by: &Principal, key: NewKey) -> Result<(KeyRecord, ShownOnce), AuthError> {
        Access::create_key(self, &by.into(), key).await
    }

    async fn rotate_key(&self, by: &Principal, tenant: &LogName, id: &str, overlap: Duration) -> Result<(KeyRecord, ShownOnce), AuthError> {
        Access::rotate_key(self, &by.into(), tenant, id, overlap).await
    }

    async fn revoke_key(&self, by: &Principal, tenant: &LogName, id: &str) -> Result<(), AuthError> {
        Access::revoke_key(self, &by.into(), tenant, id).await
    }

    async fn revoke(&self, by: &Principal, wanted: NewRevocation, reason: Option<String>) -> Result<Revocation, AuthError> {
        let actor = Actor::from(by);
        let actor = reason.map_or(Ok(actor.clone()), |reason| actor.because(&reason))?;
        Access::revoke(self, &actor, wanted).await
    }

    async fn lift(&self, by: &Principal, id: &str) -> Result<(), AuthError> {
        Access::lift(self, &by.into(), id).await
    }

    async fn set_tenant(&self, by: &Principal, tenant: &LogName, settings: TenantSettings) -> Result<(), AuthError> {
        Access::set_tenant(self, &by.into(), tenant, &settings).await
    }

    async fn keys(&self, by: &Principal, tenant: Option<&LogName>) -> Result<Vec<KeyRecord>, AuthError> {
        match tenant {
            Some(tenant) => Access::keys(self, &by.into(), tenant),
            None => self.all_keys(&by.into()),
        }
    }

    async fn revocations(&self, by: &Principal, tenant: Option<&LogName>) -> Result<Vec<Revocation>, AuthError> {
        let mut found = Access::revocations(self, &by.into())?;
        found.retain(|revocation| tenant.is_none() || revocation.tenant.as_ref() == tenant);
        Ok(found)
    }

    async fn tenants(&self, _by: &Principal, tenant: Option<&LogName>) -> Result<Vec<(LogName, TenantSettings)>, AuthError> {
        let all = Access::tenants(self).borrow().clone();
        Ok(all.iter().filter(|(name, _)| tenant.is_none_or(|tenant| tenant == name)).cloned().collect())
    }

    async fn record_read(&self, by: &Principal, tenant: &LogName, reason: &str) -> Result<(), AuthError> {
        Access::record_read(self, &by.into(), tenant, reason).await
    }

    async fn audit_trail(&self, by: &Principal, tenant: Option<&LogName>, after: u64, limit: usize) -> Result<Vec<AuditRecord>, AuthError> {
        Access::audit_trail(self, &by.into(), tenant, after, limit).await
    }
}
