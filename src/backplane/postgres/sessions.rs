//! A connection: the session that listens, and the one that speaks.
//!
//! sqlx's `PgListener` is the only way to its notifications, and hides losses: it connects anew by itself, but not for every error, and
//! never when nothing is heard any more. Here it does none of that. The first error or end is told and ends the connection, and silence is
//! broken by an **echo**: a notification to a channel of this connection's own, from the session that speaks, that the one that listens has
//! to hear.

use std::{collections::HashSet, fmt::Write as _, future::Future};

use async_trait::async_trait;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, PgConnection, Row as _,
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgListener, PgNotification},
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{DEADLINE, payload, waiting::Waiting};
use crate::backplane::carrier::{Channel, ChannelNames, Connection, Lost};

/// One statement whatever the number of messages: one transaction, and all go out in its order at its commit.
const NOTIFY: &str = "SELECT count(pg_notify(m.channel, m.payload)) FROM unnest($1::text[], $2::text[]) AS m(channel, payload)";
const POOLED: &str = "LISTEN does not work through a transaction pooler: give a direct DATABASE_URL, or use REDIS_URL (the server takes LISTEN, and no notification comes)";

/// A session that listens, and one that speaks.
pub(super) struct Sessions {
    listener: PgListener,
    speaker: PgConnection,
    /// The channel of echoes, which nobody else knows.
    echo: String,
    echoes: u64,
    followed: HashSet<String>,
    waiting: Waiting,
}

impl Sessions {
    /// Opens both, and listens for echoes.
    pub(super) async fn open(options: &PgConnectOptions) -> Result<Self, Lost> {
        // first the one that says at once what is wrong: a pool tries again until its time is over, and then says only that it is
        let mut speaker = options.connect().await.map_err(lost)?;
        is_encoded(&mut speaker).await?;
        let pool = PoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).acquire_timeout(DEADLINE);
        let mut listener = PgListener::connect_with(&pool.connect_lazy_with(options.clone())).await.map_err(lost)?;
        listener.ignore_pool_close_event(true);
        // whoever reconnects in secret has lost in secret
        listener.eager_reconnect(false);
        let echo = format!("chaincast_echo_{:032x}", fastrand::u128(..));
        listener.listen(&echo).await.map_err(lost)?;
        Ok(Self { listener, speaker, echo, echoes: 0, followed: HashSet::new(), waiting: Waiting::default() })
    }

    /// Notifies itself, and waits until it has heard that. What it hears besides is kept.
    pub(super) async fn echo(&mut self) -> Result<(), Lost> {
        self.echoes += 1;
        let (channel, sent) = (self.echo.clone(), self.echoes.to_string());
        self.notify(&[channel], std::slice::from_ref(&sent)).await?;
        loop {
            let notification = self.heard().await?;
            if notification.channel() != self.echo {
                self.keep(&notification);
            } else if notification.payload() == sent {
                return Ok(());
            }
        }
    }

    /// Why an echo did not come in time: if the session that should have heard it answers, nothing is wrong but that it does not listen.
    pub(super) async fn why_no_echo(&mut self, end: Instant) -> Lost {
        match timeout_at(end, sqlx::raw_sql("SELECT 1").execute(&mut self.listener)).await {
            Ok(Ok(_)) => Lost(POOLED.into()),
            Ok(Err(error)) => lost(error),
            Err(_) => Lost("the server does not answer".into()),
        }
    }

    async fn notify(&mut self, channels: &[String], payloads: &[String]) -> Result<(), Lost> {
        let statement = sqlx::query(NOTIFY).bind(channels).bind(payloads);
        statement.execute(&mut self.speaker).await.map(drop).map_err(lost)
    }

    async fn heard(&mut self) -> Result<PgNotification, Lost> {
        let heard = self.listener.try_recv().await.map_err(lost)?;
        heard.ok_or_else(|| Lost("the server has closed the session that listens".into()))
    }

    fn keep(&mut self, notification: &PgNotification) {
        self.waiting.push(payload::read(notification.payload()));
    }
}

#[async_trait]
impl Connection for Sessions {
    async fn listen(&mut self, channels: &HashSet<Channel>, names: &ChannelNames) -> Result<(), Lost> {
        let wanted: HashSet<String> = channels.iter().map(|channel| names.name(*channel)).collect();
        let mut statements = String::new();
        for (verb, names) in [("UNLISTEN", self.followed.difference(&wanted)), ("LISTEN", wanted.difference(&self.followed))] {
            for name in names {
                // writing to a string can't fail
                let _ = write!(statements, "{verb} {};", identifier(name));
            }
        }
        if !statements.is_empty() {
            within(sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.listener)).await?;
            self.followed = wanted;
        }
        // what came before the answer stands in a queue of sqlx's without a bound: no more than was on its way, and it ends here
        while let Some(notification) = self.listener.next_buffered() {
            self.keep(&notification);
        }
        Ok(())
    }

    async fn send(&mut self, messages: Vec<(Channel, Vec<u8>)>, names: &ChannelNames) -> Result<(), Lost> {
        let fitting = messages.into_iter().filter_map(|(channel, message)| Some((names.name(channel), payload::write(&message)?)));
        let (channels, payloads): (Vec<_>, Vec<_>) = fitting.unzip();
        if channels.is_empty() {
            return Ok(());
        }
        timeout(DEADLINE, self.notify(&channels, &payloads)).await.unwrap_or_else(|_| Err(silent()))
    }

    async fn next(&mut self) -> Result<Vec<u8>, Lost> {
        if let Some(message) = self.waiting.pop() {
            return Ok(message);
        }
        loop {
            let notification = self.heard().await?;
            if notification.channel() != self.echo {
                return Ok(payload::read(notification.payload()));
            }
        }
    }

    async fn ping(&mut self) -> Result<(), Lost> {
        timeout(DEADLINE, self.echo()).await.unwrap_or_else(|_| Err(silent()))
    }
}

/// Refuses a database whose texts may be no texts: sqlx panics over a notification of such, and whoever may connect can send one.
async fn is_encoded(speaker: &mut PgConnection) -> Result<(), Lost> {
    let row = sqlx::query("SELECT current_setting('server_encoding')").fetch_one(speaker).await.map_err(lost)?;
    let encoding: String = row.try_get(0).map_err(lost)?;
    if encoding == "SQL_ASCII" {
        return Err(Lost("the database's encoding is SQL_ASCII: LISTEN needs one that says what a text is, such as UTF8".into()));
    }
    Ok(())
}

async fn within<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Lost> {
    timeout(DEADLINE, statement).await.map_or_else(|_| Err(silent()), |done| done.map_err(lost))
}

fn lost(error: sqlx::Error) -> Lost {
    Lost(error.to_string())
}

fn silent() -> Lost {
    Lost(format!("no answer within {DEADLINE:?}"))
}

/// A name as it is, whatever is in it.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn a_name_cannot_end_its_quotes() {
        assert_eq!(identifier("chaincast:log"), "\"chaincast:log\"");
        assert_eq!(identifier("a\"; DROP TABLE logs; --"), "\"a\"\"; DROP TABLE logs; --\"");
    }
}
