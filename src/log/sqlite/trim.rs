//! Retention: first the head row says that old events are gone, then they go, a few at a time, so that appends come in between.
//!
//! Each step is a transaction of its own: a trim that stops in the middle leaves rows below `earliest`, which no reader sees and the
//! next trim deletes (`a_trim_that_was_cut_short_is_made_up_for`).

use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::time::timeout;

use super::{SqliteLog, error};
use crate::{
    domain::{Event, Seq, Timestamp},
    log::{EventLog as _, LogError, LogId, Retention, Trimmed, statements},
};

/// Moves `earliest` forward, never back and never beyond head + 1. `$2` is the last seq that is too old, `$3` how many may stay.
const MOVE: &str = "UPDATE logs SET earliest = min(head + 1, max(earliest, $2 + 1, head - $3 + 1)) WHERE id = $1";

/// What is still there below earliest. The envelopes tell under which keys the event was posted.
const DOOMED: &str = "
    SELECT seq, received_at, envelope FROM (
        SELECT e.seq, e.received_at, e.envelope, sum(octet_length(e.envelope)) OVER (ORDER BY e.seq) AS running
        FROM (
            SELECT seq, received_at, envelope FROM events
            WHERE log = $1 AND seq < (SELECT earliest FROM logs WHERE id = $1) ORDER BY seq LIMIT $2
        ) AS e
    ) AS measured
    WHERE running <= 4194304 OR running = octet_length(envelope)
    ORDER BY seq";

const UNPOST: &str = "
    DELETE FROM postings WHERE (log, selector, seq) IN (
        SELECT $1, json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each($2))";

const DELETE: &str = "DELETE FROM events WHERE log = $1 AND seq <= $2";

const FORGET: &str = "
    DELETE FROM ids WHERE rowid IN (SELECT rowid FROM ids WHERE log = $1 AND received_at < $2 ORDER BY received_at LIMIT $3)";

/// One transaction of a trim.
#[derive(Clone, Copy)]
enum Step {
    /// Moves `earliest`.
    Advance { too_old: Seq, keep: i64 },
    /// Deletes some of what is below it.
    Delete,
    /// Forgets some ids from before this.
    Forget(Timestamp),
}

pub(super) async fn trim(store: &SqliteLog, log: LogId, retention: &Retention) -> Result<Trimmed, LogError> {
    let now = Timestamp::now();
    let too_old = match retention.events_before(now) {
        Some(cutoff) => store.seq_before(log, cutoff).await?,
        None => Seq::ZERO,
    };
    let keep = retention.max_events.map_or(i64::MAX, |most| Seq::new(most).to_column());
    let mut events = 0;
    loop {
        // again before each step: while a long trim deletes, the log goes on growing
        take(store, log, Step::Advance { too_old, keep }).await?;
        let deleted = take(store, log, Step::Delete).await?;
        events += deleted;
        if deleted == 0 {
            break;
        }
    }
    let ids = match retention.ids_before(now) {
        Some(cutoff) => take_all(store, log, Step::Forget(cutoff)).await?,
        None => 0,
    };
    Ok(Trimmed { events, ids })
}

/// Repeats a step until nothing is left to do. Between two of them the write lock is free.
async fn take_all(store: &SqliteLog, log: LogId, step: Step) -> Result<u64, LogError> {
    let mut total = 0;
    loop {
        let rows = take(store, log, step).await?;
        total += rows;
        if rows < u64::from(store.trim_step) {
            return Ok(total);
        }
    }
}

async fn take(store: &SqliteLog, log: LogId, step: Step) -> Result<u64, LogError> {
    let mut session = store.writer().await?;
    let worked = timeout(session.deadline(), run(session.connection(), log.to_column(), step, i64::from(store.trim_step))).await;
    session.settle(worked).map_err(error::of_read)
}

/// How many rows went.
async fn run(connection: &mut SqliteConnection, log: i32, step: Step, limit: i64) -> Result<u64, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let rows = match step {
        Step::Advance { too_old, keep } => {
            sqlx::query(MOVE).bind(log).bind(too_old.to_column()).bind(keep).execute(&mut *transaction).await?;
            0
        }
        Step::Delete => delete(&mut transaction, log, limit).await?,
        Step::Forget(cutoff) => {
            let bound = sqlx::query_scalar(statements::FORGET_BEFORE).bind(log).bind(cutoff.as_micros());
            let bound: i64 = bound.fetch_optional(&mut *transaction).await?.unwrap_or(cutoff.as_micros());
            sqlx::query(FORGET).bind(log).bind(bound).bind(limit).execute(&mut *transaction).await?.rows_affected()
        }
    };
    transaction.commit().await?;
    Ok(rows)
}

async fn delete(connection: &mut SqliteConnection, log: i32, limit: i64) -> Result<u64, sqlx::Error> {
    let doomed = sqlx::query(DOOMED).bind(log).bind(limit).fetch_all(&mut *connection).await?;
    let Some(newest) = doomed.last() else { return Ok(0) };
    let newest: i64 = newest.try_get(0)?;
    let mut postings: Vec<[i64; 2]> = Vec::new();
    for row in &doomed {
        let seq: i64 = row.try_get(0)?;
        match Event::from_row(Seq::from_column(seq), Timestamp::from_micros(row.try_get(1)?), row.try_get(2)?) {
            Ok(event) => postings.extend(event.keys.postings().iter().map(|key| [key.to_column(), seq])),
            // its postings stay behind, below earliest, where nothing reads them
            Err(error) => tracing::warn!(seq, %error, "trimming an event that cannot be read"),
        }
    }
    sqlx::query(UNPOST).bind(log).bind(format!("{postings:?}")).execute(&mut *connection).await?;
    Ok(sqlx::query(DELETE).bind(log).bind(newest).execute(connection).await?.rows_affected())
}
