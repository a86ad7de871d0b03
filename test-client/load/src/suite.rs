//! Runs scenarios: the servers of a scenario in turn, round by round, so that what drifts on a shared machine drifts for all of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    cluster::Cluster,
    interrupt,
    outcome::{Outcome, Run},
    report,
    scenario::{Scenario, Store},
    server::Kind,
    usage,
    work::{Bench, Job},
};

/// Where the scenario files are, seen from the root of the repository.
pub(crate) const SCENARIOS: &str = "test-client/load/scenarios";

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Scenarios by name; all of the folder without any
    names: Vec<String>,
    /// The folder of the scenario files
    #[arg(long, default_value = SCENARIOS)]
    scenarios: PathBuf,
    /// Only these servers
    #[arg(long, value_delimiter = ',', value_parser = server)]
    servers: Vec<Kind>,
    /// Rounds, instead of those that the scenarios say
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    rounds: Option<usize>,
    /// chaincast's binary
    #[arg(long, default_value = "target/release/chaincast")]
    chaincast: PathBuf,
    /// The folder of the peers
    #[arg(long, default_value = "test-client/load/peers")]
    peers: PathBuf,
    /// A PostgreSQL server, by the URL of a superuser's database; scenarios on PostgreSQL are skipped without it
    #[arg(long, env = "CHAINCAST_LOAD_POSTGRES", hide_env_values = true)]
    postgres: Option<String>,
    /// Where the servers have their files, on the disk that is to be measured
    #[arg(long, default_value = "target/load")]
    scratch: PathBuf,
    /// Where to write what was measured
    #[arg(long)]
    json: Option<PathBuf>,
    /// Keep what the file has of other scenarios and say which were measured anew
    #[arg(long, requires = "json")]
    add: bool,
}

fn server(name: &str) -> Result<Kind, String> {
    serde_json::from_value(serde_json::Value::from(name)).map_err(|error| error.to_string())
}

/// Lists the scenarios.
pub(crate) fn list(folder: &Path) -> anyhow::Result<()> {
    for scenario in Scenario::read_all(folder, &[])? {
        println!("{:<22} {}", scenario.name, scenario.title);
    }
    Ok(())
}

/// Runs what `options` say. What fails is told at the end, and does not keep the rest from being measured.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let scenarios = Scenario::read_all(&options.scenarios, &options.names)?;
    fs::create_dir_all(&options.scratch).with_context(|| format!("can't make {}", options.scratch.display()))?;
    let bench = Bench {
        chaincast: options
            .chaincast
            .canonicalize()
            .with_context(|| format!("no {}: cargo build --release", options.chaincast.display()))?,
        peers: options.peers.clone(),
        postgres: options.postgres.clone().map(Cluster::new),
        scratch: options.scratch.canonicalize()?,
    };
    interrupt::watch()?;
    let mut run = begin(options, &scenarios)?;
    // before half an hour has passed
    save(options, &run)?;
    println!("{} · commit {}", run.machine, run.commit);
    let plan = plan(options, &bench, &scenarios, &mut run)?;
    let bar = ProgressBar::new(plan.len() as u64);
    bar.set_style(ProgressStyle::with_template("{pos}/{len} {elapsed} {msg}")?);
    let mut failures = Vec::new();
    for job in plan {
        let what = format!("{} on {}, round {}", job.scenario.name, job.kind, job.round + 1);
        bar.set_message(what.clone());
        let done = job.run(&mut |outcome| {
            bar.suspend(|| print(&outcome));
            run.outcomes.push(outcome);
        });
        if let Err(error) = done {
            let words = interrupt::take_last_words();
            bar.suspend(|| println!("{what} failed: {error:#}\n{words}"));
            failures.push(what);
        }
        bar.inc(1);
        save(options, &run)?;
    }
    bar.finish_and_clear();
    for scenario in scenarios.iter().filter(|scenario| !scenario.columns.is_empty()) {
        println!("\n{}\n\n{}", scenario.title, report::table_of(&run, scenario));
    }
    for (server, why) in &run.skipped {
        println!("skipped {server}: {why}");
    }
    ensure!(failures.is_empty(), "failed: {}", failures.join("; "));
    Ok(())
}

fn save(options: &Options, run: &Run) -> anyhow::Result<()> {
    options.json.as_ref().map_or(Ok(()), |path| run.write(path))
}

/// A new run, or an old one without what is to be measured anew.
fn begin(options: &Options, scenarios: &[Scenario]) -> anyhow::Result<Run> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let fresh = Run { machine: usage::machine(), commit: commit(), at, ..Run::default() };
    let Some(path) = options.json.as_ref().filter(|_| options.add) else { return Ok(fresh) };
    let mut run = Run::read(path)?;
    ensure!(run.machine == fresh.machine, "{} was measured on another machine: {}", path.display(), run.machine);
    for scenario in scenarios {
        run.outcomes.retain(|outcome| outcome.scenario != scenario.name);
        run.anew.insert(scenario.name.clone(), fresh.commit.clone());
    }
    Ok(run)
}

/// What is to be done, in order: the servers of a scenario in turn, round by round.
fn plan<'a>(options: &Options, bench: &'a Bench, scenarios: &'a [Scenario], run: &mut Run) -> anyhow::Result<Vec<Job<'a>>> {
    let mut plan = Vec::new();
    let mut peers: BTreeMap<Kind, Result<(), String>> = BTreeMap::new();
    for scenario in scenarios {
        if scenario.store == Store::Postgres && bench.postgres.is_none() {
            run.skipped.insert(scenario.name.clone(), "needs --postgres".to_owned());
            continue;
        }
        let wanted = scenario.servers.iter().filter(|kind| options.servers.is_empty() || options.servers.contains(kind));
        let mut ready = Vec::new();
        for &kind in wanted {
            let installed = peers.entry(kind).or_insert_with(|| {
                println!("preparing {kind}");
                bench.recipe(scenario, kind).install()
            });
            match installed {
                Ok(()) => ready.push(kind),
                Err(why) => drop(run.skipped.insert(kind.name().to_owned(), why.clone())),
            }
        }
        for round in 0..options.rounds.unwrap_or(scenario.rounds) {
            plan.extend(ready.iter().map(|&kind| Job { bench, scenario, kind, round }));
        }
    }
    let why: Vec<_> = run.skipped.iter().map(|(what, why)| format!("; {what}: {why}")).collect();
    ensure!(!plan.is_empty(), "nothing to measure{}", why.concat());
    Ok(plan)
}

fn print(outcome: &Outcome) {
    let case: Vec<_> = outcome.case.iter().map(|(name, value)| format!("{name} {value}")).collect();
    println!("{} · {} · {} · round {}", outcome.scenario, outcome.server, case.join(", "), outcome.round + 1);
    for (name, value) in &outcome.figures.0 {
        println!("    {name:<36} {value:>16.3}");
    }
}

/// What the servers were built from, as far as the repository tells.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if !changes.is_empty() => hash + " with changes",
        _ => hash,
    }
}
