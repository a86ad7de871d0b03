//! The store, and how much of the log it keeps.

use std::time::Duration;

use super::{Database, DatabaseUrl, DatabaseUrlError};
use crate::log::Retention;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The store, and how much of the log it keeps.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Log [log]")]
pub struct Log {
    /// The store: postgres://… or sqlite://path
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, default_value_t = Log::default().database_url)]
    pub database_url: DatabaseUrl,
    /// After how many seconds without an answer a statement is given up, with its connection
    #[arg(long, env = "CHAINCAST_DATABASE_DEADLINE_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3_600), default_value_t = Log::default().database_deadline_seconds)]
    pub database_deadline_seconds: u64,
    /// Events older than this many days may go; without it, age removes nothing
    #[arg(long, env = "CHAINCAST_RETENTION_DAYS", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub retention_days: Option<u32>,
    /// At most this many events are kept; without it, number removes nothing
    #[arg(long, env = "CHAINCAST_RETENTION_EVENTS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub retention_events: Option<u64>,
    /// For how many days a repeated id is known as such; never less than events are kept, so for ever without --retention-days
    #[arg(long, env = "CHAINCAST_DEDUPE_DAYS", value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=36_500), default_value_t = Log::default().dedupe_days)]
    pub dedupe_days: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            database_url: DatabaseUrl::default(),
            database_deadline_seconds: 5,
            retention_days: None,
            retention_events: None,
            dedupe_days: 30,
        }
    }
}

impl Log {
    /// The store.
    ///
    /// # Errors
    /// [`DatabaseUrlError`].
    pub fn database(&self) -> Result<Database, DatabaseUrlError> {
        self.database_url.parse()
    }

    /// When a statement is given up.
    #[must_use]
    pub fn database_deadline(&self) -> Duration {
        Duration::from_secs(self.database_deadline_seconds)
    }

    /// How much to keep.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            max_age: self.retention_days.map(|days| DAY * days),
            max_events: self.retention_events,
            // an id that is forgotten before its event would let the event be stored twice
            dedupe: self.retention_days.map(|days| DAY * days.max(self.dedupe_days)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_at_least_as_long_as_events_are_kept() {
        let log = |retention_days| Log { retention_days, ..Log::default() };
        assert_eq!(log(None).retention().dedupe, None);
        assert_eq!(log(Some(7)).retention().dedupe, Some(30 * DAY));
        assert_eq!(log(Some(90)).retention().dedupe, Some(90 * DAY));
    }
}
