//! The statements of access that both stores understand, and what is bound to them.
//!
//! A change begins with the five values of its audit line, from `$1` to `$5`, and returns a row if it changed something. How the line and the version
//! come into its transaction is the adapters': Postgres wraps the change into one statement, SQLite adds two of its own.

use std::time::Duration;

use super::{AccessVersion, AuditEntry, KeyKind, KeyRecord, Revocation, SecretDigest, TenantSettings, TicketRecord};
use crate::{
    domain::{LogName, Timestamp},
    log::page::column,
};

/// The statements in the words of one store.
pub(in crate::log) struct Statements {
    state: &'static str,
    create_key: &'static str,
    rotate_key: &'static str,
    revoke_key: &'static str,
    revoke: &'static str,
    lift: &'static str,
    set_tenant: &'static str,
    issue_ticket: &'static str,
    forget: [&'static str; 3],
}

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

/// A row as [`StateRow`](super::rows::StateRow) reads it, of the table of keys.
macro_rules! key_columns {
    () => {
        "CAST(1 AS bigint) AS part, id, tenant, kind, name AS text1, rights AS text2, digest, previous_digest AS previous,
        created_at AS n1, generation AS n2, previous_until AS n3, expires_at AS n4, revoked_at AS n5, CAST(NULL AS bigint) AS n6"
    };
}

/// SQLite's clock in microseconds, of which it knows the thousands; the same throughout a statement.
macro_rules! sqlite_clock {
    () => {
        "CAST(unixepoch('subsec') * 1000000 AS integer)"
    };
}
pub(in crate::log) use sqlite_clock;

/// The statements of a store: its clock in microseconds, what stands around a change, and how an array of what a subquery finds is written.
macro_rules! statements {
    ($now:expr, change: ($before:literal, $after:literal), among: ($open:literal, $close:literal)) => {
        Statements {
            state: concat!(
                "SELECT ",
                key_columns!(),
                " FROM api_keys
                UNION ALL
                SELECT 2, id, tenant, NULL, subject, token_id, NULL, NULL, created_at, issued_before, NULL, expires_at, NULL, NULL
                FROM revocations WHERE expires_at IS NULL OR expires_at > ",
                $now,
                " UNION ALL
                SELECT 3, tenant, NULL, NULL, NULL, NULL, NULL, NULL,
                    NULL, retention_days, retention_events, max_connections, publish_per_second, deliver_per_second
                FROM tenants
                UNION ALL
                SELECT 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, version, NULL, NULL, NULL, NULL, NULL FROM access_version
                ORDER BY part, n1, id"
            ),
            create_key: concat!(
                $before,
                "INSERT INTO api_keys (id, tenant, name, kind, digest, generation, previous_digest, previous_until, rights,
                    created_at, expires_at, revoked_at)
                VALUES ($6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING id",
                $after
            ),
            rotate_key: concat!(
                $before,
                "UPDATE api_keys SET generation = generation + 1, previous_digest = digest, digest = $8, previous_until = $9
                WHERE tenant = $6 AND id = $7 AND revoked_at IS NULL RETURNING ",
                key_columns!(),
                $after
            ),
            revoke_key: concat!(
                $before,
                "UPDATE api_keys SET revoked_at = ",
                $now,
                " WHERE tenant = $6 AND id = $7 AND revoked_at IS NULL RETURNING id",
                $after
            ),
            revoke: concat!(
                $before,
                "INSERT INTO revocations (id, tenant, subject, token_id, issued_before, created_at, expires_at)
                VALUES ($6, $7, $8, $9, $10, $11, $12) RETURNING id",
                $after
            ),
            lift: concat!(
                $before,
                "DELETE FROM revocations WHERE id = $7 AND ($6 IS NULL OR tenant = $6) RETURNING id",
                $after
            ),
            set_tenant: concat!(
                $before,
                "INSERT INTO tenants (tenant, retention_days, retention_events, max_connections, publish_per_second, deliver_per_second)
                VALUES ($6, $7, $8, $9, $10, $11)
                ON CONFLICT (tenant) DO UPDATE SET retention_days = excluded.retention_days, retention_events = excluded.retention_events,
                    max_connections = excluded.max_connections, publish_per_second = excluded.publish_per_second,
                    deliver_per_second = excluded.deliver_per_second
                RETURNING tenant",
                $after
            ),
            // so that it may be repeated: the same ticket, still unused, is stored again as if it had not been there
            issue_ticket: concat!(
                "INSERT INTO tickets (digest, principal, first_use_by, expires_at) VALUES ($1, $2, ",
                $now,
                " + $3, $4)
                ON CONFLICT (digest) DO UPDATE SET first_use_by = excluded.first_use_by
                WHERE tickets.principal = excluded.principal AND tickets.expires_at = excluded.expires_at AND tickets.uses = 0
                RETURNING uses"
            ),
            forget: [
                concat!(
                    "DELETE FROM tickets WHERE digest ",
                    $open,
                    "SELECT digest FROM tickets WHERE expires_at <= ",
                    $now,
                    " ORDER BY expires_at LIMIT $1",
                    $close,
                    " RETURNING uses"
                ),
                concat!(
                    "DELETE FROM tickets WHERE digest ",
                    $open,
                    "SELECT digest FROM tickets WHERE uses = 0 AND first_use_by <= ",
                    $now,
                    " ORDER BY first_use_by LIMIT $1",
                    $close,
                    " RETURNING uses"
                ),
                concat!(
                    "DELETE FROM revocations WHERE id ",
                    $open,
                    "SELECT id FROM revocations WHERE expires_at <= ",
                    $now,
                    " ORDER BY expires_at LIMIT $1",
                    $close,
                    " RETURNING id"
                ),
            ],
        }
    };
}

/// A change is one statement with its audit line and the version's move. The clock is in a subquery, which is asked once, so that an index
/// can be searched by it. Rows that are in use by a redemption or by another instance's forgetting are left for the next time.
pub(in crate::log) const POSTGRES: Statements = statements!(
    "(SELECT micros_now())",
    change: ("WITH changed AS (", ") SELECT changed.*, note_access_change(true, $1, $2, $3, $4, $5) FROM changed"),
    among: ("= ANY (ARRAY(", " FOR UPDATE SKIP LOCKED))")
);

/// A change is the first of three statements under the write lock.
pub(in crate::log) const SQLITE: Statements = statements!(
    sqlite_clock!(),
    change: ("", ""),
    among: ("IN (", ")")
);

const TRAIL_OF_ALL: &str = "
    SELECT number, at, tenant, actor, action, target, reason FROM audit WHERE number > $1 ORDER BY number LIMIT $2";

const TRAIL_OF_ONE: &str = "
    SELECT number, at, tenant, actor, action, target, reason FROM audit WHERE number > $1 AND tenant = $3 ORDER BY number LIMIT $2";

const REUSED: &str = "SELECT digest, uses FROM tickets WHERE reused > $1 ORDER BY reused";

const KEY_EXISTS: &str = "SELECT id FROM api_keys WHERE tenant = $1 AND id = $2";

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
