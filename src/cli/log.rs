//! `chaincast log export`, `import` and `stats`: a log as lines, and what is known of it.

use std::path::PathBuf;

use clap::Args;

use super::tail::Beginning;

/// What stands behind the flags in the long help of `export`.
pub(super) const EXPORT_EXAMPLES: &str = "\
Examples:
  chaincast log export > events.ndjson
  chaincast log export --tenant acme --from 7c1f9a02-17 | zstd > since.ndjson.zst
  chaincast log export | jq -c 'select(.type == \"stream.created\")'
  chaincast log export | DATABASE_URL=postgres://… chaincast log import -

The service may run meanwhile. contentDigest is that of what the publisher sent: an import keeps it, so that what is sent again there is known as a
repetition. Take it out of events that you change. To move a log with its numbers, so that clients go on where they are, use `chaincast log copy`.";

/// What stands behind the flags in the long help of `import`.
pub(super) const IMPORT_EXAMPLES: &str = "\
Examples:
  chaincast log import events.ndjson
  zstdcat since.ndjson.zst | chaincast log import --tenant acme -

Events get new numbers, and the time of the import as receivedAt. Ids and sources are kept: what is in the log already is left out, so that an import that
was interrupted is simply run again. To move a log with its numbers, so that clients go on where they are, use `chaincast log copy`.

Ends with 0 when every event is in the log, with 1 when it stopped before the end, with 2 when some ids were known with other content and were left as they
are stored.";

/// What stands behind the flags in the long help of `stats`.
pub(super) const STATS_EXAMPLES: &str = "\
Examples:
  chaincast log stats
  chaincast log stats --types 10           and the ten most frequent types of each log; reads all events
  chaincast log stats --json | jq '.logs[] | {name, events}'";

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
