//! What announcements said that was not believed: reasons to ask the log, and no more.
//!
//! A few are kept, however many came: what was said of the head, and of another numbering. Each is settled by the answer to a question that was asked
//! after it. Whoever says what is not so costs one read: after it hints wait for [`GRACE`], so that a foreign voice cannot have the log read
//! without end (`false_hints_cost_one_read_each_grace_however_many_they_are`).

use std::time::Instant;

use super::GRACE;
use crate::domain::{Epoch, EpochChain, Seq};

#[derive(Clone, Copy, Debug)]
struct Hint {
    head: Seq,
    due: Instant,
    /// How much had been told when this was.
    told: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// The log has more, says the one that says most.
    most: Option<Hint>,
    /// The one that came last: it may be true where the one that says most is not.
    last: Option<Hint>,
    /// The log is in this epoch.
    elsewhere: Option<(Epoch, Hint)>,
    /// The last one was false.
    not_before: Option<Instant>,
}

impl Hints {
    fn waiting(&self, hint: Hint) -> Hint {
        Hint { due: self.not_before.map_or(hint.due, |not_before| hint.due.max(not_before)), ..hint }
    }

    pub(super) fn note_more(&mut self, head: Seq, told: u64, due: Instant) {
        let hint = self.waiting(Hint { head, due, told });
        self.last = Some(hint);
        self.most = Some(match self.most {
            Some(most) if most.head >= head => Hint { due: most.due.min(hint.due), ..most },
            Some(most) => Hint { due: most.due.min(hint.due), ..hint },
            None => hint,
        });
    }

    pub(super) fn note_elsewhere(&mut self, epoch: Epoch, head: Seq, told: u64, due: Instant) {
        let mut hint = self.waiting(Hint { head, due, told });
        if let Some((known, earlier)) = self.elsewhere {
            hint.due = hint.due.min(earlier.due);
            if known == epoch {
                hint.head = hint.head.max(earlier.head);
            }
        }
        self.elsewhere = Some((epoch, hint));
    }

    /// When the log is to be asked for more than what lies at `position`.
    pub(super) fn more_due(&self, position: Seq) -> Option<Instant> {
        self.most.filter(|hint| hint.head > position).map(|hint| hint.due)
    }

    /// When the log is to be asked for its epochs.
    pub(super) fn elsewhere_due(&self) -> Option<Instant> {
        self.elsewhere.map(|(_, hint)| hint.due)
    }

    /// The head that is hinted at.
    pub(super) fn head(&self) -> Seq {
        self.most.map_or(Seq::ZERO, |most| most.head)
    }

    /// The log was asked when so much had been told; whether what had been said of its head proved false.
    pub(super) fn settle_more(&mut self, is_false: bool, told: u64, now: Instant) {
        let is_open = |hint: &Hint| hint.told > told;
        if is_false {
            self.not_before = Some(now + GRACE);
        }
        self.last = self.last.filter(is_open);
        self.most = self.most.filter(is_open).or(self.last).map(|hint| self.waiting(hint));
    }

    /// The log, asked when so much had been told, has these epochs.
    pub(super) fn settle_elsewhere(&mut self, chain: &EpochChain, told: u64, now: Instant) {
        let Some((epoch, hint)) = self.elsewhere.take() else { return };
        if chain.current() == epoch {
            // what it says of the head is a hint like any other now
            self.most = Some(hint);
        } else if !chain.contains(epoch) {
            self.not_before = Some(now + GRACE);
            self.elsewhere = (hint.told > told).then(|| (epoch, self.waiting(hint)));
        }
    }
}
