//! The statements of access that both stores understand. What is bound to them is in `calls`.
//!
//! A change begins with the five values of its audit line, from `$1` to `$5`, and returns a row if it changed something. How the line and the
//! version come into its transaction is the adapters': Postgres wraps the change into one statement, SQLite adds two of its own.

/// The statements in the words of one store.
pub(in crate::log) struct Statements {
    pub(super) state: &'static str,
    pub(super) create_key: &'static str,
    pub(super) rotate_key: &'static str,
    pub(super) revoke_key: &'static str,
    pub(super) revoke: &'static str,
    pub(super) lift: &'static str,
    pub(super) set_tenant: &'static str,
    pub(super) issue_ticket: &'static str,
    pub(super) forget: [&'static str; 3],
}

/// A row as [`StateRow`](super::rows::StateRow) reads it, of the table of keys.
macro_rules! key_columns {
    () => {
        "CAST(1 AS bigint) AS part, id, tenant, kind, name AS text1, rights AS text2, digest, previous_digest AS previous,
        created_at AS n1, generation AS n2, previous_until AS n3, expires_at AS n4, revoked_at AS n5, CAST(NULL AS bigint) AS n6"
    };
}

/// SQLite's clock in microseconds, though it steps by a thousand; it stands still during a statement.
macro_rules! sqlite_clock {
    () => {
        "CAST(unixepoch('subsec') * 1000000 AS integer)"
    };
}
pub(in crate::log) use sqlite_clock;

/// The statements of a store: its clock in microseconds, what stands around a change, and around a subquery for the rows to delete.
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

pub(super) const TRAIL_OF_ALL: &str = "
    SELECT number, at, tenant, actor, action, target, reason FROM audit WHERE number > $1 ORDER BY number LIMIT $2";

pub(super) const TRAIL_OF_ONE: &str = "
    SELECT number, at, tenant, actor, action, target, reason FROM audit WHERE number > $1 AND tenant = $3 ORDER BY number LIMIT $2";

pub(super) const REUSED: &str = "SELECT digest, uses FROM tickets WHERE reused > $1 ORDER BY reused";

pub(super) const KEY_EXISTS: &str = "SELECT id FROM api_keys WHERE tenant = $1 AND id = $2";
