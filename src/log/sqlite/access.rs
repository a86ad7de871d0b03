//! Access: each change is one transaction under the write lock, with its audit line and the version's move in it.

use async_trait::async_trait;
use sqlx::{
    Connection as _, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};
use tokio::time::timeout;

use super::{SqliteLog, column, error};
use crate::{
    domain::{LogName, Timestamp},
    log::{
        AccessState, AccessStore, AccessVersion, AuditEntry, AuditRecord, KeyRecord, LogError, Redeemed, Revocation, SecretDigest,
        TenantSettings, TicketRecord,
        access::{
            calls::{self, Call, Value},
            rows,
            statements::{SQLITE, sqlite_clock},
        },
    },
};

const MOVE_VERSION: &str = concat!("UPDATE access_version SET version = max(version + 1, ", sqlite_clock!(), ")");

/// The last statement of every change: its values begin with those of the line.
const RECORD: &str = concat!(
    "INSERT INTO audit (at, tenant, actor, action, target, reason) VALUES (",
    sqlite_clock!(),
    ", $1, $2, $3, $4, $5) RETURNING number"
);

/// The same conditions as in `redeem_ticket` in Postgres.
const REDEEM: &str = concat!(
    "UPDATE tickets SET uses = uses + 1, subscription = $2 WHERE digest = $1 AND ",
    sqlite_clock!(),
    " < expires_at AND CASE WHEN uses = 0 THEN ",
    sqlite_clock!(),
    " < first_use_by ELSE subscription = $2 END RETURNING principal, uses"
);

const MARK_REUSED: &str = "UPDATE tickets SET reused = (SELECT version FROM access_version) WHERE digest = $1";

const SERVICE_SECRET: &str = "SELECT secret FROM service_secret";

const MAKE_SERVICE_SECRET: &str = "INSERT INTO service_secret (one, secret) VALUES (1, $1) ON CONFLICT (one) DO NOTHING RETURNING one";

/// One transaction, and what it is besides its statement.
#[derive(Clone, Copy)]
enum Unit {
    /// An audit line, and the version moves.
    Change,
    /// The version moves if it is not the first.
    Redemption,
    /// Nothing else.
    Alone,
}

fn bound<'q>(sql: &'static str, values: &[Value]) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().cloned().fold(sqlx::query(sql), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
        Value::Number(number) => query.bind(number),
    })
}

async fn run(connection: &mut SqliteConnection, call: &Call, unit: Unit) -> Result<Vec<SqliteRow>, sqlx::Error> {
    // dropped before its commit it is rolled back
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let rows = bound(call.sql, &call.values).fetch_all(&mut *transaction).await?;
    if rows.is_empty() {
        return Ok(rows);
    }
    match unit {
        Unit::Change => {
            sqlx::query(MOVE_VERSION).execute(&mut *transaction).await?;
            bound(RECORD, &call.values).execute(&mut *transaction).await?;
        }
        Unit::Redemption => {
            let [redeemed] = &rows[..] else { return Err(sqlx::Error::RowNotFound) };
            if sqlx::Row::try_get::<i64, _>(redeemed, 1)? > 1 {
                sqlx::query(MOVE_VERSION).execute(&mut *transaction).await?;
                bound(MARK_REUSED, &call.values).execute(&mut *transaction).await?;
            }
        }
        Unit::Alone => {}
    }
    transaction.commit().await?;
    Ok(rows)
}

impl SqliteLog {
    async fn ask(&self, call: Call) -> Result<Vec<SqliteRow>, LogError> {
        self.read_rows(bound(call.sql, &call.values)).await
    }

    async fn change(&self, call: Call) -> Result<Vec<SqliteRow>, LogError> {
        self.commit(&call, Unit::Change).await
    }

    /// The rows of the statement, all of which is undone if there are none.
    async fn commit(&self, call: &Call, unit: Unit) -> Result<Vec<SqliteRow>, LogError> {
        let mut session = self.writer().await?;
        let worked = timeout(session.deadline(), run(session.connection(), call, unit)).await;
        session.settle(worked).map_err(error::of_write)
    }

