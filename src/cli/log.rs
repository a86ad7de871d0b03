//! `chaincast log export`, `import` and `stats`: a log as lines, and what is known of it.

use std::path::PathBuf;

use clap::Args;

use super::tail::Beginning;

/// A log to write out.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Whose log
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub tenant: String,
    /// Where to begin: `earliest`, a cursor such as 7c1f9a02-17 (events behind it), a time, or an age such as 10m
    #[arg(long, value_name = "PLACE", default_value = "earliest")]
    pub from: Beginning,
    /// Say nothing on the way
    #[arg(long, short)]
    pub quiet: bool,
}

/// Lines to take in.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// What `log export` has written; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Into whose log; made if there is none
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub tenant: String,
    /// Say nothing on the way
    #[arg(long, short)]
    pub quiet: bool,
}

/// What is known of the logs of a store.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Count the events of each type, and show the so many most frequent: reads every event
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub types: usize,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}
