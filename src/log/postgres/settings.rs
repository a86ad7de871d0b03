//! How the adapter uses its Postgres.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::log::LogError;

/// Settings of [`super::PostgresLog`].
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// The most connections of this instance.
    pub max_connections: usize,
    /// How long to wait for a connection, a free one or a new one.
    pub connect_timeout: Duration,
    /// How long a statement may take, at the client and at the server; then its connection is dropped.
    pub statement_timeout: Duration,
    /// How long the migrations may take at start, waiting for another instance's included.
    pub migration_timeout: Duration,
    /// Accept a server with `fsync=off`, which loses acknowledged events with its power. For tests.
    pub allow_unsafe_fsync: bool,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// The most events that one step of a trim deletes.
    pub trim_step: u32,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            max_connections: 8,
            connect_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(5),
            migration_timeout: Duration::from_secs(60),
            allow_unsafe_fsync: false,
            application_name: "chaincast".into(),
            trim_step: 2000,
        }
    }
}

impl PostgresSettings {
    /// Whether a URL can be read, as far as that shows before anything is asked of the network.
    ///
    /// # Errors
    /// Which part of it is wrong; never the URL, which holds a password.
    pub fn check(url: &str) -> Result<(), String> {
        // what is only worth a warning is told at start
        let silent = tracing::subscriber::NoSubscriber::default();
        let read = tracing::subscriber::with_default(silent, || url.parse::<PgConnectOptions>());
        read.map(drop).map_err(|error| {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(within) = cause.source() {
                cause = within;
            }
            cause.to_string()
        })
    }

    /// What every session of the log is opened with, and those that listen to what is said of it.
    pub(crate) fn options(&self, url: &str) -> Result<PgConnectOptions, LogError> {
        // the error names the part of the url that is wrong and not the url, which holds a password
        let options: PgConnectOptions = url.parse().map_err(|error| LogError::Internal(format!("database url: {error}")))?;
        let statement_timeout = self.statement_timeout.as_millis().max(1).to_string();
        let options = options.application_name(&self.application_name).options([
            ("synchronous_commit", "on"),
            ("default_transaction_isolation", "read committed"),
            ("statement_timeout", statement_timeout.as_str()),
            // notices within a second that the client is gone, so that a queue of dead appends does not hold the head
            ("client_connection_check_interval", "1s"),
            // every statement is a short walk along a primary key; fresh or stale statistics must not talk the planner into a scan or a sort
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            // a log of ids that was empty when the plan was made would be copied whole for each append, and searched for each id
            ("enable_material", "off"),
            ("jit", "off"),
        ]);
        Ok(options)
    }
}