    async fn stored_secret(&self) -> Result<Option<[u8; 32]>, LogError> {
        let rows = self.read_rows(sqlx::query(SERVICE_SECRET)).await?;
        rows.first().map(|row| rows::digest(column(row, 0)?)).transpose()
    }
}

#[async_trait]
impl AccessStore for SqliteLog {
    async fn access(&self) -> Result<AccessState, LogError> {
        rows::state(rows::read(&self.ask(SQLITE.state()).await?)?)
    }

    async fn create_key(&self, key: &KeyRecord, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(SQLITE.create_key(key, audit)).await.map(drop)
    }

    async fn rotate_key(
        &self,
        tenant: &LogName,
        id: &str,
        digest: SecretDigest,
        previous_until: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Option<KeyRecord>, LogError> {
        let rotated = self.change(SQLITE.rotate_key(tenant, id, &digest, previous_until, audit)).await?;
        rows::read(&rotated)?.pop().map(rows::key).transpose()
    }

    async fn revoke_key(&self, tenant: &LogName, id: &str, audit: &AuditEntry) -> Result<bool, LogError> {
        let revoked = self.change(SQLITE.revoke_key(tenant, id, audit)).await?;
        // keys are never deleted: one that was there to be ended still is
        Ok(!revoked.is_empty() || !self.ask(calls::key_exists(tenant, id)).await?.is_empty())
    }

    async fn revoke(&self, revocation: &Revocation, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(SQLITE.revoke(revocation, audit)).await.map(drop)
    }

    async fn lift(&self, tenant: Option<&LogName>, id: &str, audit: &AuditEntry) -> Result<bool, LogError> {
        Ok(!self.change(SQLITE.lift(tenant, id, audit)).await?.is_empty())
    }

    async fn set_tenant(&self, tenant: &LogName, settings: &TenantSettings, audit: &AuditEntry) -> Result<(), LogError> {
        self.change(SQLITE.set_tenant(tenant, settings, audit)).await.map(drop)
    }

    async fn record(&self, audit: &AuditEntry) -> Result<(), LogError> {
        self.commit(&calls::record(RECORD, audit), Unit::Alone).await.map(drop)
    }

    async fn audit_trail(&self, tenant: Option<&LogName>, after: u64, limit: usize) -> Result<Vec<AuditRecord>, LogError> {
        let trail = self.ask(calls::audit_trail(tenant, after, limit)).await?;
        Ok(rows::read(&trail)?.into_iter().map(rows::audit).collect())
    }

    async fn issue_ticket(&self, ticket: &TicketRecord) -> Result<(), LogError> {
        let issued = self.commit(&SQLITE.issue_ticket(ticket), Unit::Alone).await?;
        if issued.is_empty() { Err(LogError::Content("there is another ticket of this digest".into())) } else { Ok(()) }
    }

    async fn redeem(&self, digest: &SecretDigest, subscription: &SecretDigest) -> Result<Option<Redeemed>, LogError> {
        let redeemed = self.commit(&calls::redeem(REDEEM, digest, subscription), Unit::Redemption).await?;
        Ok(rows::read(&redeemed)?.pop().map(rows::redeemed))
    }

    async fn reused_tickets(&self, since: AccessVersion) -> Result<Vec<(SecretDigest, u64)>, LogError> {
        rows::read(&self.ask(calls::reused_tickets(since)).await?)?.into_iter().map(rows::reused).collect()
    }

    async fn forget_expired(&self) -> Result<(), LogError> {
        for call in SQLITE.forget(self.trim_step) {
            while self.commit(&call, Unit::Alone).await?.len() >= self.trim_step as usize {}
        }
        Ok(())
    }

    async fn service_secret(&self) -> Result<[u8; 32], LogError> {
        if let Some(secret) = self.stored_secret().await? {
            return Ok(secret);
        }
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| LogError::Internal("no randomness".into()))?;
        let make = Call { sql: MAKE_SERVICE_SECRET, values: vec![Value::Bytes(Some(secret.to_vec()))] };
        if self.commit(&make, Unit::Alone).await?.is_empty() {
            // another process was first
            return self.stored_secret().await?.ok_or_else(|| LogError::Internal("no secret".into()));
        }
        Ok(secret)
    }
}
