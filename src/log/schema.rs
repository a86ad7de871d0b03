//! Which schemas this version runs on: its own, and those that newer versions have made of it without taking anything away.
//!
//! While a deployment rolls, instances of two versions share a database that the newer has migrated already, and an older one may be started
//! again, or be gone back to. So **a migration is such that the version before runs on the schema after it**: it adds what the older does not have
//! to know (`a_schema_that_a_newer_version_has_added_to_is_served`), and takes away only what no version since the one before uses.
//!
//! One that takes something away says so in its name: `0009_needs_0007_drop_old.sql` is for versions that know 0007. Older ones refuse to start
//! (`a_schema_from_which_a_newer_version_took_something_away_is_refused`).

use sqlx::migrate::Migrator;

/// What was applied that this version does not know; `$1` is the last that it knows.
pub(super) const NEWER: &str = "SELECT description FROM _sqlx_migrations WHERE version > $1 ORDER BY version";

/// What a copy says of a store that has more than it knows of: that would be missing from the copy.
pub(super) const NOT_COPIED: &str = "its schema is of a newer version: copy with that version";

/// Whether a store has a schema at all, and what was applied to it.
pub(super) const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";

/// How far a store's schema is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The last migration that was applied, if any was.
    pub at: Option<i64>,
    /// The last that this version knows.
    pub known: i64,
    /// Those that are to be applied, in order: `0005 copy`.
    pub pending: Vec<String>,
}

impl Schema {
    pub(super) fn of(applied: &[i64], migrator: &Migrator) -> Self {
        let pending = migrator.iter().filter(|migration| !applied.contains(&migration.version));
        let pending = pending.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect();
        Self { at: applied.iter().max().copied(), known: known(migrator), pending }
    }
}

/// Lets others have migrated further.
pub(super) fn lenient(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

/// The last migration that this version knows.
pub(super) fn known(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Why a version that knows migrations up to `known` does not run on what newer ones have done, if it does not.
pub(super) fn refusal(known: i64, newer: &[String]) -> Option<String> {
    let needed = newer.iter().filter_map(|name| name.strip_prefix("needs ")?.split(' ').next()?.parse::<i64>().ok()).max()?;
    let refused = format!("the schema needs a version that knows migration {needed:04}, and this one knows {known:04}: start a newer one");
    (needed > known).then_some(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_more_than_is_known_is_refused() {
        let refused = |names: &[&str]| refusal(5, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for names in [&[][..], &["add a column"], &["needs 5 drop it", "needs"], &["needs five"]] {
            assert_eq!(refused(names), None, "{names:?}");
        }
        assert!(refused(&["add a column", "needs 0006 drop it", "needs 0003 this"]).is_some_and(|why| why.contains("migration 0006")));
    }
}
