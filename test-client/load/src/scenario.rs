//! Scenario files: what is measured, on which servers, at which sizes. They are checked in, so that a figure can be had again.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::server::Kind;

/// A scenario file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The file's name, without its ending.
    #[serde(skip)]
    pub(crate) name: String,
    /// In a line, for people.
    pub(crate) title: String,
    pub(crate) servers: Vec<Kind>,
    /// How often everything is repeated, the servers in turn; the report takes medians.
    #[serde(default = "one")]
    pub(crate) rounds: usize,
    #[serde(default = "one")]
    pub(crate) workers: usize,
    /// chaincast's store.
    #[serde(default)]
    pub(crate) store: Store,
    /// chaincast's settings.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// The figures of the report's table.
    #[serde(default)]
    pub(crate) columns: Vec<String>,
    pub(crate) work: Work,
}

fn one<T: From<u8>>() -> T {
    1.into()
}

/// chaincast's store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Store {
    #[default]
    Sqlite,
    Postgres,
}

/// What is done.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    Idle(Idle),
    Fanout(Fanout),
    Storm(Storm),
    Across(Across),
    Comeback(Comeback),
    Replay(Replay),
    Churn(Churn),
    Publish(Publish),
}

/// Connections that receive nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Idle {
    pub(crate) connections: Vec<usize>,
    /// One event to everyone first: buffers that grow with the first delivery count as memory of a connection.
    #[serde(default)]
    pub(crate) after_an_event: bool,
    #[serde(default = "all")]
    pub(crate) path: String,
    /// Of the followers; 1 for those that follow the same.
    #[serde(default = "one")]
    pub(crate) groups: u64,
}

/// Events to connections that are there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fanout {
    pub(crate) connections: Vec<usize>,
    /// Follower `i` receives the events `n` with `n % groups == i % groups`; 0: as many groups as connections.
    #[serde(default = "one_group_list")]
    pub(crate) groups: Vec<u64>,
    /// Connections besides, which read nothing.
    #[serde(default = "none_list")]
    pub(crate) deaf: Vec<usize>,
    /// Path and query; `{i}` is the group.
    #[serde(default = "all")]
    pub(crate) path: String,
    /// Events after the warm-up.
    pub(crate) events: u64,
    /// Events before the clock starts.
    #[serde(default = "one")]
    pub(crate) warm_up: u64,
    #[serde(default = "one")]
    pub(crate) batch: u64,
    /// Events a second; without it, as fast as they are acknowledged.
    pub(crate) rate: Option<f64>,
    /// Asks for a new stream and for `/health/live` all the while.
    #[serde(default)]
    pub(crate) probes: bool,
}

/// Everyone comes back after a crash.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Storm {
    pub(crate) connections: usize,
    /// Events that everyone has missed.
    pub(crate) missed: u64,
}

/// Everyone comes back from behind the ring, beside a few that follow live.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Comeback {
    pub(crate) connections: usize,
    /// Events of its own that each has missed.
    pub(crate) missed: u64,
    /// Connections that follow everything, live.
    pub(crate) live: usize,
    /// Events a second.
    pub(crate) rate: f64,
    /// Of each phase.
    pub(crate) seconds: f64,
}

/// Two instances on one store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Across {
    pub(crate) backplane: Backplane,
    /// On each.
    pub(crate) connections: usize,
    pub(crate) events: u64,
    #[serde(default = "one")]
    pub(crate) batch: u64,
    /// Events a second; without it, as fast as they are acknowledged.
    pub(crate) rate: Option<f64>,
}

/// What tells one that the other has stored something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Backplane {
    Local,
    Redis,
    Postgres,
}

impl Backplane {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }
}

/// A client far behind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    pub(crate) events: u64,
    /// Clients that replay at the same time.
    pub(crate) clients: Vec<usize>,
}

/// Connections that come and go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Churn {
    /// Opened in all, in waves.
    pub(crate) connections: usize,
    pub(crate) waves: usize,
}

/// Durable publishing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    pub(crate) events: u64,
    pub(crate) batch: u64,
    pub(crate) publishers: Vec<usize>,
    /// Microseconds that each commit on PostgreSQL waits, for a disk slower than this machine's (`commit_delay`).
    #[serde(default)]
    pub(crate) commit_delay: u32,
    /// Loads the same rows into the same tables with COPY, a batch a transaction.
    #[serde(default)]
    pub(crate) against_copy: bool,
}

fn all() -> String {
    crate::work::ALL.to_owned()
}
fn one_group_list() -> Vec<u64> {
    vec![1]
}
fn none_list() -> Vec<usize> {
    vec![0]
}

impl Scenario {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
        let mut scenario: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        scenario.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(scenario)
    }

    /// Those in `folder`, or of them those that are named, in the order of their names.
    pub(crate) fn read_all(folder: &Path, names: &[String]) -> anyhow::Result<Vec<Self>> {
        let entries = fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
        paths.sort();
        let all = paths.iter().map(|path| Self::read(path)).collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(unknown) = names.iter().find(|name| all.iter().all(|scenario| scenario.name != **name)) {
            let known: Vec<_> = all.iter().map(|scenario| scenario.name.as_str()).collect();
            anyhow::bail!("no scenario {unknown}; there are {}", known.join(", "));
        }
        let chosen: Vec<_> = all.into_iter().filter(|scenario| names.is_empty() || names.contains(&scenario.name)).collect();
        ensure!(!chosen.is_empty(), "no scenario in {}", folder.display());
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_checked_in_scenario_is_read() {
        for folder in ["scenarios", "scenarios/quick"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            Scenario::read_all(&folder, &[]).expect("readable scenarios");
        }
    }
}
