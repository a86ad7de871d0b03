//! What was measured, as it is written to the JSON file and read for the report.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::server::Kind;

/// A run of the suite.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) machine: String,
    pub(crate) commit: String,
    /// Seconds since 1970.
    pub(crate) at: u64,
    pub(crate) outcomes: Vec<Outcome>,
    /// Scenarios that were measured later, and at which commit.
    #[serde(default)]
    pub(crate) anew: BTreeMap<String, String>,
    /// Peers that could not be measured, and why.
    pub(crate) skipped: BTreeMap<String, String>,
}

/// One measurement of one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: String,
    pub(crate) server: Kind,
    pub(crate) round: usize,
    /// What the scenario varies.
    pub(crate) case: BTreeMap<String, u64>,
    /// Figures; the names end with their unit.
    pub(crate) figures: Figures,
}

/// Figures by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Figures(pub(crate) BTreeMap<String, f64>);

impl Figures {
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Percentiles of nanoseconds, in milliseconds.
    pub(crate) fn percentiles(&mut self, name: &str, histogram: &Histogram<u64>) {
        if histogram.is_empty() {
            return;
        }
        for (percentile, value) in
            [("p50", histogram.value_at_quantile(0.5)), ("p99", histogram.value_at_quantile(0.99)), ("max", histogram.max())]
        {
            self.set(&format!("{name}_{percentile}_ms"), value as f64 / 1e6);
        }
    }
}

impl Run {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)? + "\n").with_context(|| format!("can't write {}", path.display()))
    }

    /// The cases of a scenario that were measured, in the order of the first round.
    pub(crate) fn cases(&self, scenario: &str) -> Vec<BTreeMap<String, u64>> {
        let mut cases = Vec::new();
        for outcome in self.outcomes.iter().filter(|outcome| outcome.scenario == scenario) {
            if !cases.contains(&outcome.case) {
                cases.push(outcome.case.clone());
            }
        }
        cases
    }

    /// A figure's values, by round.
    pub(crate) fn rounds(&self, scenario: &str, server: Kind, case: &[(&str, u64)], figure: &str) -> Rounds {
        let outcomes = self.outcomes.iter().filter(|outcome| outcome.scenario == scenario && outcome.server == server);
        let of_case = outcomes.filter(|outcome| case.iter().all(|(name, value)| outcome.case.get(*name) == Some(value)));
        Rounds(of_case.filter_map(|outcome| Some((outcome.round, outcome.figures.get(figure)?))).collect())
    }

    /// The median over the rounds of a figure, if it was measured.
    pub(crate) fn median(&self, scenario: &str, server: Kind, case: &[(&str, u64)], figure: &str) -> Option<f64> {
        self.rounds(scenario, server, case, figure).median()
    }
}

/// A figure's values by round: what is compared is compared within a round, because the machine drifts between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rounds(pub(crate) BTreeMap<usize, f64>);

impl Rounds {
    /// Joins the rounds that both have.
    pub(crate) fn with(&self, other: &Self, join: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().filter_map(|(round, value)| Some((*round, join(*value, *other.0.get(round)?)))).collect())
    }

    /// The ratios to another's.
    pub(crate) fn over(&self, other: &Self) -> Self {
        self.with(other, |value, other| value / other)
    }

    /// In rising order.
    pub(crate) fn sorted(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.0.values().copied().collect();
        values.sort_by(f64::total_cmp);
        values
    }

    pub(crate) fn median(&self) -> Option<f64> {
        let values = self.sorted();
        let middle = values.len().checked_sub(1)? / 2;
        Some(if values.len() % 2 == 1 { values[middle] } else { (values[middle] + values[middle + 1]) / 2.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(values: &[f64]) -> Rounds {
        Rounds(values.iter().copied().enumerate().collect())
    }

    #[test]
    fn ratios_are_of_the_same_round_and_the_median_is_the_middle() {
        let ratios = rounds(&[10.0, 40.0, 90.0]).over(&rounds(&[10.0, 20.0]));
        assert_eq!(ratios, rounds(&[1.0, 2.0]));
        assert_eq!((ratios.median(), rounds(&[3.0, 1.0, 2.0]).median(), rounds(&[]).median()), (Some(1.5), Some(2.0), None));
    }
}
