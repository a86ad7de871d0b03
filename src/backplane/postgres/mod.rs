//! LISTEN and NOTIFY of the Postgres that has the log: no further server, ranges only.
//!
//! A connection is two sessions. One listens and does nothing else; one speaks, each time with one statement that is a transaction of its
//! own and writes no row. So announcing is no part of an append (`nothing_is_notified_before_the_append_is_committed`), and the lock under
//! which Postgres brings notifications into the order of commits is never held while something is flushed.
//!
//! What is given up is left to the common part: any failure ends the connection, and it asks for a new one. What `docs/backplane.md` says
//! of costs is measured by the scenarios `notify-single` and `notify-batch` of the load tool.

mod payload;
mod sessions;
mod waiting;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, timeout_at};

use self::sessions::Sessions;
use super::{
    Inbox, Link, LinkSettings,
    carrier::{Carrier, Connection, Lost},
};
use crate::log::{LogError, PostgresSettings};

/// How long one call may take: at the client, and what is sent at the server.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long of it, from the start of a connect, until an echo must have come back; the rest is for finding out why it did not.
const ECHO_WITHIN: Duration = Duration::from_secs(4);

impl Link {
    /// A backplane through LISTEN and NOTIFY of the database that a `postgres://` URL names, in sessions opened as the store's are. Begins
    /// to connect, on the current runtime, and does not wait for it.
    ///
    /// # Errors
    /// [`LogError::Internal`] for a malformed URL, which the text does not repeat.
    pub fn over_postgres(url: &str, settings: &LinkSettings) -> Result<(Arc<Self>, Inbox), LogError> {
        Ok(Self::start(Notifications::of(url)?, settings))
    }
}

/// Carries messages through the notifications of one database.
struct Notifications {
    options: PgConnectOptions,
}

impl Notifications {
    fn of(url: &str) -> Result<Self, LogError> {
        let settings =
            PostgresSettings { application_name: "chaincast backplane".into(), statement_timeout: DEADLINE, ..PostgresSettings::default() };
        let options = settings.options(url)?.options([
            // notifications do not outlive the server in any case: no commit of theirs has to be flushed
            ("synchronous_commit", "off"),
            // a session that listens says nothing for as long as it lives
            ("idle_session_timeout", "0"),
            // a listener that is gone without a word, or reads no more, keeps the server from reusing its queue: it is to notice within
            // half a minute
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "4"),
            ("tcp_user_timeout", "30000"),
        ]);
        Ok(Self { options })
    }
}

#[async_trait]
impl Carrier for Notifications {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn max_message(&self) -> usize {
        payload::MAX_MESSAGE
    }

    fn carries_events(&self) -> bool {
        false
    }

    async fn connect(&self) -> Result<Box<dyn Connection>, Lost> {
        let start = Instant::now();
        let (echo_by, end) = (start + ECHO_WITHIN, start + DEADLINE);
        let opened = timeout_at(echo_by, Sessions::open(&self.options)).await;
        let mut sessions = opened.map_err(|_| Lost(format!("no connection within {ECHO_WITHIN:?}")))??;
        match timeout_at(echo_by, sessions.echo()).await {
            Ok(heard) => heard?,
            Err(_) => return Err(sessions.why_no_echo(end).await),
        }
        Ok(Box::new(sessions))
    }
}
