//! A page: one statement, hence one snapshot, whether or not anything matches.

use super::{PostgresLog, column, first};
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
    ), found AS (
        SELECT e.seq, e.received_at, e.envelope
        FROM here, LATERAL (
            SELECT seq, received_at, envelope FROM events
            WHERE log = $1 AND seq > greatest($2, here.earliest - 1) AND seq <= here.head
            ORDER BY seq LIMIT $4
        ) AS e
    ), measured AS (
        SELECT found.*, sum(octet_length(envelope)) OVER (ORDER BY seq) AS running FROM found
    ), extent AS (
        SELECT max(seq) AS last, count(*) AS rows FROM found
    )
    SELECT here.epoch, here.head, here.earliest,
        CASE WHEN extent.rows = $4 THEN extent.last ELSE here.head END, extent.last,
        page.seq, page.received_at, page.envelope
    FROM here CROSS JOIN extent
    LEFT JOIN measured AS page ON page.running <= $3 OR page.running = octet_length(page.envelope)
    ORDER BY page.seq";

/// Candidates are merged from the postings of each key. Those of a key that has more than were looked at are complete only up to the last
/// one seen: the least of these is the horizon. `$1` log, `$2` after, `$3` bytes, `$4` rows, `$5` keys, `$6` rows a key.
const POSTINGS: &str = "
    WITH here AS (
        SELECT epoch, head, earliest FROM logs WHERE id = $1
    ), posted AS (
        SELECT wanted.selector, p.seq
        FROM here, unnest($5::bigint[]) AS wanted (selector), LATERAL (
            SELECT seq FROM postings
            WHERE log = $1 AND selector = wanted.selector AND seq > greatest($2, here.earliest - 1) AND seq <= here.head
            ORDER BY seq LIMIT $6
        ) AS p
    ), horizon AS (
        SELECT min(last) AS seq FROM (SELECT max(seq) AS last FROM posted GROUP BY selector HAVING count(*) = $6) AS saturated
    ), candidate AS (
        SELECT DISTINCT posted.seq FROM posted, horizon WHERE posted.seq <= horizon.seq OR horizon.seq IS NULL ORDER BY seq LIMIT $4
    ), measured AS (
        SELECT e.seq, e.received_at, e.envelope, sum(octet_length(e.envelope)) OVER (ORDER BY e.seq) AS running
        FROM candidate JOIN events AS e ON e.log = $1 AND e.seq = candidate.seq
    ), extent AS (
        SELECT max(seq) AS last, count(*) AS rows FROM candidate
    )
    SELECT here.epoch, here.head, here.earliest,
        CASE WHEN extent.rows = $4 THEN extent.last ELSE coalesce(horizon.seq, here.head) END, extent.last,
        page.seq, page.received_at, page.envelope
    FROM here CROSS JOIN extent CROSS JOIN horizon
    LEFT JOIN measured AS page ON page.running <= $3 OR page.running = octet_length(page.envelope)
    ORDER BY page.seq";

/// `$1` log, `$2` sources, `$3` ids.
const DIGESTS: &str = "
    SELECT wanted.nth - 1, known.digest FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS wanted (source, id, nth),
    LATERAL (SELECT i.digest FROM ids i WHERE i.log = $1 AND i.source = wanted.source AND i.id = wanted.id) AS known";

pub(super) async fn digests(store: &PostgresLog, log: LogId, ids: &[(Source, EventId)]) -> Result<Vec<Option<ContentDigest>>, LogError> {
    let (sources, names): (Vec<&str>, Vec<&str>) = ids.iter().map(|(source, id)| (source.as_str(), id.as_str())).unzip();
    let rows = store.read_rows(|| sqlx::query(DIGESTS).bind(log.to_column()).bind(sources.clone()).bind(names.clone())).await?;
    let found: Vec<(i64, Vec<u8>)> = rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect::<Result<_, LogError>>()?;
    page::digests(ids.len(), found.into_iter())
}

pub(super) async fn read(store: &PostgresLog, log: LogId, request: &PageRequest) -> Result<Page, LogError> {
    let (after, bytes) = (request.after.to_column(), page::column(request.max_bytes));
    let rows = match Plan::new(request) {
        Plan::Scan { rows } => store.read_rows(|| sqlx::query(SCAN).bind(log.to_column()).bind(after).bind(bytes).bind(rows)).await?,
        Plan::Postings { keys, rows_per_key, rows } => {
            let statement = || sqlx::query(POSTINGS).bind(log.to_column()).bind(after).bind(bytes).bind(rows);
            store.read_rows(|| statement().bind(keys.clone()).bind(rows_per_key)).await?
        }
    };
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
