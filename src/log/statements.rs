//! The statements that both stores understand word for word.

/// The chain of a log, oldest first.
pub(super) const EPOCHS: &str = "SELECT epoch, first_seq FROM epochs WHERE log = $1 ORDER BY ordinal";

/// The last seq that was received before `$2`, or the one before earliest. Seqs are dense and time never runs backwards along them, so
/// bisecting the primary key takes the place of an index over time.
pub(super) const SEQ_BEFORE: &str = "
    WITH RECURSIVE bisect (lo, hi) AS (
        SELECT earliest - 1, head FROM logs WHERE id = $1
        UNION ALL
        SELECT
            CASE WHEN e.received_at < $2 THEN (lo + hi + 1) / 2 ELSE lo END,
            CASE WHEN e.received_at < $2 THEN hi ELSE (lo + hi + 1) / 2 - 1 END
        FROM bisect LEFT JOIN events AS e ON e.log = $1 AND e.seq = (lo + hi + 1) / 2
        WHERE lo < hi
    )
    SELECT lo FROM bisect WHERE lo >= hi";

/// Up to where ids may be forgotten that are older than `$2`: the event of earliest may be older still if events are kept longer than ids,
/// and while an event is there its id must be.
pub(super) const FORGET_BEFORE: &str = "
    SELECT e.received_at FROM logs l JOIN events e ON e.log = l.id AND e.seq = l.earliest
    WHERE l.id = $1 AND e.received_at < $2";

/// How many ids of a log are kept.
pub(super) const IDS: &str = "SELECT count(*) FROM ids WHERE log = $1";
