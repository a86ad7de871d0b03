//! Tables in Markdown: a row for each server and case, medians over the rounds, and ratios to the floor where it was measured too.

use std::collections::BTreeMap;

use crate::{clock, outcome::Run, scenario::Scenario, server::Kind};

/// Machine, commit and day.
pub(super) fn provenance(run: &Run) -> String {
    let mut text = format!("{}; commit {}; {}.", run.machine, run.commit, clock::day(run.at));
    let mut anew: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (scenario, commit) in &run.anew {
        anew.entry(commit).or_default().push(scenario);
    }
    for (commit, scenarios) in anew {
        text += &format!(" Measured anew at commit {commit}: {}.", scenarios.join(", "));
    }
    for (server, why) in &run.skipped {
        text += &format!(" Not measured: {server} ({why}).");
    }
    text
}

/// The table of a scenario.
pub(super) fn of(run: &Run, scenario: &Scenario) -> String {
    let cases = run.cases(&scenario.name);
    let varied: Vec<String> = match cases.first() {
        Some(first) => {
            let differs = |key: &&String| cases.iter().any(|case| case.get(*key) != first.get(*key));
            // where everyone receives everything, one of the two says it
            let is_said = |key: &&String| *key == "matching" && cases.iter().all(|case| case.get("matching") == case.get("connections"));
            first.keys().filter(|key| differs(key) && !is_said(key)).cloned().collect()
        }
        None => return "not measured".to_owned(),
    };
    let servers: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| run.outcomes.iter().any(|outcome| outcome.scenario == scenario.name && outcome.server == *kind))
        .collect();
    let mut head: Vec<String> = Vec::new();
    head.extend((servers.len() > 1).then(|| "server".to_owned()));
    head.extend(varied.iter().map(|name| name.replace('_', " ")));
    head.extend(scenario.columns.iter().map(|figure| label(figure)));
    let mut rows = Vec::new();
    for case in &cases {
        for &server in &servers {
            let mut row: Vec<String> = Vec::new();
            row.extend((servers.len() > 1).then(|| server.to_string()));
            row.extend(varied.iter().map(|name| case.get(name).map_or_else(String::new, |value| thousands(*value as f64, 0))));
            row.extend(scenario.columns.iter().map(|figure| cell(run, scenario, server, case, figure)));
            rows.push(row);
        }
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!(
        "|{}\n",
        head.iter().enumerate().map(|(at, _)| if at == 0 && servers.len() > 1 { "---|" } else { "---:|" }).collect::<String>()
    );
    line(&head) + &rule + &rows.iter().map(|row| line(row)).collect::<String>()
}

fn cell(run: &Run, scenario: &Scenario, server: Kind, case: &BTreeMap<String, u64>, figure: &str) -> String {
    let case: Vec<(&str, u64)> = case.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let Some(value) = run.median(&scenario.name, server, &case, figure) else { return "–".to_owned() };
    let text = show(figure, value);
    let to_floor =
        || run.rounds(&scenario.name, server, &case, figure).over(&run.rounds(&scenario.name, Kind::Floor, &case, figure)).median();
    match to_floor().filter(|_| server != Kind::Floor) {
        Some(ratio) => format!("{text} ({ratio:.2} ×)"),
        None => text,
    }
}

/// A figure's name for people, with its unit.
pub(super) fn label(figure: &str) -> String {
    let (name, unit) = match figure.rsplit_once('_') {
        Some((name, "bytes")) => (name, Some("KB")),
        Some((name, "us")) => (name, Some("µs")),
        Some((name, "ms")) => (name, Some("ms")),
        Some((name, "seconds")) => (name, Some("s")),
        _ => (figure, None),
    };
    let name = name.replace('_', " ").replace("pss", "PSS").replace("cpu", "CPU").replace("tcp", "TCP").replace(" per second", "/s");
    unit.map_or_else(|| name.clone(), |unit| format!("{name}, {unit}"))
}

/// A figure's value in the unit of its [`label`].
pub(super) fn show(figure: &str, value: f64) -> String {
    let value = if figure.ends_with("_bytes") { value / 1000.0 } else { value };
    thousands(value, if value.abs() < 100.0 && value.fract() != 0.0 { 2 } else { 0 })
}

/// Digits in groups of three.
pub(crate) fn thousands(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let grouped: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    format!("{sign}{}{rest}", grouped.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_in_their_units() {
        assert_eq!(
            (label("pss_per_connection_bytes"), show("pss_per_connection_bytes", 1254.6)),
            ("PSS per connection, KB".into(), "1.25".into())
        );
        assert_eq!(
            (label("deliveries_per_second"), show("deliveries_per_second", 1_128_421.4)),
            ("deliveries/s".into(), "1,128,421".into())
        );
        assert_eq!((label("cpu_per_delivery_us"), show("cpu_per_delivery_us", 0.583)), ("CPU per delivery, µs".into(), "0.58".into()));
        assert_eq!(thousands(-1234.5, 1), "-1,234.5");
    }
}
