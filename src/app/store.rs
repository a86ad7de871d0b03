//! Picks the store that the settings name, and waits for it a little.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use crate::{
    config::{self, Database},
    log::{LogError, PostgresLog, PostgresSettings, SqliteLog, SqliteSettings, Store},
};

/// How long a start waits for a store that is not there yet: databases often start together with those who need them.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Opens a store that must be there: who looks after a log does not want to make one by mistake.
pub(super) async fn open_existing(settings: &config::Log) -> anyhow::Result<Arc<dyn Store>> {
    if let Database::Sqlite(path) = settings.database()?
        && !path.exists()
    {
        anyhow::bail!("there is no log at {}: run this where the service runs, or set DATABASE_URL", path.display());
    }
    open(settings).await
}

/// Opens the store and brings its schema up to date.
pub(super) async fn open(settings: &config::Log) -> anyhow::Result<Arc<dyn Store>> {
    let database = settings.database()?;
    let deadline = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match try_open(&database, settings.database_deadline()).await {
            Ok(log) => return Ok(log),
            Err(error @ LogError::Unavailable(_)) if Instant::now() < deadline => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(store = %database, %error, patience_seconds = PATIENCE.as_secs(), "waiting for the store");
                }
                sleep(PAUSE).await;
            }
            Err(error) => return Err(error).with_context(|| format!("cannot open the log in {database}")),
        }
    }
}

async fn try_open(database: &Database, deadline: Duration) -> Result<Arc<dyn Store>, LogError> {
    Ok(match database {
        Database::Sqlite(path) => {
            Arc::new(SqliteLog::open_file(path, SqliteSettings { statement_timeout: deadline, ..SqliteSettings::default() }).await?)
        }
        Database::Postgres(url) => {
            Arc::new(PostgresLog::connect(url, PostgresSettings { statement_timeout: deadline, ..PostgresSettings::default() }).await?)
        }
    })
}
