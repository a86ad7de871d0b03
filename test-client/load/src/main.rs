//! chaincast's load tool: opens thousands of event streams, publishes, checks what each received, and measures the server, beside its peers.
//!
//! ```text
//! scenarios/*.toml ─▶ suite ─▶ work (idle, fan-out, storm, replay, churn, publish) ─▶ outcome (JSON) ─▶ report (tables, pictures)
//!                                │
//!                                ├─ server   starts chaincast, the floor or a peer, and reads what its processes take
//!                                ├─ follow   all followers on one thread with one epoll
//!                                └─ publish  keep-alive connections with a fixed schedule, or flat out
//! ```
//!
//! Every figure is a ratio's half: servers are measured in turn within one run, and the report compares them there. A run whose followers did not
//! each receive exactly their events, in order, is no result but an error.

mod clock;
mod cluster;
mod floor;
mod follow;
mod http;
mod interrupt;
mod mark;
mod outcome;
mod publish;
mod redis;
mod reliability;
mod report;
mod scenario;
mod server;
mod suite;
mod usage;
mod work;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Measures chaincast beside its peers
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios and write what was measured
    Run(suite::Options),
    /// Write the tables and pictures of a run into a document
    Report(report::Options),
    /// Write what the suite of faults has left into a document
    Reliability(reliability::Options),
    /// Serve the floor: a bare epoll loop that sends each event to everyone
    Floor {
        /// Address and port to listen on
        listen: SocketAddr,
    },
    /// List the scenarios
    List {
        /// The folder of the scenario files
        #[arg(long, default_value = suite::SCENARIOS)]
        scenarios: PathBuf,
    },
}

fn main() -> ExitCode {
    // followers take a descriptor each; the servers inherit the limit
    let done = raise_descriptors().and_then(|()| match Cli::parse().command {
        Command::Run(options) => suite::run(&options),
        Command::Report(options) => report::write(&options),
        Command::Reliability(options) => reliability::write(&options),
        Command::Floor { listen } => floor::serve(listen),
        Command::List { scenarios } => suite::list(&scenarios),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaincast-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn raise_descriptors() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
