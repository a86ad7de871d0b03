//! The tables of access, called on the runtime that opened the store.

use async_trait::async_trait;

use super::OnRuntime;
use crate::{
    domain::{LogName, Timestamp},
    log::{
        AccessState, AccessStore, AccessVersion, AuditEntry, AuditRecord, KeyRecord, LogError, Redeemed, Revocation, SecretDigest,
        TenantSettings, TicketRecord,
    },
};

#[async_trait]
impl AccessStore for OnRuntime {
    async fn access(&self) -> Result<AccessState, LogError> {
        self.run(|inner| async move { inner.access().await }).await
    }

    async fn create_key(&self, key: &KeyRecord, audit: &AuditEntry) -> Result<(), LogError> {
        let (key, audit) = (key.clone(), audit.clone());
        self.run(|inner| async move { inner.create_key(&key, &audit).await }).await
    }

    async fn rotate_key(
        &self,
        tenant: &LogName,
        id: &str,
        digest: SecretDigest,
        previous_until: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Option<KeyRecord>, LogError> {
        let (tenant, id, audit) = (tenant.clone(), id.to_owned(), audit.clone());
        self.run(|inner| async move { inner.rotate_key(&tenant, &id, digest, previous_until, &audit).await }).await
    }

    async fn revoke_key(&self, tenant: &LogName, id: &str, audit: &AuditEntry) -> Result<bool, LogError> {
        let (tenant, id, audit) = (tenant.clone(), id.to_owned(), audit.clone());
        self.run(|inner| async move { inner.revoke_key(&tenant, &id, &audit).await }).await
    }

    async fn revoke(&self, revocation: &Revocation, audit: &AuditEntry) -> Result<(), LogError> {
        let (revocation, audit) = (revocation.clone(), audit.clone());
        self.run(|inner| async move { inner.revoke(&revocation, &audit).await }).await
    }

    async fn lift(&self, tenant: Option<&LogName>, id: &str, audit: &AuditEntry) -> Result<bool, LogError> {
        let (tenant, id, audit) = (tenant.cloned(), id.to_owned(), audit.clone());
        self.run(|inner| async move { inner.lift(tenant.as_ref(), &id, &audit).await }).await
    }

    async fn set_tenant(&self, tenant: &LogName, settings: &TenantSettings, audit: &AuditEntry) -> Result<(), LogError> {
        let (tenant, settings, audit) = (tenant.clone(), *settings, audit.clone());
        self.run(|inner| async move { inner.set_tenant(&tenant, &settings, &audit).await }).await
    }

    async fn record(&self, audit: &AuditEntry) -> Result<(), LogError> {
        let audit = audit.clone();
        self.run(|inner| async move { inner.record(&audit).await }).await
    }

    async fn audit_trail(&self, tenant: Option<&LogName>, after: u64, limit: usize) -> Result<Vec<AuditRecord>, LogError> {
        let tenant = tenant.cloned();
        self.run(|inner| async move { inner.audit_trail(tenant.as_ref(), after, limit).await }).await
    }

    async fn issue_ticket(&self, ticket: &TicketRecord) -> Result<(), LogError> {
        let ticket = ticket.clone();
        self.run(|inner| async move { inner.issue_ticket(&ticket).await }).await
    }

    async fn redeem(&self, digest: &SecretDigest, subscription: &SecretDigest) -> Result<Option<Redeemed>, LogError> {
        let (digest, subscription) = (*digest, *subscription);
        self.run(|inner| async move { inner.redeem(&digest, &subscription).await }).await
    }

    async fn reused_tickets(&self, since: AccessVersion) -> Result<Vec<(SecretDigest, u64)>, LogError> {
        self.run(|inner| async move { inner.reused_tickets(since).await }).await
    }

    async fn forget_expired(&self) -> Result<(), LogError> {
        self.run(|inner| async move { inner.forget_expired().await }).await
    }

    async fn service_secret(&self) -> Result<[u8; 32], LogError> {
        self.run(|inner| async move { inner.service_secret().await }).await
    }
}
