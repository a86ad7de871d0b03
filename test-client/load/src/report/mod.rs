//! Writes a run into documents: what stands between `<!-- measured: NAME -->` and `<!-- end -->` is replaced, so that no figure is typed.
//!
//! The names are those of the scenarios (a table of their columns), `run` (machine and commit), `budgets`, `summary` and
//! `million`. Pictures go into a
//! folder beside the document.

mod budgets;
mod chart;
mod million;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

pub(crate) use table::thousands;

use crate::{outcome::Run, scenario::Scenario, server::Kind, suite};

const BEGIN: &str = "<!-- measured: ";
const END: &str = "<!-- end -->";

/// What to write.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What `run --json` has written
    json: PathBuf,
    /// Documents whose measured parts are replaced
    #[arg(long, required = true)]
    document: Vec<PathBuf>,
    /// The folder for the pictures
    #[arg(long)]
    pictures: Option<PathBuf>,
    /// The folder of the scenario files
    #[arg(long, default_value = suite::SCENARIOS)]
    scenarios: PathBuf,
}

pub(crate) fn write(options: &Options) -> anyhow::Result<()> {
    let run = Run::read(&options.json)?;
    let scenarios = Scenario::read_all(&options.scenarios, &[])?;
    // all or nothing
    let mut written = Vec::new();
    for document in &options.document {
        let text = fs::read_to_string(document).with_context(|| format!("can't read {}", document.display()))?;
        written.push((document, replace(&text, |name| measured(&run, &scenarios, name)).with_context(|| document.display().to_string())?));
    }
    for (document, text) in written {
        fs::write(document, text)?;
    }
    if let Some(folder) = &options.pictures {
        draw(&run, folder)?;
    }
    Ok(())
}

/// The text of a measured part.
fn measured(run: &Run, scenarios: &[Scenario], name: &str) -> anyhow::Result<String> {
    match name {
        "run" => Ok(table::provenance(run)),
        "budgets" => Ok(budgets::table(run)),
        "summary" => Ok(budgets::summary(run)),
        "million" => Ok(million::table(run).unwrap_or_else(|| "not measured".to_owned())),
        _ => match scenarios.iter().find(|scenario| scenario.name == name) {
            Some(scenario) => Ok(format!("**{}**\n\n{}", scenario.title, table_of(run, scenario))),
            None => bail!("no scenario {name}"),
        },
    }
}

/// The table of a scenario, in Markdown.
pub(crate) fn table_of(run: &Run, scenario: &Scenario) -> String {
    table::of(run, scenario)
}

/// A document with each measured part replaced by what `part` says under its name.
pub(crate) fn replace(text: &str, mut part: impl FnMut(&str) -> anyhow::Result<String>) -> anyhow::Result<String> {
    let mut written = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let (before, begun) = rest.split_at(at);
        let (mark, behind) = begun.split_once('\n').context("a measured part without end")?;
        let name = mark.strip_prefix(BEGIN).and_then(|name| name.strip_suffix(" -->")).context("a mark that does not close")?;
        let (_, after) = behind.split_once(END).with_context(|| format!("{name} has no {END}"))?;
        written += &format!("{before}{mark}\n{}\n{END}", part(name)?.trim_end());
        rest = after;
    }
    Ok(written + rest)
}

fn draw(run: &Run, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let line = |scenario: &str, figure: &str, scale: f64| {
        let cases = |kind: Kind| {
            let mut points: Vec<(f64, f64)> = run
                .cases(scenario)
                .into_iter()
                .filter_map(|case| {
                    let connections = *case.get("connections")?;
                    Some((connections as f64, run.median(scenario, kind, &[("connections", connections)], figure)? * scale))
                })
                .collect();
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            points
        };
        Kind::ALL.into_iter().map(|kind| (kind, cases(kind))).filter(|(_, points)| !points.is_empty()).collect::<Vec<_>>()
    };
    let latency = line("growth", "publish_to_receipt_p99_ms", 1.0);
    fs::write(folder.join("latency.svg"), chart::lines("p99 from publish to receipt, 2 events/s to all (ms)", "connections", &latency))?;
    let memory = line("idle", "pss_per_connection_bytes", 1.0 / 1000.0);
    fs::write(folder.join("memory.svg"), chart::lines("memory of an idle connection, PSS (KB)", "connections", &memory))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = "a\n<!-- measured: x -->\nold\nolder\n<!-- end -->\nb\n<!-- measured: y -->\n<!-- end -->";
        let written = replace(text, |name| Ok(format!("new {name}\n"))).expect("whole marks");
        assert_eq!(written, "a\n<!-- measured: x -->\nnew x\n<!-- end -->\nb\n<!-- measured: y -->\nnew y\n<!-- end -->");
        assert_eq!(replace(&written, |name| Ok(format!("new {name}"))).expect("whole marks"), written);
        replace("<!-- measured: x -->\n", |_| Ok(String::new())).expect_err("no end");
    }
}
