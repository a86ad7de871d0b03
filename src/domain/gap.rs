//! Events that a client asked for and can't have: always told, never skipped.

use super::{Cursor, EpochChain, Resolved, Seq};

/// Why events are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// Retention has removed them.
    Trimmed,
    /// The log was restored to an earlier state, and its numbers were given out anew.
    Rewound,
}

impl GapReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Rewound => "rewound",
        }
    }
}

/// What a client asked for and the log no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// What the client had.
    pub requested: Cursor,
    /// Where it goes on.
    pub resumed: Cursor,
    /// How many seqs lie between: an upper bound for what its filter would have matched.
    pub lost: u64,
}

impl Gap {
    /// What a reader at `cursor` misses in a log that retains what lies at and after `earliest`.
    #[must_use]
    pub fn trimmed(cursor: Cursor, earliest: Seq) -> Option<Self> {
        let resumed = Cursor { seq: earliest.before(), ..cursor };
        let lost = resumed.seq.since(cursor.seq);
        (lost > 0).then_some(Self { reason: GapReason::Trimmed, requested: cursor, resumed, lost })
    }

    /// What a reader at `cursor` has that is void, since the log goes on from `fork`.
    #[must_use]
    pub fn rewound(cursor: Cursor, fork: Cursor) -> Self {
        Self { reason: GapReason::Rewound, requested: cursor, resumed: fork, lost: cursor.seq.since(fork.seq) }
    }
}

impl EpochChain {
    /// The cursor of today's numbering from which a client that presents `cursor` goes on, and the rewind that lies between.
    #[must_use]
    pub fn place(&self, cursor: Cursor, head: Seq) -> (Cursor, Option<Gap>) {
        let at = |seq| Cursor { epoch: self.current(), seq };
        match self.resolve(cursor, head) {
            Resolved::Good(seq) => (at(seq), None),
            Resolved::Rewound { resume } => (at(resume), Some(Gap::rewound(cursor, at(resume)))),
        }
    }
}
