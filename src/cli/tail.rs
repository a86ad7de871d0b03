//! `chaincast tail`: what to follow, from where, and how to show it.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, ValueEnum};

use super::{duration, service::Service};
use crate::domain::{Start, Timestamp};

/// What to follow.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Which service.
    #[command(flatten)]
    pub service: Service,
    /// What of it.
    #[command(flatten)]
    pub filter: Selection,
    /// Where to begin: `earliest`, `now`, a cursor such as 7c1f9a02-17 (events behind it), a time such as 2026-02-22T10:00:00Z, or an age such as 10m
    #[arg(long, value_name = "PLACE", default_value = "now")]
    pub from: Beginning,
    /// Keep the cursor in this file, and go on there the next time; --from counts only while there is no such file
    ///
    /// The file is replaced in one step once what stands before the cursor has been written out. Whoever kills this command between the two sees
    /// the last few events again, and misses none. Use one file for each filter and service.
    #[arg(long, value_name = "FILE")]
    pub cursor_file: Option<PathBuf>,
    /// End after so many events
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End once everything there was is shown
    #[arg(long, visible_alias = "no-follow")]
    pub until_live: bool,
    /// End, with what the service says, if events behind the cursor are gone; without it that is told, and it goes on with those that are left
    #[arg(long)]
    pub fail_on_gap: bool,
    /// Write each event as one line of JSON: its envelope, with its cursor in front
    #[arg(long)]
    pub json: bool,
    /// Colour events by their types
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Do not cut lines to the width of the terminal, nor shorten addresses
    #[arg(long)]
    pub full: bool,
    /// End each line with the cursor of its event, for --from
    #[arg(long, conflicts_with = "json")]
    pub cursors: bool,
    /// Say nothing about the stream itself, but for gaps, and that the service cannot be reached
    #[arg(long, short)]
    pub quiet: bool,
    /// End when there was no connection for so many seconds; without it, go on trying
    #[arg(long, value_name = "SECONDS")]
    pub give_up_after: Option<u32>,
    /// After so many seconds without a sign of life connect again; four heartbeats of the service unless it has other settings
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub idle_seconds: u32,
}

impl Tail {
    /// After how long without a connection it ends.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        self.give_up_after.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// After how long without a byte a connection is taken for dead.
    #[must_use]
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds.into())
    }
}

/// What of the service's events; everything when nothing is given.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "What to follow")]
pub struct Selection {
    /// Events of these streams
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub stream: Vec<String>,
    /// Events of these users
    #[arg(long, value_name = "ADDRESS,…", value_delimiter = ',')]
    pub user: Vec<String>,
    /// Events under these topics; `*` is one segment, a last `**` all that follow
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',')]
    pub topic: Vec<String>,
    /// Only events of these types, such as `stream.*`
    #[arg(long = "type", value_name = "PATTERN,…", value_delimiter = ',')]
    pub types: Vec<String>,
    /// All events that the credential may see; the default when nothing else is given
    #[arg(long, conflicts_with_all = ["stream", "user", "topic"])]
    pub all: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// A cursor, or `earliest`.
    Place(String),
    /// With the first event received then or later.
    Since(Timestamp),
    /// With what comes next.
    Now,
}

/// The text says no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginningError {
    /// It is something else.
    #[error(
        "expected `earliest`, `now`, a cursor such as 7c1f9a02-17, a time such as 2026-02-22T10:00:00Z, or an age such as 90s, 10m, 2h or 7d, \
         and no more than 36500d"
    )]
    Unknown,
    /// A seq, a year, or an age without a unit: whatever was meant, too much or too little would be shown.
    #[error(
        "a number alone says no place: give a cursor with its epoch, such as 7c1f9a02-{0}, a time such as 2026-02-22T10:00:00Z, or an age such as \
         {0}m"
    )]
    Number(u64),
}

impl FromStr for Beginning {
    type Err = BeginningError;

    fn from_str(s: &str) -> Result<Self, BeginningError> {
        match Start::parse(s) {
            Ok(Start::Now) => return Ok(Self::Now),
            Ok(Start::Seq(seq)) => return Err(BeginningError::Number(seq.get())),
            Ok(_) => return Ok(Self::Place(s.to_owned())),
            Err(_) => {}
        }
        if let Ok(at) = Timestamp::parse(s) {
            return Ok(Self::Since(at));
        }
        age(s).map(|age| Self::Since(Timestamp::now().minus(age))).ok_or(BeginningError::Unknown)
    }
}

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => f.write_str(place),
            Self::Since(at) => at.fmt(f),
            Self::Now => f.write_str("now"),
        }
    }
}

/// `10m` or `10m ago`.
fn age(s: &str) -> Option<Duration> {
    duration::parse(s.strip_suffix("ago").map_or(s, str::trim_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_cursor_a_time_or_an_age() {
        for place in ["earliest", "7c1f9a02-17"] {
            assert_eq!(place.parse(), Ok(Beginning::Place(place.to_owned())));
        }
        assert_eq!("now".parse(), Ok(Beginning::Now));
        assert_eq!("1970-01-01T01:00:01+01:00".parse(), Ok(Beginning::Since(Timestamp::from_micros(1_000_000))));
        for (text, seconds) in [("90s", 90), ("10m ago", 600), ("2h", 7200), ("7d ago", 604_800), ("5 m ago", 300)] {
            assert_eq!(age(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "ago", "m", "-1m", "1w", "10mm", "yesterday", "99999999999999999999d", "1é"] {
            assert_eq!(bad.parse::<Beginning>(), Err(BeginningError::Unknown), "{bad}");
            assert_eq!(age(bad), None, "{bad}");
        }
        assert_eq!("2020".parse::<Beginning>(), Err(BeginningError::Number(2020)), "a year, or a seq?");
    }

    #[test]
    fn however_old_a_beginning_is_it_can_be_written() {
        for text in ["36500d", "876000h ago"] {
            let beginning: Beginning = text.parse().expect("a hundred years");
            assert!(beginning.to_string().starts_with("19"), "{text}: {beginning}");
        }
        for text in ["36501d", "106751992d", "999999999999d ago", "9999999999999999s", "9223372036854775807s"] {
            assert_eq!(text.parse::<Beginning>(), Err(BeginningError::Unknown), "{text}");
        }
    }
}
