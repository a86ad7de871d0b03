//! `chaincast publish`: what to publish, how much at once, and what to do about what the service will not have.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::service::Service;

/// What to publish.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// What to read: one event a line (NDJSON), an array of events, or one event; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Which service.
    #[command(flatten)]
    pub service: Service,
    /// The most events of a request; the service takes 1000 unless it has other settings
    #[arg(long, value_name = "EVENTS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch: u32,
    /// The most bytes of a request, but for a single event; the service takes 4 MiB unless it has other settings
    #[arg(long, value_name = "BYTES", default_value_t = 2 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    pub batch_max_bytes: u32,
    /// Send what there is after so many milliseconds, also when a batch is not full
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 100)]
    pub linger_ms: u32,
    /// Give each event without an id this text and the number of its line as id (and .2, .3 and so on behind it where several events share a line): the
    /// same file has the same ids each time
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new(), conflicts_with = "allow_missing_ids")]
    pub id_prefix: Option<String>,
    /// Publish events without an id under one that is made up here: run again, the same input is published twice
    #[arg(long)]
    pub allow_missing_ids: bool,
    /// What to do when an id is known with other content: stop before it, or keep what is stored and go on
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub on_conflict: OnConflict,
    /// Write what is not taken to this new file, and go on; without it, stop before it
    #[arg(long, value_name = "FILE")]
    pub skip_invalid: Option<PathBuf>,
    /// End when the service has taken nothing for so many seconds; without it, wait for it
    #[arg(long, value_name = "SECONDS")]
    pub give_up_after: Option<u32>,
    /// Read and check everything by the rules of a service with the usual limits, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Say nothing on the way
    #[arg(long, short)]
    pub quiet: bool,
}

impl Publish {
    /// After how long a batch is sent that is not full.
    #[must_use]
    pub fn linger(&self) -> Duration {
        Duration::from_millis(self.linger_ms.into())
    }

    /// After how long without success it ends.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        self.give_up_after.map(|seconds| Duration::from_secs(seconds.into()))
    }
}

/// What to do when an id is known with other content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OnConflict {
    /// Stop before it
    #[default]
    Refuse,
    /// Leave what is stored, and go on
    Keep,
}
