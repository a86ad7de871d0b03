//! Writes the rows that the suite of faults has left (`tests/it/faults`) into a document, between the marks of [`crate::report`].
//!
//! The names are `faults` (the table) and `faults-machine`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::report::{replace, thousands};

/// What to write.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The folder of the rows
    #[arg(long)]
    rows: PathBuf,
    /// The document whose measured parts are replaced
    #[arg(long)]
    into: PathBuf,
}

/// What a scenario has left.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    nr: u32,
    fault: String,
    instances: u64,
    subscribers: u64,
    published: u64,
    acknowledged: u64,
    delivered: u64,
    lost: u64,
    repeated: u64,
    out_of_order: u64,
    foreign: u64,
    told_wrong: u64,
    told_trimmed: u64,
    told_rewound: u64,
    lost_by_store: u64,
    recovery_seconds: f64,
    unacknowledged_seconds: f64,
    cores: u64,
    postgres: Option<String>,
    redis: Option<String>,
}

pub(crate) fn write(options: &Options) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(&options.rows).with_context(|| format!("can't read {}", options.rows.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
        rows.push(serde_json::from_str::<Row>(&text).with_context(|| path.display().to_string())?);
    }
    rows.sort_by_key(|row| row.nr);
    let document = fs::read_to_string(&options.into).with_context(|| format!("can't read {}", options.into.display()))?;
    Ok(fs::write(&options.into, written(&document, &rows)?)?)
}

fn written(document: &str, rows: &[Row]) -> anyhow::Result<String> {
    if rows.is_empty() {
        bail!("there are no rows");
    }
    let mut parts = 0;
    let written = replace(document, |name| {
        parts += 1;
        match name {
            "faults" => Ok(table(rows)),
            "faults-machine" => Ok(machine(rows)),
            _ => bail!("no part {name}"),
        }
    })?;
    if parts == 0 {
        bail!("nothing in the document is marked");
    }
    Ok(written)
}

fn table(rows: &[Row]) -> String {
    let head = ["fault", "published", "acknowledged", "delivered", "lost", "repeated", "out of order or foreign", "told of a gap"];
    let more = ["acknowledged, then lost by the replica", "longest without an acknowledgement", "recovered after"];
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&head.iter().chain(&more).map(|&name| name.to_owned()).collect::<Vec<_>>());
    text += &format!("|---|{}\n", "---:|".repeat(head.len() + more.len() - 1));
    for row in rows {
        let count = |n: u64| thousands(n as f64, 0);
        text += &line(&[
            row.fault.clone(),
            count(row.published),
            count(row.acknowledged),
            count(row.delivered),
            count(row.lost),
            count(row.repeated),
            count(row.out_of_order + row.foreign + row.told_wrong),
            told(row),
            if row.lost_by_store == 0 { "–".to_owned() } else { count(row.lost_by_store) },
            format!("{:.2} s", row.unacknowledged_seconds),
            format!("{:.2} s", row.recovery_seconds),
        ]);
    }
    text
}

fn told(row: &Row) -> String {
    let of = |n: u64, reason: &str| (n > 0).then(|| format!("{} × `{reason}`", thousands(n as f64, 0)));
    let told: Vec<String> = [of(row.told_trimmed, "trimmed"), of(row.told_rewound, "rewound")].into_iter().flatten().collect();
    if told.is_empty() { "–".to_owned() } else { told.join(", ") }
}

/// What it ran on and how large it was; each thing once, however many rows say it.
fn machine(rows: &[Row]) -> String {
    let most = |of: fn(&Row) -> u64| rows.iter().map(of).max().unwrap_or_default();
    let version = |of: fn(&Row) -> Option<&String>| {
        let mut found: Vec<&str> = rows.iter().filter_map(of).filter_map(|text| text.split_whitespace().next()).collect();
        found.sort_unstable();
        found.dedup();
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    };
    format!(
        "{} cores for everything, PostgreSQL {}, Redis {}; {} instances and {} subscribers.",
        most(|row| row.cores),
        version(|row| row.postgres.as_ref()),
        version(|row| row.redis.as_ref()),
        most(|row| row.instances),
        most(|row| row.subscribers)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str =
        "# Words\n<!-- measured: faults-machine -->\n<!-- end -->\nmore\n<!-- measured: faults -->\nof before\n<!-- end -->\nwords\n";

    fn rows() -> Vec<Row> {
        let row = |nr: u32, fault: &str| {
            format!(
                r#"{{"nr":{nr},"fault":"{fault}","instances":3,"subscribers":300,"connections":410,"published":1200,"acknowledged":1190,
                "delivered":123456,"lost":0,"repeated":0,"out_of_order":1,"foreign":2,"told_wrong":4,"told_trimmed":0,"told_rewound":{nr},
                "lost_by_store":0,"refused":7,"recovery_seconds":0.5,"unacknowledged_seconds":12.345,"cores":2,
                "postgres":"15.18 (Debian)","redis":null}}"#
            )
        };
        [row(0, "`kill -9`"), row(3, "a failover")].iter().map(|text| serde_json::from_str(text).expect("a row")).collect()
    }

    #[test]
    fn rows_become_a_table_between_the_marks_and_the_rest_stays() {
        let text = written(DOCUMENT, &rows()).expect("marked");
        assert!(
            text.starts_with("# Words\n") && text.contains("\nmore\n") && text.ends_with("\nwords\n") && !text.contains("of before"),
            "{text}"
        );
        assert!(text.contains("2 cores for everything, PostgreSQL 15.18, Redis none; 3 instances and 300 subscribers."), "{text}");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(lines[2], "| `kill -9` | 1,200 | 1,190 | 123,456 | 0 | 0 | 7 | – | – | 12.35 s | 0.50 s |");
        assert!(lines[3].contains("| 3 × `rewound` |"), "{text}");
        assert!(lines.iter().all(|line| line.matches('|').count() == 12), "{text}");
        assert_eq!(written(&text, &rows()).expect("marked"), text);
    }

    #[test]
    fn without_rows_or_marks_nothing_is_written() {
        written(DOCUMENT, &[]).expect_err("no rows");
        written("no marks", &rows()).expect_err("no marks");
        written("<!-- measured: other -->\n<!-- end -->", &rows()).expect_err("an unknown part");
    }
}
