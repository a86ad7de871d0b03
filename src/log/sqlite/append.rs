//! Everything that changes a head: each one transaction that takes the write lock before it reads.

use std::collections::HashMap;

use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection, sqlite::SqliteRow};
use tokio::time::timeout;

use super::{
    SqliteLog,
    decide::{Known, Numbered, decide},
    error, no_log, start_epoch,
};
use crate::{
    domain::{Epoch, LogName, Seq, Timestamp},
    log::{AppendRequest, Appended, ContentDigest, LogError, LogId, outcome::outcomes},
};

/// Rows a statement: with at most six values a row well below what SQLite can bind (32,766).
pub(super) const CHUNK: usize = 1000;

/// Makes a log. Its number is behind all that were ever noted: a file that was put back from a backup may have lost some, which are still
/// remembered. `default`'s is the first, which nobody else gets.
const MAKE: &str = "
    INSERT INTO logs (id, name, epoch)
    SELECT CASE WHEN $3 AND NOT EXISTS (SELECT 1 FROM logs WHERE id = 1) THEN 1 ELSE max(coalesce((SELECT max(id) FROM logs), 1), $4, 1) + 1 END, $1, $2
    RETURNING id";

/// Why a file whose head went back is numbered anew.
pub(super) const RESTORED: &str = "file restored";

/// The head row under the write lock.
pub(super) struct Head {
    pub(super) seq: Seq,
    pub(super) epoch: Epoch,
    last_at: Timestamp,
}

/// What was done, or why nothing was, unless the store itself failed.
type Done<T> = Result<Result<T, LogError>, sqlx::Error>;

pub(super) async fn append(store: &SqliteLog, log: LogId, requests: &[AppendRequest]) -> Result<Appended, LogError> {
    // who it is, before the transaction: afterwards another file may have been taken for the open one
    let (mut session, identity) = store.writer_to().await?;
    let worked = timeout(session.deadline(), append_to(store, session.connection(), log, requests)).await;
    let appended = session.settle(worked).map_err(error::of_write)??;
    Ok(Appended { store: identity, ..appended })
}

pub(super) async fn open(store: &SqliteLog, name: &LogName) -> Result<LogId, LogError> {
    let mut session = store.writer().await?;
    let worked = timeout(session.deadline(), open_in(store, session.connection(), name)).await;
    session.settle(worked).map_err(error::of_read)?
}

pub(super) async fn new_epoch(store: &SqliteLog, log: LogId, cause: &str) -> Result<Epoch, LogError> {
    let mut session = store.writer().await?;
    let worked = timeout(session.deadline(), new_epoch_in(store, session.connection(), log, cause)).await;
    session.settle(worked).map_err(error::of_write)?
}

// in each of these a transaction that is dropped before its commit is rolled back

async fn append_to(store: &SqliteLog, connection: &mut SqliteConnection, log: LogId, requests: &[AppendRequest]) -> Done<Appended> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let Some(head) = lock(store, &mut transaction, log).await? else { return Ok(Err(no_log(log))) };
    let known = known(&mut transaction, log, requests).await?;
    let Some(decision) = decide(head.seq, requests, &known) else {
        return Ok(Err(LogError::Internal("an id is shared by two requests of one append".into())));
    };
    let Some(outcomes) = outcomes(requests, &decision.verdicts) else {
        return Ok(Err(LogError::Internal("the decision does not fit its request".into())));
    };
    let received_at = head.last_at.max(Timestamp::now());
    let last = match decision.numbered.last() {
        Some(newest) => {
            insert(&mut transaction, log, received_at, &decision.numbered).await?;
            let moved = sqlx::query("UPDATE logs SET head = $2, last_at = $3 WHERE id = $1").bind(log.to_column());
            moved.bind(newest.seq.to_column()).bind(received_at.as_micros()).execute(&mut *transaction).await?;
            newest.seq
        }
        None => head.seq,
    };
    transaction.commit().await?;
    store.note(log, head.epoch, last);
    Ok(Ok(Appended { outcomes, epoch: head.epoch, before: head.seq, head: last, received_at, store: None }))
}

async fn open_in(store: &SqliteLog, connection: &mut SqliteConnection, name: &LogName) -> Done<LogId> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found = sqlx::query_scalar("SELECT id FROM logs WHERE name = $1").bind(name.as_str());
    let log = match found.fetch_optional(&mut *transaction).await? {
        Some(id) => LogId::new(id),
        None => {
            let epoch = Epoch::new(fastrand::u32(..));
            let made = sqlx::query_scalar(MAKE).bind(name.as_str()).bind(epoch.to_column());
            let made = made.bind(name.as_str() == LogName::DEFAULT).bind(store.acked.highest()?.to_column());
            let log = LogId::new(made.fetch_one(&mut *transaction).await?);
            start_epoch(&mut transaction, log, epoch, "created").await?;
            log
        }
    };
    let Some(head) = lock(store, &mut transaction, log).await? else { return Ok(Err(no_log(log))) };
    transaction.commit().await?;
    store.note(log, head.epoch, head.seq);
    Ok(Ok(log))
}

async fn new_epoch_in(store: &SqliteLog, connection: &mut SqliteConnection, log: LogId, cause: &str) -> Done<Epoch> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let Some(head) = read_head(&mut transaction, log).await? else { return Ok(Err(no_log(log))) };
    let epoch = Epoch::new(fastrand::u32(..));
    start_epoch(&mut transaction, log, epoch, cause).await?;
    transaction.commit().await?;
    store.note(log, epoch, head.seq);
    Ok(Ok(epoch))
}

