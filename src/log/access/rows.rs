//! What the rows of access say, whichever store they come from.

use sqlx::{FromRow, Row};

use super::{AccessState, AccessVersion, AuditEntry, AuditRecord, KeyKind, KeyRecord, Redeemed, Revocation, SecretDigest, TenantSettings};
use crate::{
    domain::{LogName, Timestamp},
    log::LogError,
};

/// A row of the state, which is of several tables from one statement. What a column means is in `statements`, and below.
#[derive(FromRow)]
pub(in crate::log) struct StateRow {
    part: i64,
    id: Option<String>,
    tenant: Option<String>,
    kind: Option<String>,
    text1: Option<String>,
    text2: Option<String>,
    digest: Option<Vec<u8>>,
    previous: Option<Vec<u8>>,
    n1: Option<i64>,
    n2: Option<i64>,
    n3: Option<i64>,
    n4: Option<i64>,
    n5: Option<i64>,
    n6: Option<i64>,
}

#[derive(FromRow)]
pub(in crate::log) struct AuditRow {
    number: i64,
    at: i64,
    tenant: Option<String>,
    actor: String,
    action: String,
    target: String,
    reason: Option<String>,
}

#[derive(FromRow)]
pub(in crate::log) struct ReusedRow {
    digest: Vec<u8>,
    uses: i64,
}

#[derive(FromRow)]
pub(in crate::log) struct RedeemedRow {
    principal: String,
    uses: i64,
}

/// The rows of a store as rows of one kind, or the news that the statement and this code have parted ways.
pub(in crate::log) fn read<'r, R: Row, T: FromRow<'r, R>>(rows: &'r [R]) -> Result<Vec<T>, LogError> {
    rows.iter().map(T::from_row).collect::<Result<_, _>>().map_err(|error| LogError::Internal(error.to_string()))
}

pub(in crate::log) fn state(rows: Vec<StateRow>) -> Result<AccessState, LogError> {
    let mut state = AccessState::default();
    let mut version = None;
    for row in rows {
        match row.part {
            1 => state.keys.push(key(row)?),
            2 => state.revocations.push(revocation(row)?),
            3 => {
                let (tenant, settings) = tenant(&row)?;
                if settings != TenantSettings::default() {
                    state.tenants.push((tenant, settings));
                }
            }
            _ => version = row.n1,
        }
    }
    state.version = AccessVersion(there(version, "version")?.unsigned_abs());
    Ok(state)
}

pub(in crate::log) fn key(row: StateRow) -> Result<KeyRecord, LogError> {
    Ok(KeyRecord {
        id: there(row.id, "id")?,
        tenant: LogName::new(there(row.tenant, "tenant")?),
        name: there(row.text1, "name")?,
        kind: kind(&there(row.kind, "kind")?)?,
        digest: digest(there(row.digest, "digest")?)?,
        generation: narrow(there(row.n2, "generation")?)?,
        previous_digest: row.previous.map(digest).transpose()?,
        previous_until: row.n3.map(Timestamp::from_micros),
        rights: there(row.text2, "rights")?,
        created_at: Timestamp::from_micros(there(row.n1, "created_at")?),
        expires_at: row.n4.map(Timestamp::from_micros),
        revoked_at: row.n5.map(Timestamp::from_micros),
    })
}

fn revocation(row: StateRow) -> Result<Revocation, LogError> {
    Ok(Revocation {
        id: there(row.id, "id")?,
        tenant: row.tenant.map(LogName::new),
        subject: row.text1,
        token_id: row.text2,
        issued_before: row.n2.map(Timestamp::from_micros),
        created_at: Timestamp::from_micros(there(row.n1, "created_at")?),
        expires_at: row.n4.map(Timestamp::from_micros),
    })
}

fn tenant(row: &StateRow) -> Result<(LogName, TenantSettings), LogError> {
    let settings = TenantSettings {
        retention_days: row.n2.map(narrow).transpose()?,
        retention_events: row.n3.map(i64::unsigned_abs),
        max_connections: row.n4.map(narrow).transpose()?,
        publish_per_second: row.n5.map(narrow).transpose()?,
        deliver_per_second: row.n6.map(narrow).transpose()?,
    };
    Ok((LogName::new(there(row.id.as_deref(), "tenant")?), settings))
}

pub(in crate::log) fn audit(row: AuditRow) -> AuditRecord {
    let AuditRow { number, at, tenant, actor, action, target, reason } = row;
    let entry = AuditEntry { tenant: tenant.map(LogName::new), actor, action, target, reason };
    AuditRecord { number: number.unsigned_abs(), at: Timestamp::from_micros(at), entry }
}

pub(in crate::log) fn reused(row: ReusedRow) -> Result<(SecretDigest, u64), LogError> {
    Ok((digest(row.digest)?, row.uses.unsigned_abs()))
}

pub(in crate::log) fn redeemed(row: RedeemedRow) -> Redeemed {
    Redeemed { principal: row.principal, uses: row.uses.unsigned_abs() }
}

/// 32 bytes of a column.
pub(in crate::log) fn digest(bytes: Vec<u8>) -> Result<SecretDigest, LogError> {
    bytes.try_into().map_err(|_| LogError::Internal("not 32 bytes".into()))
}

fn kind(text: &str) -> Result<KeyKind, LogError> {
    match text {
        "bearer" => Ok(KeyKind::Bearer),
        "signing" => Ok(KeyKind::Signing),
        other => Err(LogError::Internal(format!("no kind of key: {other}"))),
    }
}

fn narrow(number: i64) -> Result<u32, LogError> {
    u32::try_from(number).map_err(|_| LogError::Internal(format!("out of range: {number}")))
}

fn there<T>(value: Option<T>, column: &str) -> Result<T, LogError> {
    value.ok_or_else(|| LogError::Internal(format!("no {column}")))
}
