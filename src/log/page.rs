//! How a page is cut, the same for every adapter: what the store is asked for, and what is made of its answer.
//!
//! The store narrows, [`Filter::matches`](crate::domain::Filter::matches) decides. A store finds candidates either in a range of seqs or among the postings of a filter's
//! keys; it stops at a budget of rows and of bytes, and says up to where its candidates are complete.

use crate::domain::{Epoch, Event, Seq, Timestamp};

use super::{ContentDigest, LogError, LogId, Page, PageRequest, Position};

/// What to look through for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Every event in seq order, at most this many.
    Scan { rows: i64 },
    /// The postings of these keys, at most so many a key, and at most so many events in all.
    Postings { keys: Vec<i64>, rows_per_key: i64, rows: i64 },
}

impl Plan {
    /// The most rows that a page looks at for a filter that has no anchor, as a multiple of its limit and at least.
    const SCAN: (usize, usize) = (4, 256);
    /// The fewest postings of a key that one page looks at.
    const ROWS_PER_KEY: usize = 16;

    pub(super) fn new(request: &PageRequest) -> Self {
        let limit = request.limit.max(1);
        let Some(keys) = request.filter.anchors() else {
            let rows = if request.filter.is_everything() { limit } else { (limit.saturating_mul(Self::SCAN.0)).max(Self::SCAN.1) };
            return Self::Scan { rows: column(rows) };
        };
        let rows_per_key = (limit.saturating_mul(2) / keys.len().max(1)).max(Self::ROWS_PER_KEY);
        let keys = keys.iter().map(|key| key.to_column()).collect();
        Self::Postings { keys, rows_per_key: column(rows_per_key), rows: column(limit) }
    }
}

/// A count or a size as a database column.
pub(super) fn column(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Puts digests to the ids that were asked for, from rows of an index and the digest there.
pub(super) fn digests(asked: usize, rows: impl Iterator<Item = (i64, Vec<u8>)>) -> Result<Vec<Option<ContentDigest>>, LogError> {
    let mut digests = vec![None; asked];
    for (at, digest) in rows {
        let digest = ContentDigest::try_from(digest).map_err(|_| LogError::Internal("a digest is not 32 bytes long".into()))?;
        let place = usize::try_from(at).ok().and_then(|at| digests.get_mut(at));
        *place.ok_or_else(|| LogError::Internal("a digest that was not asked for".into()))? = Some(digest);
    }
    Ok(digests)
}

/// One event as stored.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) seq: Seq,
    pub(super) received_at: Timestamp,
    pub(super) envelope: String,
}

/// What a store found, all from one snapshot.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) position: Position,
    /// No candidate in `(after, complete]` is missing but for those that the byte budget cut off.
    pub(super) complete: Seq,
    /// The last candidate, cut off or not; `None` when there was none.
    pub(super) last: Option<Seq>,
    /// The candidates in seq order, up to the byte budget.
    pub(super) rows: Vec<Row>,
}

/// The page that answers `request`.
pub(super) fn assemble(request: &PageRequest, found: Found) -> Result<Page, LogError> {
    let Found { position, complete, last, rows } = found;
    let mut through = match (rows.last(), last) {
        (Some(row), Some(last)) if row.seq < last => row.seq,
        _ => complete,
    };
    let mut events = Vec::with_capacity(rows.len().min(request.limit));
    let mut bytes = 0;
    for row in rows {
        let seq = row.seq;
        let length = row.envelope.len();
        let event =
            Event::from_row(seq, row.received_at, row.envelope).map_err(|error| LogError::Internal(format!("event {seq}: {error}")))?;
        if !request.filter.matches(&event.keys) {
            continue;
        }
        if !events.is_empty() && (events.len() >= request.limit || bytes + length > request.max_bytes) {
            through = seq.before();
            break;
        }
        bytes += length;
        events.push(event);
    }
    Ok(Page { events, through, position })
}

/// A head row.
pub(super) fn position(log: LogId, (epoch, head, earliest): (i64, i64, i64)) -> Position {
    Position { log, epoch: Epoch::from_column(epoch), head: Seq::from_column(head), earliest: Seq::from_column(earliest) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Filter, FilterParts, StreamId};

    #[test]
    fn many_keys_share_the_rows_of_a_page() {
        let streams = (0..100).map(|n| StreamId::new(n.to_string())).collect();
        let filter = Filter::new(FilterParts { streams, ..FilterParts::default() }, 100).expect("filter");
        let Plan::Postings { keys, rows_per_key, rows } = Plan::new(&PageRequest::replay(Arc::new(filter), Seq::ZERO)) else {
            panic!("streams have postings")
        };
        assert_eq!((keys.len(), rows_per_key, rows), (100, 16, 512));
    }
}
