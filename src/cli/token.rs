//! `chaincast token`: what a token may do, and for how long.

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};

use super::duration;
use crate::config::Secret;

/// The longest that a token may hold: it cannot be taken back by itself.
const MAX_SECONDS: u64 = 366 * 86_400;

/// What else to do with tokens.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum TokenCommand {
    /// Show what a token says, without checking it
    ///
    /// Needs no secret. A token in an argument stays in the shell's history: without one it is read from standard input.
    Show {
        /// The token; without it, standard input
        token: Option<Secret>,
    },
}

/// A token that is wanted.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct NewToken {
    /// Whose token it is; `self` in its rights means this
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub sub: Option<String>,
    /// Whose log it is for
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// How long it holds, such as `90s`, `15m`, `12h` or `7d`
    #[arg(long, value_name = "DURATION", value_parser = seconds, default_value = "1h")]
    pub expires_in: u64,
    /// May follow these streams
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub streams: Vec<String>,
    /// May follow these users; `self` is whoever --sub names
    #[arg(long, value_name = "ADDRESS,…", value_delimiter = ',')]
    pub users: Vec<String>,
    /// May follow these topics, such as `market.**`
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',')]
    pub topics: Vec<String>,
    /// May follow every event of its tenant
    #[arg(long)]
    pub all: bool,
    /// May publish events of these types, such as `stream.*`; `**` is every type
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',')]
    pub publish_types: Vec<String>,
    /// May publish under these topics; without it, under any
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',', requires = "publish_types")]
    pub publish_topics: Vec<String>,
    /// Publishes under this source, the scope of its events' ids
    #[arg(long, value_name = "NAME", requires = "publish_types")]
    pub source: Option<String>,
    /// May look after its tenant's keys and revocations
    #[arg(long)]
    pub admin: bool,
    /// May look after every tenant's, and read across them
    #[arg(long, conflicts_with = "admin")]
    pub super_admin: bool,
    /// All that it may do: `{"subscribe":{"users":["self"]},"role":"admin"}`
    #[arg(long, value_name = "JSON", conflicts_with_all = ["streams", "users", "topics", "all", "publish_types", "publish_topics", "source",
        "admin", "super_admin"])]
    pub rights: Option<String>,
}

/// How long a token holds.
fn seconds(text: &str) -> Result<u64, String> {
    let seconds = duration::parse(text).ok_or(duration::WANTED)?.as_secs();
    if (1..=MAX_SECONDS).contains(&seconds) { Ok(seconds) } else { Err("must be between 1s and 366d".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_within_a_year() {
        for (text, found) in [("1s", 1), ("15m", 900), ("366d", MAX_SECONDS)] {
            assert_eq!(seconds(text), Ok(found), "{text}");
        }
        for bad in ["", "5", "-1h", "0s", "367d", "31622401s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
