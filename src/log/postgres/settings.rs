//! How the adapter uses its Postgres.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::log::LogError;

/// What may stand behind the `?` of a URL; sqlx passes over anything else with a warning that shows the value, which may be a misspelt password's.
const PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

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
        let query = url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
        let mut names = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap_or_default());
        if names.any(|name| !PARAMETERS.contains(&name) && name != "options" && !name.starts_with("options[")) {
            return Err("has a parameter that is none of PostgreSQL's".to_owned());
        }
        url.parse::<PgConnectOptions>().map(drop).map_err(|error| {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(within) = cause.source() {
                cause = within;
            }
            cause.to_string()
        })
    }

    /// What every session of the log is opened with, and those that listen to what is said of it.
    pub(crate) fn options(&self, url: &str) -> Result<PgConnectOptions, LogError> {
        Self::check(url).map_err(|error| LogError::Internal(format!("database url: {error}")))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_parameter_is_refused_and_not_shown() {
        for good in ["postgres://u:p@h/d", "postgres://h/d?sslmode=require&password=x&options[search_path]=a", "postgres:///d?host=/run"] {
            assert_eq!(PostgresSettings::check(good), Ok(()), "{good}");
        }
        let refused = PostgresSettings::check("postgres://h/d?passwrod=hunter2").expect_err("misspelt");
        assert!(!refused.contains("hunter2"), "{refused}");
        assert!(PostgresSettings::default().options("postgres://h/d?passwrod=hunter2").is_err());
    }
}
