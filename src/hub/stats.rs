//! What the hub counts: written by one thread each, read by anyone.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::CloseReason;
use crate::{
    domain::GapReason,
    histogram::{Histogram, Spread, Tally},
};

/// What a connection can follow; one that follows several kinds counts for each.
pub const SELECTORS: [&str; 5] = ["all", "streams", "users", "topics", "types"];

/// When a stream was told of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapMoment {
    /// Before it had caught up: what it came for is gone.
    Connect,
    /// After that.
    Live,
}

impl GapMoment {
    /// As a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Live => "live",
        }
    }
}

/// Gaps that streams were told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapsTold {
    /// Why.
    pub reason: GapReason,
    /// When.
    pub moment: GapMoment,
    /// How many.
    pub count: u64,
}

const GAPS: [(GapReason, GapMoment); 4] = [
    (GapReason::Trimmed, GapMoment::Connect),
    (GapReason::Trimmed, GapMoment::Live),
    (GapReason::Rewound, GapMoment::Connect),
    (GapReason::Rewound, GapMoment::Live),
];

/// One shard's counters.
#[derive(Debug, Default)]
pub(super) struct ShardStats {
    /// Events written to connections.
    pub delivered: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
    /// Streams that were told where they stand.
    pub begun: AtomicU64,
    /// Heartbeats, with a cursor or without.
    pub heartbeats: AtomicU64,
    /// Events written from pages of the log.
    pub replayed: AtomicU64,
    /// Pages read, and those that could not be: of the log's reader, not of a shard.
    pub pages: AtomicU64,
    pub pages_failed: AtomicU64,
    /// In the order of [`GAPS`].
    gaps: [AtomicU64; GAPS.len()],
    /// Connections that read from the log.
    pub replaying: AtomicUsize,
    /// Connections that take nothing at the moment.
    pub lagging: AtomicUsize,
    /// Connections that wait for their pace.
    pub paced: AtomicUsize,
    /// Events between the newest one and the connection that is furthest behind.
    pub behind: AtomicU64,
    /// Distinct selectors followed.
    pub selectors: AtomicUsize,
    /// Connections by what they follow, in the order of [`SELECTORS`].
    pub by_selector: [AtomicUsize; SELECTORS.len()],
    /// Frames in the ring.
    pub ring_frames: AtomicUsize,
    /// Bytes of events' text in the ring.
    pub ring_bytes: AtomicUsize,
    /// From commit to write; of what others committed, from when this instance was told.
    pub latency: Histogram,
}

