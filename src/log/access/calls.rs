//! What is bound to the statements of access: records as values of columns. The way back is in `rows`.

use std::time::Duration;

use super::{
    AccessVersion, AuditEntry, KeyKind, KeyRecord, Revocation, SecretDigest, TenantSettings, TicketRecord,
    statements::{KEY_EXISTS, REUSED, Statements, TRAIL_OF_ALL, TRAIL_OF_ONE},
};
use crate::{
    domain::{LogName, Timestamp},
    log::page::column,
};

/// A value of any column.
#[derive(Clone)]
pub(in crate::log) enum Value {
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Number(Option<i64>),
}

/// A statement with what is bound to it, in order.
pub(in crate::log) struct Call {
    pub(in crate::log) sql: &'static str,
    pub(in crate::log) values: Vec<Value>,
}

impl Statements {
    pub(in crate::log) fn state(&self) -> Call {
        Call { sql: self.state, values: Vec::new() }
    }

    pub(in crate::log) fn create_key(&self, key: &KeyRecord, audit: &AuditEntry) -> Call {
        let own = [
            text(&key.id),
            text(key.tenant.as_str()),
            text(&key.name),
            text(kind(key.kind)),
            bytes(&key.digest),
            Value::Number(Some(key.generation.into())),
            Value::Bytes(key.previous_digest.map(Vec::from)),
            time(key.previous_until),
            text(&key.rights),
            time(Some(key.created_at)),
            time(key.expires_at),
            time(key.revoked_at),
        ];
        change(self.create_key, audit, own)
    }

    pub(in crate::log) fn rotate_key(
        &self,
        tenant: &LogName,
        id: &str,
        digest: &SecretDigest,
        until: Timestamp,
        audit: &AuditEntry,
    ) -> Call {
        change(self.rotate_key, audit, [text(tenant.as_str()), text(id), bytes(digest), time(Some(until))])
    }

    pub(in crate::log) fn revoke_key(&self, tenant: &LogName, id: &str, audit: &AuditEntry) -> Call {
        change(self.revoke_key, audit, [text(tenant.as_str()), text(id)])
    }

    pub(in crate::log) fn revoke(&self, revocation: &Revocation, audit: &AuditEntry) -> Call {
        let own = [
            text(&revocation.id),
            name(revocation.tenant.as_ref()),
            Value::Text(revocation.subject.clone()),
            Value::Text(revocation.token_id.clone()),
            time(revocation.issued_before),
            time(Some(revocation.created_at)),
            time(revocation.expires_at),
        ];
        change(self.revoke, audit, own)
    }

    pub(in crate::log) fn lift(&self, tenant: Option<&LogName>, id: &str, audit: &AuditEntry) -> Call {
        change(self.lift, audit, [name(tenant), text(id)])
    }

    pub(in crate::log) fn set_tenant(&self, tenant: &LogName, settings: &TenantSettings, audit: &AuditEntry) -> Call {
        let own = [
            text(tenant.as_str()),
            Value::Number(settings.retention_days.map(i64::from)),
            // what no column can hold is more than a log can
            Value::Number(settings.retention_events.map(|events| i64::try_from(events).unwrap_or(i64::MAX))),
            Value::Number(settings.max_connections.map(i64::from)),
            Value::Number(settings.publish_per_second.map(i64::from)),
            Value::Number(settings.deliver_per_second.map(i64::from)),
        ];
        change(self.set_tenant, audit, own)
    }

    pub(in crate::log) fn issue_ticket(&self, ticket: &TicketRecord) -> Call {
        let values = vec![bytes(&ticket.digest), text(&ticket.principal), span(ticket.first_use_within), time(Some(ticket.expires_at))];
        Call { sql: self.issue_ticket, values }
    }

    /// Each to be repeated while it returns `step` rows.
    pub(in crate::log) fn forget(&self, step: u32) -> [Call; 3] {
        self.forget.map(|sql| Call { sql, values: vec![Value::Number(Some(step.into()))] })
    }
}

/// `$1` the ticket, `$2` the subscription.
pub(in crate::log) fn redeem(sql: &'static str, digest: &SecretDigest, subscription: &SecretDigest) -> Call {
    Call { sql, values: vec![bytes(digest), bytes(subscription)] }
}

/// A change that is nothing but its audit line.
pub(in crate::log) fn record(sql: &'static str, audit: &AuditEntry) -> Call {
    change(sql, audit, [])
}

pub(in crate::log) fn audit_trail(tenant: Option<&LogName>, after: u64, limit: usize) -> Call {
    let mut values = vec![Value::Number(Some(number(after))), Value::Number(Some(column(limit)))];
    let Some(tenant) = tenant else { return Call { sql: TRAIL_OF_ALL, values } };
    values.push(text(tenant.as_str()));
    Call { sql: TRAIL_OF_ONE, values }
}

pub(in crate::log) fn reused_tickets(since: AccessVersion) -> Call {
    Call { sql: REUSED, values: vec![Value::Number(Some(number(since.0)))] }
}

pub(in crate::log) fn key_exists(tenant: &LogName, id: &str) -> Call {
    Call { sql: KEY_EXISTS, values: vec![text(tenant.as_str()), text(id)] }
}

fn change(sql: &'static str, audit: &AuditEntry, own: impl IntoIterator<Item = Value>) -> Call {
    let mut values =
        vec![name(audit.tenant.as_ref()), text(&audit.actor), text(&audit.action), text(&audit.target), Value::Text(audit.reason.clone())];
    values.extend(own);
    Call { sql, values }
}

/// How a kind is written, as `rows::kind` reads it.
fn kind(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Bearer => "bearer",
        KeyKind::Signing => "signing",
    }
}

fn text(text: &str) -> Value {
    Value::Text(Some(text.to_owned()))
}

fn name(name: Option<&LogName>) -> Value {
    Value::Text(name.map(|name| name.as_str().to_owned()))
}

fn bytes(digest: &SecretDigest) -> Value {
    Value::Bytes(Some(digest.to_vec()))
}

fn time(at: Option<Timestamp>) -> Value {
    Value::Number(at.map(Timestamp::as_micros))
}

/// Half of what a column holds at most, so that the store can add it to its clock.
fn span(span: Duration) -> Value {
    Value::Number(Some(i64::try_from(span.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 2)))
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
