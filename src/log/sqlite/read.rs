//! A page: one statement, hence one snapshot, whether or not anything matches.

use super::{SqliteLog, column, first};
use crate::{
    domain::{EventId, Seq, Source, Timestamp},
    log::{
        ContentDigest, LogError, LogId, Page, PageRequest,
        page::{self, Found, Plan, Row},
    },
};

/// Candidates are all seqs of a range. `$1` log, `$2` after, `$3` bytes, `$4` rows.
const SCAN: &str = "
    WITH here AS (
        SELECT epoch, head, earliest FROM logs WHERE id = $1
    ), found AS MATERIALIZED (
        SELECT seq, received_at, envelope FROM events
        WHERE log = $1 AND seq > (SELECT max($2, earliest - 1) FROM here) AND seq <= (SELECT head FROM here)
        ORDER BY seq LIMIT $4
    ), measured AS (
        SELECT found.*, sum(octet_length(envelope)) OVER (ORDER BY seq) AS running FROM found
    ), extent AS (
        SELECT max(seq) AS last, count(*) AS total FROM found
    )
    SELECT here.epoch, here.head, here.earliest,
        CASE WHEN extent.total = $4 THEN extent.last ELSE here.head END, extent.last,
        page.seq, page.received_at, page.envelope
    FROM here CROSS JOIN extent
    LEFT JOIN measured AS page ON page.running <= $3 OR page.running = octet_length(page.envelope)
    ORDER BY page.seq";

/// Candidates are merged from the postings of each key, walked one by one because a subquery of a join can't have a limit here. Those
/// of a key that has more than were looked at are complete only up to the last one seen: the least of these is the horizon. `$1` log,
/// `$2` after, `$3` bytes, `$4` rows, `$5` keys, `$6` rows a key.
const POSTINGS: &str = "
    WITH RECURSIVE here AS (
        SELECT epoch, head, earliest FROM logs WHERE id = $1
    ), walk (selector, seq, nth) AS (
        SELECT wanted.value, (
            SELECT seq FROM postings
            WHERE log = $1 AND selector = wanted.value AND seq > (SELECT max($2, earliest - 1) FROM here)
            ORDER BY seq LIMIT 1
        ), 1
        FROM json_each($5) AS wanted
        UNION ALL
        SELECT selector, (
            SELECT seq FROM postings WHERE log = $1 AND selector = walk.selector AND seq > walk.seq ORDER BY seq LIMIT 1
        ), nth + 1
        FROM walk WHERE seq IS NOT NULL AND nth < $6
    ), posted AS MATERIALIZED (
        SELECT selector, seq FROM walk WHERE seq IS NOT NULL AND seq <= (SELECT head FROM here)
    ), horizon AS (
        SELECT min(last) AS seq FROM (SELECT max(seq) AS last FROM posted GROUP BY selector HAVING count(*) = $6)
    ), candidate AS MATERIALIZED (
        SELECT DISTINCT posted.seq FROM posted, horizon WHERE posted.seq <= horizon.seq OR horizon.seq IS NULL ORDER BY 1 LIMIT $4
    ), measured AS (
        SELECT e.seq, e.received_at, e.envelope, sum(octet_length(e.envelope)) OVER (ORDER BY e.seq) AS running
        FROM candidate CROSS JOIN events AS e ON e.log = $1 AND e.seq = candidate.seq
    ), extent AS (
        SELECT max(seq) AS last, count(*) AS total FROM candidate
    )
    SELECT here.epoch, here.head, here.earliest,
        CASE WHEN extent.total = $4 THEN extent.last ELSE coalesce(horizon.seq, here.head) END, extent.last,
        page.seq, page.received_at, page.envelope
    FROM here CROSS JOIN extent CROSS JOIN horizon
    LEFT JOIN measured AS page ON page.running <= $3 OR page.running = octet_length(page.envelope)
    ORDER BY page.seq";

/// `$1` log, `$2` pairs of a source and an id, as JSON.
const DIGESTS: &str = "
    SELECT wanted.key, ids.digest FROM json_each($2) AS wanted
    CROSS JOIN ids ON ids.log = $1 AND ids.source = json_extract(wanted.value, '$[0]') AND ids.id = json_extract(wanted.value, '$[1]')";

pub(super) async fn digests(store: &SqliteLog, log: LogId, ids: &[(Source, EventId)]) -> Result<Vec<Option<ContentDigest>>, LogError> {
    let wanted: serde_json::Value = ids.iter().map(|(source, id)| vec![source.as_str(), id.as_str()]).collect();
    let rows = store.read_rows(sqlx::query(DIGESTS).bind(log.to_column()).bind(wanted.to_string())).await?;
    let found: Vec<(i64, Vec<u8>)> = rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect::<Result<_, LogError>>()?;
    page::digests(ids.len(), found.into_iter())
}

pub(super) async fn read(store: &SqliteLog, log: LogId, request: &PageRequest) -> Result<Page, LogError> {
    let (after, bytes) = (request.after.to_column(), page::column(request.max_bytes));
    let statement = match Plan::new(request) {
        Plan::Scan { rows } => sqlx::query(SCAN).bind(log.to_column()).bind(after).bind(bytes).bind(rows),
        Plan::Postings { keys, rows_per_key, rows } => {
            let keys = format!("{keys:?}");
            sqlx::query(POSTINGS).bind(log.to_column()).bind(after).bind(bytes).bind(rows).bind(keys).bind(rows_per_key)
        }
    };
    let rows = store.read_rows(statement).await?;
    let head = first(&rows, log)?;
    let mut found = Found {
        position: page::position(log, (column(head, 0)?, column(head, 1)?, column(head, 2)?)),
        complete: Seq::from_column(column(head, 3)?),
        last: column::<Option<i64>>(head, 4)?.map(Seq::from_column),
        rows: Vec::with_capacity(rows.len()),
    };
    for row in &rows {
        // the one row of a page without events
        let Some(seq) = column::<Option<i64>>(row, 5)? else { continue };
        let received_at = Timestamp::from_micros(column(row, 6)?);
        found.rows.push(Row { seq: Seq::from_column(seq), received_at, envelope: column(row, 7)? });
    }
    page::assemble(request, found)
}
