//! Retention: first the head row says that old events are gone, then they go.
//!
//! Nothing here holds the head's lock for longer than one update of one row. Each step is a statement of its own, so that a trim that stops in the
//! middle leaves rows below `earliest`, which no reader sees and the next trim deletes (`a_trim_that_was_cut_short_is_made_up_for`).

use super::{PostgresLog, column, first};
use crate::{
    domain::{Event, Seq, Timestamp},
    log::{LogError, LogId, Retention, Trimmed, page, statements},
};

/// Moves `earliest` forward, never back and never beyond head + 1. `$2` is the last seq that is too old, `$3` how many may stay.
const MOVE: &str = "
    UPDATE logs SET earliest = least(head + 1, greatest(earliest, $2 + 1, head - $3 + 1))
    WHERE id = $1 AND earliest < least(head + 1, greatest($2 + 1, head - $3 + 1))";

/// What is still there below earliest, of at most 4 MiB. The envelopes tell under which keys the event was posted.
const DOOMED: &str = "
    SELECT seq, received_at, envelope FROM (
        SELECT e.seq, e.received_at, e.envelope, sum(octet_length(e.envelope)) OVER (ORDER BY e.seq) AS running
        FROM (
            SELECT seq, received_at, envelope FROM events
            WHERE log = $1 AND seq > $2 AND seq < (SELECT earliest FROM logs WHERE id = $1)
            ORDER BY seq LIMIT $3
        ) AS e
    ) AS measured
    WHERE running <= 4194304 OR running = octet_length(envelope)
    ORDER BY seq";

const DELETE: &str = "
    WITH unposted AS (
        DELETE FROM postings AS p USING unnest($4::bigint[], $5::bigint[]) AS gone (selector, seq)
        WHERE p.log = $1 AND p.selector = gone.selector AND p.seq = gone.seq
    ), deleted AS (
        DELETE FROM events WHERE log = $1 AND seq BETWEEN $2 AND $3 RETURNING 1
    )
    SELECT count(*) FROM deleted";

const FORGET: &str = "
    WITH forgotten AS (
        DELETE FROM ids
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM ids WHERE log = $1 AND received_at < $2 ORDER BY received_at LIMIT $3)) RETURNING 1
    )
    SELECT count(*) FROM forgotten";

pub(super) async fn trim(store: &PostgresLog, log: LogId, retention: &Retention) -> Result<Trimmed, LogError> {
    let now = store.read_rows(|| sqlx::query("SELECT micros_now()")).await?;
    let now = Timestamp::from_micros(column(first(&now, log)?, 0)?);
    let events = delete_events(store, log, retention, now).await?;
    let ids = match retention.ids_before(now) {
        Some(cutoff) => forget_ids(store, log, cutoff).await?,
        None => 0,
    };
    Ok(Trimmed { events, ids })
}

async fn advance(store: &PostgresLog, log: LogId, retention: &Retention, now: Timestamp) -> Result<(), LogError> {
    let too_old: i64 = match retention.events_before(now) {
        Some(cutoff) => {
            let rows = store.read_rows(|| sqlx::query(statements::SEQ_BEFORE).bind(log.to_column()).bind(cutoff.as_micros())).await?;
            column(first(&rows, log)?, 0)?
        }
        None => 0,
    };
    let keep = retention.max_events.map_or(i64::MAX, |most| Seq::new(most).to_column());
    store.read_rows(|| sqlx::query(MOVE).bind(log.to_column()).bind(too_old).bind(keep)).await?;
    Ok(())
}

async fn delete_events(store: &PostgresLog, log: LogId, retention: &Retention, now: Timestamp) -> Result<u64, LogError> {
    let mut deleted = 0;
    let mut after = 0_i64;
    loop {
        // again before each step: while a long trim deletes, the log goes on growing
        advance(store, log, retention, now).await?;
        let doomed = || sqlx::query(DOOMED).bind(log.to_column()).bind(after).bind(i64::from(store.trim_step));
        let rows = store.read_rows(doomed).await?;
        let (Some(oldest), Some(newest)) = (rows.first(), rows.last()) else { return Ok(deleted) };
        let (oldest, newest): (i64, i64) = (column(oldest, 0)?, column(newest, 0)?);
        let (mut selectors, mut seqs) = (Vec::new(), Vec::new());
        for row in &rows {
            let seq: i64 = column(row, 0)?;
            let event = Event::from_row(Seq::from_column(seq), Timestamp::from_micros(column(row, 1)?), column(row, 2)?);
            match event {
                Ok(event) => {
                    let keys = event.keys.postings();
                    seqs.extend(std::iter::repeat_n(seq, keys.len()));
                    selectors.extend(keys.iter().map(|key| key.to_column()));
                }
                // its postings stay behind, below earliest, where nothing reads them
                Err(error) => tracing::warn!(seq, %error, "trimming an event that cannot be read"),
            }
        }
        let delete = || sqlx::query(DELETE).bind(log.to_column()).bind(oldest).bind(newest).bind(selectors.clone()).bind(seqs.clone());
        let count = store.read_rows(delete).await?;
        deleted += column::<i64>(first(&count, log)?, 0)?.unsigned_abs();
        after = newest;
    }
}

async fn forget_ids(store: &PostgresLog, log: LogId, cutoff: Timestamp) -> Result<u64, LogError> {
    let bound = || sqlx::query(statements::FORGET_BEFORE).bind(log.to_column()).bind(cutoff.as_micros());
    let bound: i64 = store.read_rows(bound).await?.first().map_or(Ok(cutoff.as_micros()), |row| column(row, 0))?;
    let step = page::column(store.trim_step as usize);
    let mut forgotten = 0;
    loop {
        let rows = store.read_rows(|| sqlx::query(FORGET).bind(log.to_column()).bind(bound).bind(step)).await?;
        let count: i64 = column(first(&rows, log)?, 0)?;
        forgotten += count.unsigned_abs();
        if count < step {
            return Ok(forgotten);
        }
    }
}
