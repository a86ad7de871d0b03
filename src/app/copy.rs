//! `chaincast log copy`: everything from the store that the settings name into an empty one.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::{
    commands::count,
    config::{Config, Database, DatabaseUrl},
    log::{
        PostgresSettings, SqliteSettings,
        transfer::{self, Copied, Progress, Source, Stage, Target},
    },
};

/// How often it says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(2);

/// How many logs the summary names, of those that are numbered anew.
const NAMED: usize = 10;

/// Copies, tells how far it is as lines for people, and returns what was done and what to do next.
///
/// # Errors
/// What is wrong with the settings or the stores, in words for whoever runs it. Nothing was copied then.
pub async fn copy(config: &Config, to: &DatabaseUrl, say: impl FnMut(&str) + Send) -> anyhow::Result<String> {
    let from = config.log.database().context("DATABASE_URL")?;
    let into = to.parse().context("--to")?;
    anyhow::ensure!(!is_same(&from, &into), "--to names the store that is to be copied, {from}: name an empty one");
    let (began, deadline) = (Instant::now(), config.log.database_deadline());
    let source = match &from {
        Database::Sqlite(path) => {
            anyhow::ensure!(path.exists(), "there is no log at {}: run this where the service ran, or set DATABASE_URL", path.display());
            Source::sqlite(path, sqlite(deadline)).await
        }
        Database::Postgres(url) => Source::postgres(url, postgres(deadline)).await,
    };
    let source = source.with_context(|| format!("cannot copy from {from}"))?;
    let target = match &into {
        Database::Sqlite(path) => Target::sqlite(path, sqlite(deadline)).await,
        Database::Postgres(url) => Target::postgres(url, postgres(deadline)).await,
    };
    let target = target.with_context(|| format!("cannot copy to {into}"))?;
    let mut teller = Teller { say, begun: None, said: None };
    let copied = transfer::copy(source, target, |progress| teller.hear(progress)).await;
    let copied = copied.with_context(|| format!("cannot copy from {from} to {into}"))?;
    Ok(summary(&copied, &from, &into, began.elapsed()))
}

fn sqlite(deadline: Duration) -> SqliteSettings {
    SqliteSettings { statement_timeout: deadline, ..SqliteSettings::default() }
}

fn postgres(deadline: Duration) -> PostgresSettings {
    PostgresSettings { statement_timeout: deadline, ..PostgresSettings::default() }
}

fn is_same(from: &Database, into: &Database) -> bool {
    let file = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match (from, into) {
        (Database::Sqlite(one), Database::Sqlite(other)) => file(one) == file(other),
        _ => from == into,
    }
}

/// Says how far a copy is, now and then.
struct Teller<F> {
    say: F,
    /// What is under way, and since when.
    begun: Option<(String, Instant)>,
    /// What was said last, and when.
    said: Option<(Stage, Instant)>,
}

impl<F: FnMut(&str)> Teller<F> {
    fn hear(&mut self, progress: Progress<'_>) {
        let of_log = progress.log.map_or_else(String::new, |log| format!(" of log {log}"));
        let doing = match progress.stage {
            Stage::Copying => "copying",
            Stage::Checking => "checking",
        };
        let what = format!("{doing} {}{of_log}", progress.table);
        let now = Instant::now();
        if self.begun.as_ref().is_none_or(|(begun, _)| *begun != what) {
            self.begun = Some((what.clone(), now));
        }
        if self.said.is_some_and(|(stage, at)| stage == progress.stage && now - at < SAY_EVERY) {
            return;
        }
        self.said = Some((progress.stage, now));
        let spent = self.begun.as_ref().map_or(Duration::ZERO, |(_, since)| now - *since);
        (self.say)(&format!("{what}: {}{}", count(progress.rows), rest(&progress, spent)));
    }
}

/// Of how many, and how fast.
fn rest(progress: &Progress<'_>, spent: Duration) -> String {
    let of = match progress.of {
        Some(of) if of > 0 => format!(" of {} ({} %)", count(of), (u128::from(progress.rows) * 100 / u128::from(of)).min(100)),
        _ => String::new(),
    };
    let rate = if spent.is_zero() { String::new() } else { format!(", {}/s", count((progress.rows as f64 / spent.as_secs_f64()) as u64)) };
    format!("{of}{rate}")
}

fn summary(copied: &Copied, from: &Database, into: &Database, spent: Duration) -> String {
    let rows = |table| count(copied.rows(table));
    let events = copied.rows("events");
    let rate = count((events as f64 / spent.as_secs_f64().max(0.001)) as u64);
    let copied_to = format!(
        "copied {from} to {into} in {:.1} s ({rate} events/s), and both read alike:\n\
         logs {}, epochs {}, events {}, ids {}, postings {};\n\
         keys {}, revocations {}, tenants' settings {}, tickets {}, lines of the audit trail {}\n",
        spent.as_secs_f64(),
        rows("logs"),
        rows("epochs"),
        count(events),
        rows("ids"),
        rows("postings"),
        rows("api_keys"),
        rows("revocations"),
        rows("tenants"),
        rows("tickets"),
        rows("audit"),
    );
    let next = "Next: set DATABASE_URL to what --to said, start the service, and put the old store where no service finds it.";
    copied_to + &renewed(copied.renewed()) + next
}

/// Which logs are numbered anew, and why; nothing when none is.
fn renewed(logs: &[(String, &str)]) -> String {
    if logs.is_empty() {
        return String::new();
    }
    let named = logs.iter().take(NAMED).map(|(log, cause)| format!("{log} ({cause})")).collect::<Vec<_>>().join(", ");
    let more = if logs.len() > NAMED { format!(" and {} more", count((logs.len() - NAMED) as u64)) } else { String::new() };
    format!(
        "numbered anew behind the head, because clients may have seen more than there was to copy: {named}{more};\n\
         whoever has is told `rewound`, and everyone else goes on\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(rows: u64, of: Option<u64>) -> Progress<'static> {
        Progress { stage: Stage::Copying, table: "events", log: Some("default"), rows, of }
    }

    #[test]
    fn of_many_logs_that_are_numbered_anew_it_names_a_few() {
        assert_eq!(renewed(&[]), "");
        let logs: Vec<_> = (0..1011).map(|number| (format!("tenant{number}"), "store changed")).collect();
        let said = renewed(&logs);
        assert!(said.contains("tenant9 (store changed) and 1,001 more;") && !said.contains("tenant10"), "{said}");
    }

    #[test]
    fn it_says_at_once_what_it_begins_with_and_then_only_now_and_then() {
        let mut lines = Vec::new();
        let mut teller = Teller { say: |line: &str| lines.push(line.to_owned()), begun: None, said: None };
        teller.hear(heard(10_000, Some(1_234_567)));
        teller.hear(heard(20_000, Some(1_234_567)));
        teller.hear(Progress { stage: Stage::Checking, log: None, table: "audit", ..heard(999, None) });
        assert_eq!(lines, ["copying events of log default: 10,000 of 1,234,567 (0 %)", "checking audit: 999"]);
        assert_eq!(rest(&heard(500_000, Some(1_000_000)), Duration::from_secs(2)), " of 1,000,000 (50 %), 250,000/s");
    }
}
