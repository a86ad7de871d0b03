//! Access: each change is one statement, with its audit line and the version's move in it, or one call of a function of
//! `migrations/postgres/0003_access.sql`.
//!
//! Commits here are as synchronous as an append's, those of a ticket's use included. After a crash that took the last uses back, their numbers
//! would be given out again, and of two streams on one ticket neither would be the newer; a binding that was lost could be made anew to
//! something else; and a client whose first use was lost would be refused for good.

use async_trait::async_trait;
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{PostgresLog, column, error, rows as run, rows_again};
use crate::{
    domain::{LogName, Timestamp},
    log::{
        AccessState, AccessStore, AccessVersion, AuditEntry, AuditRecord, KeyRecord, LogError, Redeemed, Revocation, SecretDigest,
        TenantSettings, TicketRecord,
        access::{
            calls::{self, Call, Value},
            rows,
            statements::POSTGRES,
        },
    },
};

const RECORD: &str = "SELECT note_access_change(false, $1, $2, $3, $4, $5)";
const REDEEM: &str = "SELECT principal, uses FROM redeem_ticket($1, $2)";
const SERVICE_SECRET: &str = "SELECT open_service_secret()";

fn bound(call: &Call) -> Query<'static, Postgres, PgArguments> {
    call.values.iter().cloned().fold(sqlx::query(call.sql), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
        Value::Number(number) => query.bind(number),
    })
}

impl PostgresLog {
    /// Reads what instances keep in memory, and what people ask for.
    async fn ask(&self, call: Call) -> Result<Vec<PgRow>, LogError> {
        self.read_rows(|| bound(&call)).await
    }

    /// Changes something once: its audit line must not be written twice.
    async fn change(&self, call: Call) -> Result<Vec<PgRow>, LogError> {
        run(&self.access, bound(&call)).await.map_err(error::of_write)
    }

    /// Changes something that may be done twice.
    async fn change_again(&self, call: Call) -> Result<Vec<PgRow>, LogError> {
        rows_again(&self.access, || bound(&call)).await.map_err(error::of_write)
    }
}

#[async_trait]
impl AccessStore for PostgresLog {
    async fn access(&self) -> Result<AccessState, LogError> {
        rows::state(rows::read(&self.ask(POSTGRES.state()).await?)?)
    }

    async fn create_key(&self, key: &KeyRecord, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(POSTGRES.create_key(key, audit)).await.map(drop)
    }

    async fn rotate_key(
        &self,
        tenant: &LogName,
        id: &str,
        digest: SecretDigest,
        previous_until: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Option<KeyRecord>, LogError> {
        let rotated = self.change(POSTGRES.rotate_key(tenant, id, &digest, previous_until, audit)).await?;
        rows::read(&rotated)?.pop().map(rows::key).transpose()
    }

    async fn revoke_key(&self, tenant: &LogName, id: &str, audit: &AuditEntry) -> Result<bool, LogError> {
        let revoked = self.change(POSTGRES.revoke_key(tenant, id, audit)).await?;
        // keys are never deleted: one that was there to be ended still is
        Ok(!revoked.is_empty() || !self.ask(calls::key_exists(tenant, id)).await?.is_empty())
    }

    async fn revoke(&self, revocation: &Revocation, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(POSTGRES.revoke(revocation, audit)).await.map(drop)
    }

    async fn lift(&self, tenant: Option<&LogName>, id: &str, audit: &AuditEntry) -> Result<bool, LogError> {
        Ok(!self.change(POSTGRES.lift(tenant, id, audit)).await?.is_empty())
    }

    async fn set_tenant(&self, tenant: &LogName, settings: &TenantSettings, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(POSTGRES.set_tenant(tenant, settings, audit)).await.map(drop)
    }

    async fn record(&self, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(calls::record(RECORD, audit)).await.map(drop)
    }

    async fn audit_trail(&self, tenant: Option<&LogName>, after: u64, limit: usize) -> Result<Vec<AuditRecord>, LogError> {
        let trail = self.ask(calls::audit_trail(tenant, after, limit)).await?;
        Ok(rows::read(&trail)?.into_iter().map(rows::audit).collect())
    }

    async fn issue_ticket(&self, ticket: &TicketRecord) -> Result<(), LogError> {
        let issued = self.change_again(POSTGRES.issue_ticket(ticket)).await?;
        if issued.is_empty() { Err(LogError::Content("there is another ticket of this digest".into())) } else { Ok(()) }
    }

    async fn redeem(&self, digest: &SecretDigest, subscription: &SecretDigest) -> Result<Option<Redeemed>, LogError> {
        // a use that was counted and not heard of is followed by a newer one, as if a connection had been lost
        let redeemed = self.change_again(calls::redeem(REDEEM, digest, subscription)).await?;
        Ok(rows::read(&redeemed)?.pop().map(rows::redeemed))
    }

    async fn reused_tickets(&self, since: AccessVersion) -> Result<Vec<(SecretDigest, u64)>, LogError> {
        rows::read(&self.ask(calls::reused_tickets(since)).await?)?.into_iter().map(rows::reused).collect()
    }

    async fn forget_expired(&self) -> Result<(), LogError> {
        for call in POSTGRES.forget(self.trim_step) {
            while self.read_rows(|| bound(&call)).await?.len() >= self.trim_step as usize {}
        }
        Ok(())
    }

    async fn service_secret(&self) -> Result<[u8; 32], LogError> {
        let rows = self.read_rows(|| sqlx::query(SERVICE_SECRET)).await?;
        rows.first().map_or_else(|| Err(LogError::Internal("no secret".into())), |row| rows::digest(column(row, 0)?))
    }
}