pub(super) async fn read_head(connection: &mut SqliteConnection, log: LogId) -> Result<Option<Head>, sqlx::Error> {
    let row = sqlx::query("SELECT head, epoch, last_at FROM logs WHERE id = $1").bind(log.to_column()).fetch_optional(connection).await?;
    let head = |row: SqliteRow| {
        Ok(Head {
            seq: Seq::from_column(row.try_get(0)?),
            epoch: Epoch::from_column(row.try_get(1)?),
            last_at: Timestamp::from_micros(row.try_get(2)?),
        })
    };
    row.map(head).transpose()
}

/// The head row, after a new epoch was started if seqs behind it have been acknowledged: this file was put back from a backup.
async fn lock(store: &SqliteLog, connection: &mut SqliteConnection, log: LogId) -> Result<Option<Head>, sqlx::Error> {
    let Some(mut head) = read_head(connection, log).await? else { return Ok(None) };
    let Some(noted) = store.acked.last(log)? else { return Ok(Some(head)) };
    if is_behind(connection, log, &head, noted).await? {
        head.epoch = Epoch::new(fastrand::u32(..));
        tracing::warn!(log = log.to_column(), head = %head.seq, acknowledged = %noted.1, epoch = %head.epoch, "the head went back: new epoch");
        start_epoch(connection, log, head.epoch, RESTORED).await?;
    }
    Ok(Some(head))
}

/// Whether seqs behind the head have been acknowledged.
pub(super) async fn is_behind(
    connection: &mut SqliteConnection,
    log: LogId,
    head: &Head,
    (epoch, seq): (Epoch, Seq),
) -> Result<bool, sqlx::Error> {
    if epoch == head.epoch {
        return Ok(seq > head.seq);
    }
    // put back to before that epoch was started; an epoch that is in the chain was merely followed by another process's
    let known = sqlx::query_scalar::<_, i64>("SELECT 1 FROM epochs WHERE log = $1 AND epoch = $2").bind(log.to_column());
    Ok(known.bind(epoch.to_column()).fetch_optional(connection).await?.is_none())
}

/// Which ids of the requests are known.
async fn known<'a>(connection: &mut SqliteConnection, log: LogId, requests: &'a [AppendRequest]) -> Result<Known<'a>, sqlx::Error> {
    let wanted: Vec<(&str, &str)> =
        requests.iter().flat_map(|request| request.events.iter().map(|event| (request.source.as_str(), event.id.as_str()))).collect();
    let mut known = HashMap::new();
    for wanted in wanted.chunks(CHUNK) {
        let mut query = QueryBuilder::<Sqlite>::new("WITH wanted (at, source, id) AS (");
        query.push_values(wanted.iter().enumerate(), |mut row, (at, (source, id))| {
            row.push_bind(at as i64).push_bind(*source).push_bind(*id);
        });
        query.push(") SELECT at, seq, digest FROM wanted CROSS JOIN ids USING (source, id) WHERE log = ").push_bind(log.to_column());
        for row in query.build().persistent(false).fetch_all(&mut *connection).await? {
            let (at, seq, digest): (i64, i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let digest = ContentDigest::try_from(digest).map_err(|_| sqlx::Error::Decode("a digest is not 32 bytes long".into()))?;
            let key = usize::try_from(at).ok().and_then(|at| wanted.get(at));
            known.extend(key.map(|key| (*key, (Seq::from_column(seq), digest))));
        }
    }
    Ok(known)
}

async fn insert(connection: &mut SqliteConnection, log: LogId, at: Timestamp, events: &[Numbered<'_>]) -> Result<(), sqlx::Error> {
    let (log, at) = (log.to_column(), at.as_micros());
    for chunk in events.chunks(CHUNK) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO events (log, seq, received_at, envelope) ");
        query.push_values(chunk, |mut row, new| {
            row.push_bind(log).push_bind(new.seq.to_column()).push_bind(at).push_bind(new.event.envelope.as_str());
        });
        query.build().persistent(false).execute(&mut *connection).await?;
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO ids (log, source, id, digest, seq, received_at) ");
        query.push_values(chunk, |mut row, new| {
            row.push_bind(log).push_bind(new.source).push_bind(new.event.id.as_str()).push_bind(&new.event.digest[..]);
            row.push_bind(new.seq.to_column()).push_bind(at);
        });
        query.build().persistent(false).execute(&mut *connection).await?;
    }
    // in key order, each b-tree page is visited once
    let mut postings: Vec<(i64, i64)> = Vec::new();
    for new in events {
        postings.extend(new.event.keys.postings().iter().map(|key| (key.to_column(), new.seq.to_column())));
    }
    postings.sort_unstable();
    for chunk in postings.chunks(CHUNK) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO postings (log, selector, seq) ");
        query.push_values(chunk, |mut row, (selector, seq)| {
            row.push_bind(log).push_bind(*selector).push_bind(*seq);
        });
        query.build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::log::{EventLog as _, SqliteSettings};

    #[tokio::test]
    async fn a_connection_says_which_file_it_leads_to_though_another_has_been_taken_for_the_open_one_since() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let (path, other) = (dir.path().join("log.db"), dir.path().join("other.db"));
        let settings = SqliteSettings { connect_timeout: Duration::from_millis(50), ..SqliteSettings::default() };
        drop(SqliteLog::open_file(&other, settings.clone()).await.expect("opens"));
        let store = SqliteLog::open_file(&path, settings).await.expect("opens");
        let before = store.file.identity();
        let (session, identity) = store.writer_to().await.expect("free");
        std::fs::rename(&other, &path).expect("renames");
        // accepts the other file, and then waits in vain for the connection
        assert!(store.look().await.is_err());
        assert_ne!(store.file.identity(), before);
        assert_eq!(identity, Some(before), "what it writes goes to the file that was");
        drop(session);
    }
}
