//! Which numbering a seq belongs to.
//!
//! A head can go backwards (a restored file, a failover to a replica that lagged), and then seqs are used twice. The chain of epochs
//! tells a cursor that still means what its owner saw from one that now means another event.

use std::{fmt, str::FromStr};

use super::{Cursor, Seq};

/// A random id of one unbroken numbering of a log; eight hexadecimal digits on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// From a trusted number.
    #[must_use]
    pub const fn new(n: u32) -> Self {
        Self(n)
    }

    /// As a database column holds it.
    #[must_use]
    pub const fn to_column(self) -> i64 {
        self.0 as i64
    }

    /// From a database column; the upper half, which no store writes, is dropped.
    #[must_use]
    pub const fn from_column(n: i64) -> Self {
        Self((n & 0xffff_ffff) as u32)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        let lower_hex = s.len() == 8 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !lower_hex {
            return Err(());
        }
        u32::from_str_radix(s, 16).map(Self).map_err(|_| ())
    }
}

/// One link of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: Epoch,
    /// The first seq that was, or will be, numbered in it.
    pub first: Seq,
}

/// What a cursor means today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The cursor's seq still names what its owner saw.
    Good(Seq),
    /// The numbering was rewound below it: resume after the last seq that both numberings share.
    Rewound {
        /// Where to resume.
        resume: Seq,
    },
}

/// The epochs of a log, oldest first; the last one is current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochChain(Vec<EpochStart>);

impl EpochChain {
    /// A chain as stored, oldest first. `None` if it is empty: a log has an epoch from its first moment.
    #[must_use]
    pub fn new(links: Vec<EpochStart>) -> Option<Self> {
        (!links.is_empty()).then_some(Self(links))
    }

    /// The epoch in which the log numbers now.
    #[must_use]
    pub fn current(&self) -> Epoch {
        self.0.last().expect("a chain is never empty: `new` refuses it").epoch
    }

    /// Whether this epoch belongs to the log.
    #[must_use]
    pub fn contains(&self, epoch: Epoch) -> bool {
        self.0.iter().any(|link| link.epoch == epoch)
    }

    /// The links, oldest first.
    #[must_use]
    pub fn links(&self) -> &[EpochStart] {
        &self.0
    }

    /// The last seq that `epoch` shares with today's numbering; `None` if it was never this log's.
    ///
    /// A later link can start below an earlier one (two rewinds in a row), so the lowest of all that follow counts.
    #[must_use]
    pub fn last_common(&self, epoch: Epoch) -> Option<Seq> {
        let at = self.0.iter().rposition(|link| link.epoch == epoch)?;
        let lowest = self.0[at + 1..].iter().map(|link| link.first).min();
        Some(lowest.map_or(Seq::MAX, Seq::before))
    }

    /// What `cursor` means in a log whose newest seq is `head`.
    ///
    /// A foreign epoch shares nothing with this log, so its owner resumes before the first event, never at now.
    #[must_use]
    pub fn resolve(&self, cursor: Cursor, head: Seq) -> Resolved {
        let common = self.last_common(cursor.epoch).unwrap_or(Seq::ZERO).min(head);
        if cursor.seq <= common && self.contains(cursor.epoch) { Resolved::Good(cursor.seq) } else { Resolved::Rewound { resume: common } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(links: &[(u32, u64)]) -> EpochChain {
        let links = links.iter().map(|&(epoch, first)| EpochStart { epoch: Epoch(epoch), first: Seq::new(first) });
        EpochChain::new(links.collect()).expect("not empty")
    }

    fn at(epoch: u32, seq: u64) -> Cursor {
        Cursor { epoch: Epoch(epoch), seq: Seq::new(seq) }
    }

    #[test]
    fn a_cursor_below_the_fork_keeps_its_meaning() {
        let chain = chain(&[(1, 1), (2, 6)]);
        assert_eq!(chain.resolve(at(1, 5), Seq::new(9)), Resolved::Good(Seq::new(5)));
        assert_eq!(chain.resolve(at(2, 5), Seq::new(9)), Resolved::Good(Seq::new(5)));
    }

    #[test]
    fn a_cursor_above_the_fork_resumes_at_the_last_common_seq() {
        let chain = chain(&[(1, 1), (2, 6)]);
        assert_eq!(chain.resolve(at(1, 8), Seq::new(9)), Resolved::Rewound { resume: Seq::new(5) });
    }

    #[test]
    fn a_second_rewind_below_the_first_counts_for_both_epochs() {
        let chain = chain(&[(1, 1), (2, 6), (3, 3)]);
        assert_eq!(chain.resolve(at(1, 4), Seq::new(9)), Resolved::Rewound { resume: Seq::new(2) });
        assert_eq!(chain.resolve(at(2, 3), Seq::new(9)), Resolved::Rewound { resume: Seq::new(2) });
    }

    #[test]
    fn a_cursor_beyond_the_head_is_rewound_to_the_head_and_a_foreign_one_to_the_start() {
        let chain = chain(&[(1, 1)]);
        assert_eq!(chain.resolve(at(1, 10), Seq::new(9)), Resolved::Rewound { resume: Seq::new(9) });
        assert_eq!(chain.resolve(at(7, 2), Seq::new(9)), Resolved::Rewound { resume: Seq::ZERO });
        assert_eq!(chain.resolve(at(7, 0), Seq::new(9)), Resolved::Rewound { resume: Seq::ZERO });
    }
}
