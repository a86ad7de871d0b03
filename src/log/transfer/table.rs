//! What there is to copy: every table, with the columns that both stores have, in the order in which they are written.
//!
//! A table or column that a migration adds must be added here, or a copy would lose it (`every_table_and_column_of_either_store_is_copied`).

use std::fmt::Write as _;

/// What a column holds, as Postgres has it; in SQLite all numbers are one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) enum Kind {
    Small,
    Integer,
    Big,
    Text,
    Bytes,
}

use Kind::{Big, Bytes, Integer, Small, Text};

/// A table of either store.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::log) struct Table {
    pub(in crate::log) name: &'static str,
    pub(in crate::log) columns: &'static [(&'static str, Kind)],
    /// What its rows are read in the order of: within a log if it is by log, so that both stores read along their primary key.
    order: &'static str,
    /// Its first column is a log's number, by which it is read.
    pub(in crate::log) by_log: bool,
}

pub(in crate::log) const LOGS: Table = Table {
    name: "logs",
    columns: &[("id", Integer), ("name", Text), ("head", Big), ("earliest", Big), ("epoch", Big), ("last_at", Big)],
    order: "t.id",
    by_log: false,
};

pub(in crate::log) const EPOCHS: Table = Table {
    name: "epochs",
    columns: &[("log", Integer), ("ordinal", Integer), ("epoch", Big), ("first_seq", Big), ("cause", Text), ("at", Big)],
    order: "t.ordinal",
    by_log: true,
};

pub(in crate::log) const EVENTS: Table = Table {
    name: "events",
    columns: &[("log", Integer), ("seq", Big), ("received_at", Big), ("envelope", Text)],
    order: "t.seq",
    by_log: true,
};

pub(in crate::log) const IDS: Table = Table {
    name: "ids",
    columns: &[("log", Integer), ("source", Text), ("id", Text), ("digest", Bytes), ("seq", Big), ("received_at", Big)],
    order: "t.source, t.id",
    by_log: true,
};

pub(in crate::log) const POSTINGS: Table =
    Table { name: "postings", columns: &[("log", Integer), ("selector", Big), ("seq", Big)], order: "t.selector, t.seq", by_log: true };

/// What is of no log, or is few: who may use the logs.
pub(in crate::log) const ACCESS: [Table; 7] = [
    Table { name: "access_version", columns: &[("one", Small), ("version", Big)], order: "t.one", by_log: false },
    Table {
        name: "api_keys",
        columns: &[
            ("id", Text),
            ("tenant", Text),
            ("name", Text),
            ("kind", Text),
            ("digest", Bytes),
            ("generation", Big),
            ("previous_digest", Bytes),
            ("previous_until", Big),
            ("rights", Text),
            ("created_at", Big),
            ("expires_at", Big),
            ("revoked_at", Big),
        ],
        order: "t.id",
        by_log: false,
    },
    Table {
        name: "revocations",
        columns: &[
            ("id", Text),
            ("tenant", Text),
            ("subject", Text),
            ("token_id", Text),
            ("issued_before", Big),
            ("created_at", Big),
            ("expires_at", Big),
        ],
        order: "t.id",
        by_log: false,
    },
    Table {
        name: "tenants",
        columns: &[
            ("tenant", Text),
            ("retention_days", Big),
            ("retention_events", Big),
            ("max_connections", Big),
            ("publish_per_second", Big),
            ("deliver_per_second", Big),
        ],
        order: "t.tenant",
        by_log: false,
    },
    Table {
        name: "tickets",
        columns: &[
            ("digest", Bytes),
            ("principal", Text),
            ("first_use_by", Big),
            ("expires_at", Big),
            ("subscription", Bytes),
            ("uses", Big),
            ("reused", Big),
        ],
        order: "t.digest",
        by_log: false,
    },
    Table {
        name: "audit",
        columns: &[("number", Big), ("at", Big), ("tenant", Text), ("actor", Text), ("action", Text), ("target", Text), ("reason", Text)],
        order: "t.number",
        by_log: false,
    },
    Table { name: "service_secret", columns: &[("one", Small), ("secret", Bytes)], order: "t.one", by_log: false },
];

/// All of them.
pub(in crate::log) fn all() -> impl Iterator<Item = &'static Table> {
    const OF_LOGS: [Table; 5] = [LOGS, EPOCHS, EVENTS, IDS, POSTINGS];
    OF_LOGS.iter().chain(&ACCESS)
}

/// What is copied, as names of tables with their columns.
pub fn copied_columns() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    all().map(|table| (table.name, table.columns.iter().map(|(name, _)| *name).collect()))
}

impl Table {
    /// Whether a store that is empty has a row of it: the version of access starts at zero.
    fn rows(&self) -> &'static str {
        if self.name == "access_version" { " WHERE version <> 0" } else { "" }
    }

    /// Asks for one row if there is any beyond those of an empty store.
    pub(in crate::log) fn first(&self) -> String {
        format!("SELECT 1 FROM {}{} LIMIT 1", self.name, self.rows())
    }

    /// Its columns, separated by commas.
    pub(in crate::log) fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Reads it, one log of it if it is by log. `cast` is what turns any number into the widest.
    pub(in crate::log) fn select(&self, cast: &str) -> String {
        let mut sql = String::from("SELECT ");
        for (at, (name, kind)) in self.columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let cast = if matches!(kind, Small | Integer) { cast } else { "" };
            // writing into a string cannot fail
            let _ = write!(sql, "{comma}t.{name}{cast}");
        }
        let of_log = if self.by_log { " WHERE t.log = $1" } else { "" };
        let _ = write!(sql, " FROM {} AS t{of_log} ORDER BY {}", self.name, self.order);
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_along_its_key() {
        assert_eq!(
            EVENTS.select("::bigint"),
            "SELECT t.log::bigint, t.seq, t.received_at, t.envelope FROM events AS t WHERE t.log = $1 ORDER BY t.seq"
        );
        assert_eq!(ACCESS[0].select(""), "SELECT t.one, t.version FROM access_version AS t ORDER BY t.one");
    }
}
