//! Which schemas this version runs on: its own, and those that newer versions have made of it without taking anything away.
//!
//! While a deployment rolls, instances of two versions share a database that the newer has migrated already, and an older one may be started
//! again, or be gone back to. So **a migration is such that the version before runs on the schema after it**: it adds what the older does not have
//! to know (`a_schema_that_a_newer_version_has_added_to_is_served`), and takes away only what no version since the one before uses.
//!
//! One that takes something away says so in its name: `0009_needs_0007_drop_old.sql` is for versions that know 0007. Older ones refuse to start
//! (`a_schema_from_which_a_newer_version_took_something_away_is_refused`).

use sqlx::migrate::Migrator;

use super::transfer::UNFINISHED as UNFINISHED_COPY;

/// What was applied that this version does not know; `$1` is the last that it knows.
pub(super) const NEWER: &str = "SELECT description FROM _sqlx_migrations WHERE version > $1 ORDER BY version";

/// What a copy says of a store that has more than it knows of: that would be missing from the copy.
pub(super) const NOT_COPIED: &str = "its schema is of a newer version: copy with that version";

/// What was applied, or begun.
pub(super) const NOTED: &str = "SELECT version, description, success, checksum FROM _sqlx_migrations ORDER BY version";

/// Whether a copy into the store was begun and not ended, asked where there is such a table.
pub(super) const UNFINISHED: &str = "SELECT count(*) > 0 FROM unfinished_copy";

/// What a store notes of a migration: version, description, whether it came to its end, checksum.
pub(super) type Noted = (i64, String, bool, Vec<u8>);

/// How far a store's schema is, and whether this version starts on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The last migration that was applied, if any was.
    pub at: Option<i64>,
    /// The last that this version knows.
    pub known: i64,
    /// Those that are to be applied, in order: `0005 copy`.
    pub pending: Vec<String>,
    /// Why a start is refused, if it is.
    pub refused: Option<String>,
}

impl Schema {
    pub(super) fn of(noted: &[Noted], migrator: &Migrator) -> Self {
        let is_applied = |version| noted.iter().any(|(applied, _, ended, _)| *ended && *applied == version);
        let pending = migrator.iter().filter(|migration| !is_applied(migration.version));
        let pending = pending.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect();
        let at = noted.iter().filter(|(_, _, ended, _)| *ended).map(|(version, ..)| *version).max();
        Self { at, known: known(migrator), pending, refused: faulty(noted, migrator) }
    }

    /// A store to which a copy was begun is none to start on.
    pub(super) fn or_unfinished(mut self, unfinished: bool) -> Self {
        self.refused = self.refused.or_else(|| unfinished.then(|| UNFINISHED_COPY.to_owned()));
        self
    }
}

/// What is wrong with what was applied, in the order in which a start would find it.
fn faulty(noted: &[Noted], migrator: &Migrator) -> Option<String> {
    if let Some((version, ..)) = noted.iter().find(|(_, _, ended, _)| !ended) {
        return Some(format!("migration {version:04} was begun and has not ended: restore a backup, or end it by hand"));
    }
    let is_other = |(version, _, _, checksum): &&Noted| {
        migrator.iter().any(|migration| migration.version == *version && migration.checksum.as_ref() != checksum.as_slice())
    };
    if let Some((version, ..)) = noted.iter().find(is_other) {
        return Some(format!(
            "migration {version:04} is another than the one that this version knows: use the version that made this store"
        ));
    }
    let newer: Vec<String> = noted.iter().filter(|(version, ..)| *version > known(migrator)).map(|(_, name, ..)| name.clone()).collect();
    refusal(known(migrator), &newer)
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
    fn a_schema_that_a_start_refuses_says_so() {
        let migrator = lenient(sqlx::migrate!("./migrations/sqlite"));
        let own: Vec<Noted> = migrator.iter().map(|one| (one.version, one.description.to_string(), true, one.checksum.to_vec())).collect();
        let with = |change: fn(&mut Vec<Noted>)| {
            let mut noted = own.clone();
            change(&mut noted);
            Schema::of(&noted, &migrator)
        };
        assert_eq!(Schema::of(&[], &migrator).refused, None);
        assert_eq!(with(|_| {}), Schema { at: Some(known(&migrator)), known: known(&migrator), ..Schema::default() });
        let newer = with(|noted| noted.push((9000, "add a table".into(), true, vec![1])));
        assert_eq!((newer.at, newer.refused), (Some(9000), None));
        let refused = |change| with(change).refused.expect("refused");
        assert!(refused(|noted| noted.push((9999, "needs 9998 drop it".into(), true, vec![1]))).contains("knows migration 9998"));
        assert!(refused(|noted| noted[0].3[0] ^= 1).starts_with("migration 0001 is another"));
        assert!(refused(|noted| noted.push((9000, "add a table".into(), false, vec![1]))).starts_with("migration 9000 was begun"));
        let dirty = with(|noted| noted[1].2 = false);
        assert!(dirty.refused.is_some_and(|why| why.starts_with("migration 0003 was begun")) && dirty.pending.len() == 1);
    }

    #[test]
    fn only_what_needs_more_than_is_known_is_refused() {
        let refused = |names: &[&str]| refusal(5, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for names in [&[][..], &["add a column"], &["needs 5 drop it", "needs"], &["needs five"]] {
            assert_eq!(refused(names), None, "{names:?}");
        }
        assert!(refused(&["add a column", "needs 0006 drop it", "needs 0003 this"]).is_some_and(|why| why.contains("migration 0006")));
    }
}
