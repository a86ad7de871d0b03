//! The sums of what the ledger has found, and the first few findings in words.

/// The sums of a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) published: usize,
    pub(super) acknowledged: usize,
    pub(super) delivered: usize,
    pub(super) lost: usize,
    pub(super) repeated: usize,
    pub(super) out_of_order: usize,
    pub(super) foreign: usize,
    /// Gaps that were told as the log has them.
    pub(super) told_trimmed: usize,
    pub(super) told_rewound: usize,
    /// Gaps that say what the log does not.
    pub(super) told_wrong: usize,
    /// Acknowledged events that went with a primary whose replica lacked them.
    pub(super) lost_by_store: usize,
    /// The first few things that are wrong, in words.
    pub(super) wrong: Vec<String>,
}

/// What is wrong with a finding.
pub(super) enum Kind {
    Lost,
    Repeated,
    OutOfOrder,
    Foreign,
    Told,
}

impl Verdict {
    /// How many things are described in words.
    const DESCRIBED: usize = 12;

    /// Adds a finding.
    pub(super) fn wrong(&mut self, kind: Kind, what: String) {
        match kind {
            Kind::Lost => self.lost += 1,
            Kind::Repeated => self.repeated += 1,
            Kind::OutOfOrder => self.out_of_order += 1,
            Kind::Foreign => self.foreign += 1,
            Kind::Told => self.told_wrong += 1,
        }
        if self.wrong.len() < Self::DESCRIBED {
            self.wrong.push(what);
        }
    }

    /// Adds up two verdicts on one log.
    pub(super) fn add(&mut self, other: Self) {
        self.published += other.published;
        self.acknowledged += other.acknowledged;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.out_of_order += other.out_of_order;
        self.foreign += other.foreign;
        self.told_trimmed += other.told_trimmed;
        self.told_rewound += other.told_rewound;
        self.told_wrong += other.told_wrong;
        self.lost_by_store += other.lost_by_store;
        self.wrong.extend(other.wrong);
        self.wrong.truncate(Self::DESCRIBED);
    }

    /// Whether everyone got exactly what the log holds, and was told the truth where it holds it no longer.
    pub(super) fn is_clean(&self) -> bool {
        (self.lost, self.repeated, self.out_of_order, self.foreign, self.told_wrong) == (0, 0, 0, 0, 0)
    }
}
