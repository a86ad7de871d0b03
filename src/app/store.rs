//! Picks the store that the settings name, and waits for it a little.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    config::{self, Database},
    log::{LogError, PostgresLog, PostgresSettings, Schema, SqliteLog, SqliteSettings, Store},
};

/// How long a start waits for a store that is not there yet: databases often start together with those who need them.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Opens a store that must be there: who looks after a log does not want to make one by mistake.
pub(super) async fn open_existing(settings: &config::Log) -> anyhow::Result<Arc<dyn Store>> {
    existing(settings).await?;
    open(settings).await
}

/// Opens a store to look at it, which must not change it: not its schema either.
pub(super) async fn open_to_read(settings: &config::Log) -> anyhow::Result<Arc<dyn Store>> {
    let (database, schema) = existing(settings).await?;
    anyhow::ensure!(
        schema.pending.is_empty(),
        "{database} has {}, and this version reads {}: run `chaincast migrate` first, or look with the version that made it",
        at(schema.at),
        at(Some(schema.known))
    );
    // what only reads does without the right to write
    patiently(&database, async || try_open(&database, settings.database_deadline(), false).await).await
}

/// How far the schema of a store is that must have one.
async fn existing(settings: &config::Log) -> anyhow::Result<(Database, Schema)> {
    const WHERE: &str = "run this where the service runs, or set DATABASE_URL";
    let database = settings.database()?;
    if let Database::Sqlite(path) = &database
        && !path.exists()
    {
        anyhow::bail!("there is no log at {}: {WHERE}", path.display());
    }
    let schema = patiently(&database, async || schema(&database, settings.database_deadline()).await).await?;
    refuse(&database, &schema)?;
    anyhow::ensure!(schema.at.is_some(), "there is no log in {database}, which has no schema: {WHERE}; `chaincast migrate` makes one");
    Ok((database, schema))
}

/// A store that this version would not start on.
fn refuse(database: &Database, schema: &Schema) -> anyhow::Result<()> {
    schema.refused.as_ref().map_or(Ok(()), |why| Err(anyhow::anyhow!("cannot open the log in {database}: {why}")))
}

/// Opens the store to be written and brings its schema up to date.
pub(super) async fn open(settings: &config::Log) -> anyhow::Result<Arc<dyn Store>> {
    let database = settings.database()?;
    patiently(&database, async || try_open(&database, settings.database_deadline(), true).await).await
}

/// Tries until the store is there, for a while.
async fn patiently<T>(database: &Database, attempt: impl AsyncFn() -> Result<T, LogError>) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error @ LogError::Unavailable(_)) if Instant::now() < deadline => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(store = %database, error = error.detail(), patience_seconds = PATIENCE.as_secs(), "waiting for the store");
                }
                sleep(PAUSE).await;
            }
            Err(error) => anyhow::bail!("cannot open the log in {database}: {}", error.detail()),
        }
    }
}

/// Brings the schema of the store up to date, or with `check` only finds out whether it is. Says what it did.
///
/// # Errors
/// The store cannot be reached or changed, or this version would not start on it; with `check`, that there is something to do.
pub async fn migrate(config: &config::Config, check: bool) -> anyhow::Result<String> {
    let settings = &config.log;
    let database = settings.database()?;
    let before = patiently(&database, async || schema(&database, settings.database_deadline()).await).await?;
    refuse(&database, &before)?;
    let pending = before.pending.join(", ");
    anyhow::ensure!(!check || before.pending.is_empty(), "{database} has {}; to be applied: {pending}", at(before.at));
    if !check {
        // as a start does, with all that it looks at besides
        open(settings).await?.close().await;
    }
    let newer = before.at.is_some_and(|at| at > before.known);
    Ok(match (before.pending.is_empty(), newer) {
        (false, _) => format!("{database}: from {} to {}; applied: {pending}", at(before.at), at(Some(before.known))),
        (true, false) => format!("{database} is at {}, as this version wants it", at(before.at)),
        (true, true) => {
            format!("{database} is at {}, of a newer version; this one knows {}", at(before.at), at(Some(before.known)))
        }
    })
}

fn at(migration: Option<i64>) -> String {
    migration.map_or_else(|| "no schema".to_owned(), |migration| format!("migration {migration:04}"))
}

async fn schema(database: &Database, deadline: Duration) -> Result<Schema, LogError> {
    match database {
        Database::Sqlite(path) => {
            SqliteLog::schema(path, &SqliteSettings { statement_timeout: deadline, ..SqliteSettings::default() }).await
        }
        Database::Postgres(url) => {
            PostgresLog::schema(url, &PostgresSettings { statement_timeout: deadline, ..PostgresSettings::default() }).await
        }
    }
}

async fn try_open(database: &Database, deadline: Duration, to_write: bool) -> Result<Arc<dyn Store>, LogError> {
    Ok(match database {
        Database::Sqlite(path) => {
            let log = SqliteLog::open_file(path, SqliteSettings { statement_timeout: deadline, ..SqliteSettings::default() }).await?;
            if to_write {
                log.prove_writable().await?;
            }
            Arc::new(log)
        }
        Database::Postgres(url) => {
            Arc::new(PostgresLog::connect(url, PostgresSettings { statement_timeout: deadline, ..PostgresSettings::default() }).await?)
        }
    })
}
