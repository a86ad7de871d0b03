//! Where a cursor leads, and what is missing on the way: pure, so that it can be tested without a log.
//!
//! **No silent gap**: a cursor that was trimmed or rewound resumes at the next thing there is, and says what lies between.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    domain::{Cursor, EpochChain, Resolved, Seq},
    log::Position,
};

/// Events that were asked for and are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gap {
    /// Why they are gone.
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

/// Why events are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GapReason {
    /// Retention removed them.
    Trimmed,
    /// The log was set back, and numbered anew from there.
    Rewound,
}

fn as_text<S: Serializer>(cursor: &Cursor, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cursor)
}

/// After which seq `cursor` continues in a log that stands at `position`, and what it misses.
#[must_use]
pub fn resume(cursor: Cursor, chain: &EpochChain, position: &Position) -> (Seq, Option<Gap>) {
    let retained = position.earliest.before();
    let (reason, after, lost) = match chain.resolve(cursor, position.head) {
        Resolved::Good(seq) if seq >= retained => return (seq, None),
        Resolved::Good(seq) => (GapReason::Trimmed, retained, retained.since(seq)),
        // seen under the old numbering and not shared with today's, then what is trimmed of today's
        Resolved::Rewound { resume } => {
            (GapReason::Rewound, resume.max(retained), cursor.seq.since(resume).saturating_add(retained.since(resume)))
        }
    };
    let resumed = Cursor { epoch: position.epoch, seq: after };
    (after, Some(Gap { reason, requested: cursor, resumed, lost }))
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
