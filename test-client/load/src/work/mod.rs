//! What scenarios do, one file for each kind of work. Each starts the server it measures and leaves nothing behind.

mod across;
mod churn;
mod comeback;
mod copy;
mod fanout;
mod idle;
mod probe;
mod publish;
mod replay;
mod storm;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context as _;

use crate::{
    cluster::Cluster,
    follow::{Ask, Opening},
    outcome::{Figures, Outcome},
    scenario::{Scenario, Store, Work},
    server::{Kind, Recipe, Server},
};

/// Who follows everything.
pub(crate) const ALL: &str = "/events/subscribe?all=true";
/// Connects under way at once: what a busy front sends, without overrunning a backlog.
const AT_ONCE: usize = 512;

/// Where things are, and what there is.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) chaincast: PathBuf,
    pub(crate) peers: PathBuf,
    pub(crate) postgres: Option<Cluster>,
    pub(crate) scratch: PathBuf,
}

/// A scenario on one server in one round.
pub(crate) struct Job<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) scenario: &'a Scenario,
    pub(crate) kind: Kind,
    pub(crate) round: usize,
}

impl Bench {
    pub(crate) fn recipe(&self, scenario: &Scenario, kind: Kind) -> Recipe {
        let mut env: Vec<_> = scenario.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        env.push(("CHAINCAST_DRAIN_SECONDS".to_owned(), "1".to_owned()));
        Recipe {
            kind,
            workers: scenario.workers,
            env,
            postgres: None,
            chaincast: self.chaincast.clone(),
            peers: self.peers.clone(),
            scratch: self.scratch.clone(),
        }
    }
}

impl Job<'_> {
    /// Does it; calls `done` with each case that is measured.
    pub(crate) fn run(&self, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
        match &self.scenario.work {
            Work::Idle(work) => idle::run(self, work, done),
            Work::Fanout(work) => fanout::run(self, work, done),
            Work::Storm(work) => storm::run(self, work, done),
            Work::Comeback(work) => comeback::run(self, work, done),
            Work::Across(work) => across::run(self, work, done),
            Work::Replay(work) => replay::run(self, work, done),
            Work::Churn(work) => churn::run(self, work, done),
            Work::Publish(work) => publish::run(self, work, done),
        }
    }

    /// A server with a store of its own.
    fn start(&self) -> anyhow::Result<Server> {
        self.start_with_commit_delay(0)
    }

    fn start_with_commit_delay(&self, microseconds: u32) -> anyhow::Result<Server> {
        let recipe = self.recipe()?;
        if recipe.postgres.is_some() && microseconds > 0 {
            self.cluster()?.delay_commits(microseconds)?;
        }
        recipe.start()
    }

    /// How to start servers on one new store.
    fn recipe(&self) -> anyhow::Result<Recipe> {
        let mut recipe = self.bench.recipe(self.scenario, self.kind);
        if self.kind == Kind::Chaincast && self.scenario.store == Store::Postgres {
            recipe.postgres = Some(self.cluster()?.fresh_database()?);
        }
        Ok(recipe)
    }

    fn cluster(&self) -> anyhow::Result<&Cluster> {
        self.bench.postgres.as_ref().context("this scenario needs --postgres")
    }

    fn outcome(&self, case: &[(&str, u64)], figures: Figures) -> Outcome {
        Outcome {
            scenario: self.scenario.name.clone(),
            server: self.kind,
            round: self.round,
            case: case.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<BTreeMap<_, _>>(),
            figures,
        }
    }
}

fn opening(server: &Server, path: &str, count: usize, groups: u64) -> Opening {
    Opening { server: server.addr, ask: Ask { path: path.to_owned(), ..Ask::default() }, count, groups, at_once: AT_ONCE }
}
