//! Where a cursor leads, and what is missing on the way: pure, so that it can be tested without a log.
//!
//! **No silent gap**: a cursor that was trimmed or rewound resumes at the next thing there is, and says what lies between.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    domain::{self, Cursor, EpochChain, GapReason, Seq},
    log::Position,
};

/// Events that were asked for and are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gap {
    /// Why they are gone: `trimmed` by retention, or `rewound` when the log was set back and numbered anew.
    #[serde(serialize_with = "as_word")]
    #[schema(value_type = String, pattern = "^(trimmed|rewound)$")]
    pub reason: GapReason,
    /// The cursor that was asked for.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "7c1f9a02-17")]
    pub requested: Cursor,
    /// The cursor after which the answer begins.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "7c1f9a02-40")]
    pub resumed: Cursor,
    /// How many seqs lie between: an upper bound of the events that the filter would have shown.
    pub lost: u64,
}

impl From<domain::Gap> for Gap {
    fn from(gap: domain::Gap) -> Self {
        let domain::Gap { reason, requested, resumed, lost } = gap;
        Self { reason, requested, resumed, lost }
    }
}

fn as_text<S: Serializer>(cursor: &Cursor, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cursor)
}

fn as_word<S: Serializer>(reason: &GapReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}

/// After which seq `cursor` continues in a log that stands at `position`, and what it misses: in an answer that has room for one gap, a
/// rewind into a stretch that is trimmed counts both.
#[must_use]
pub fn resume(cursor: Cursor, chain: &EpochChain, position: &Position) -> (Seq, Option<Gap>) {
    let (at, rewound) = chain.place(cursor, position.head);
    let trimmed = domain::Gap::trimmed(at, position.earliest).map(|gap| domain::Gap { requested: cursor, ..gap });
    let gap = match (rewound, trimmed) {
        (Some(rewound), Some(trimmed)) => Some(domain::Gap { resumed: trimmed.resumed, lost: rewound.lost + trimmed.lost, ..rewound }),
        (rewound, trimmed) => rewound.or(trimmed),
    };
    (gap.map_or(at, |gap| gap.resumed).seq, gap.map(Gap::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Epoch, EpochStart},
        log::LogId,
    };

    fn ask(cursor: &str, earliest: u64, head: u64) -> (u64, Option<(GapReason, String, u64)>) {
        let links = [(1, 1), (2, 6)].map(|(epoch, first)| EpochStart { epoch: Epoch::new(epoch), first: Seq::new(first) });
        let chain = EpochChain::new(links.to_vec()).expect("not empty");
        let position = Position { log: LogId::new(1), epoch: Epoch::new(2), head: Seq::new(head), earliest: Seq::new(earliest) };
        let (after, gap) = resume(cursor.parse().expect("cursor"), &chain, &position);
        (after.get(), gap.map(|gap| (gap.reason, gap.resumed.to_string(), gap.lost)))
    }

    #[test]
    fn a_cursor_whose_next_event_is_there_has_no_gap() {
        assert_eq!(ask("00000002-7", 8, 9), (7, None));
        assert_eq!(ask("00000001-5", 1, 9), (5, None));
        assert_eq!(ask("00000002-9", 10, 9), (9, None));
    }

    #[test]
    fn a_trimmed_cursor_resumes_before_the_earliest_and_counts_what_is_gone() {
        assert_eq!(ask("00000002-6", 8, 9), (7, Some((GapReason::Trimmed, "00000002-7".into(), 1))));
    }

    #[test]
    fn a_rewound_cursor_resumes_at_the_fork_and_a_foreign_one_at_the_start() {
        assert_eq!(ask("00000001-8", 1, 9), (5, Some((GapReason::Rewound, "00000002-5".into(), 3))));
        assert_eq!(ask("00000009-4", 3, 9), (2, Some((GapReason::Rewound, "00000002-2".into(), 6))));
        assert_eq!(ask("00000002-12", 1, 9), (9, Some((GapReason::Rewound, "00000002-9".into(), 3))));
    }
}