impl ShardStats {
    pub(crate) fn count_closed(&self, reason: CloseReason) {
        self.closed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a gap that a stream was told of, which `is_live` if it had caught up.
    pub(crate) fn count_gap(&self, reason: GapReason, is_live: bool) {
        let moment = if is_live { GapMoment::Live } else { GapMoment::Connect };
        if let Some(at) = GAPS.iter().position(|gap| *gap == (reason, moment)) {
            self.gaps[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Connections that were closed for `reason`.
    #[must_use]
    pub(super) fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize].load(Ordering::Relaxed)
    }

    /// Everything that only ever grows, but for latencies.
    fn counters(&self) -> impl Iterator<Item = &AtomicU64> {
        let Self { delivered, begun, heartbeats, replayed, pages, pages_failed, closed, gaps, .. } = self;
        closed.iter().chain(gaps).chain([delivered, begun, heartbeats, replayed, pages, pages_failed])
    }

    /// Adds what another has counted; what it holds at the moment is left out.
    fn add(&self, other: &Self) {
        for (mine, more) in self.counters().zip(other.counters()) {
            mine.fetch_add(more.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.latency.add(&other.latency);
    }
}

/// Statistics of all shards: each adds its own when it starts.
#[derive(Clone, Debug, Default)]
pub(super) struct Statistics {
    shards: Arc<std::sync::Mutex<Vec<Arc<ShardStats>>>>,
}

/// Sums over the shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events written to connections.
    pub delivered: u64,
    /// Streams that were told where they stand.
    pub begun: u64,
    /// Heartbeats, with a cursor or without.
    pub heartbeats: u64,
    /// Events written from pages of the log, and not from memory.
    pub replayed: u64,
    /// Pages of the log that were read.
    pub pages: u64,
    /// Pages of the log that could not be read.
    pub pages_failed: u64,
    /// Gaps told, by reason and moment.
    pub gaps: Vec<GapsTold>,
    /// Events between the newest one and the connection that is furthest behind.
    pub behind: u64,
    /// Connections that read from the log.
    pub replaying: usize,
    /// Connections that take nothing at the moment.
    pub lagging: usize,
    /// Connections that have more to come than their pace allows.
    pub paced: usize,
    /// Distinct selectors followed, counted per shard.
    pub selectors: usize,
    /// Connections by what they follow.
    pub by_selector: Vec<(&'static str, usize)>,
    /// The fullest ring's frames.
    pub ring_frames: usize,
    /// The fullest ring's bytes.
    pub ring_bytes: usize,
    /// Connections that the service ended, by reason.
    pub closed: Vec<(&'static str, u64)>,
    /// From commit to write.
    pub latency: Tally,
}

impl Statistics {
    pub(crate) fn register(&self) -> Arc<ShardStats> {
        let stats = Arc::new(ShardStats::default());
        self.shards.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(stats.clone());
        stats
    }

    /// Adds all shards of others, as they go on.
    pub(super) fn join(&self, other: &Self) {
        let others = other.shards();
        self.shards.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(others);
    }

    /// What was counted up to now, by no shard that still counts.
    pub(super) fn settled(&self) -> Self {
        let settled = Self::default();
        settled.settle(self);
        settled
    }

    /// Adds what the shards of others have counted, once they count no more.
    pub(super) fn settle(&self, other: &Self) {
        let mine = self.shards().into_iter().next().unwrap_or_else(|| self.register());
        other.shards().iter().for_each(|shard| mine.add(shard));
    }

    fn shards(&self) -> Vec<Arc<ShardStats>> {
        self.shards.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Events written to connections.
    pub(super) fn delivered(&self) -> u64 {
        let shards = self.shards.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shards.iter().map(|shard| shard.delivered.load(Ordering::Relaxed)).sum()
    }

    /// From commit to write, over all shards, as finely as it is counted.
    #[must_use]
    pub(super) fn tally(&self) -> Tally {
        let shards = self.shards();
        Histogram::tally(&shards.iter().map(|shard| &shard.latency).collect::<Vec<_>>())
    }

    /// From commit to write, over all shards.
    #[must_use]
    pub(super) fn latency(&self) -> Spread {
        let shards = self.shards();
        Histogram::spread(&shards.iter().map(|shard| &shard.latency).collect::<Vec<_>>())
    }

    /// The sums now.
    #[must_use]
    pub(super) fn totals(&self) -> Totals {
        let shards = self.shards();
        let sum = |field: fn(&ShardStats) -> &AtomicU64| shards.iter().map(|shard| field(shard).load(Ordering::Relaxed)).sum::<u64>();
        let count = |field: fn(&ShardStats) -> &AtomicUsize| shards.iter().map(|shard| field(shard).load(Ordering::Relaxed)).sum::<usize>();
        let most =
            |field: fn(&ShardStats) -> &AtomicUsize| shards.iter().map(|shard| field(shard).load(Ordering::Relaxed)).max().unwrap_or(0);
        let closed =
            CloseReason::ALL.into_iter().map(|reason| (reason.as_str(), shards.iter().map(|shard| shard.closed(reason)).sum())).collect();
        Totals {
            delivered: sum(|shard| &shard.delivered),
            begun: sum(|shard| &shard.begun),
            heartbeats: sum(|shard| &shard.heartbeats),
            replayed: sum(|shard| &shard.replayed),
            pages: sum(|shard| &shard.pages),
            pages_failed: sum(|shard| &shard.pages_failed),
            gaps: GAPS
                .iter()
                .enumerate()
                .map(|(at, (reason, moment))| {
                    let count = shards.iter().map(|shard| shard.gaps[at].load(Ordering::Relaxed)).sum();
                    GapsTold { reason: *reason, moment: *moment, count }
                })
                .collect(),
            behind: shards.iter().map(|shard| shard.behind.load(Ordering::Relaxed)).max().unwrap_or(0),
            replaying: count(|shard| &shard.replaying),
            lagging: count(|shard| &shard.lagging),
            paced: count(|shard| &shard.paced),
            selectors: count(|shard| &shard.selectors),
            by_selector: SELECTORS
                .iter()
                .enumerate()
                .map(|(at, name)| (*name, shards.iter().map(|shard| shard.by_selector[at].load(Ordering::Relaxed)).sum()))
                .collect(),
            ring_frames: most(|shard| &shard.ring_frames),
            ring_bytes: most(|shard| &shard.ring_bytes),
            closed,
            latency: self.tally(),
        }
    }
}
