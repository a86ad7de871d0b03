//! What the hub counts: written by one thread each, read by anyone.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{
    CloseReason,
    histogram::{Histogram, Spread, Tally},
};

/// What a connection can follow; one that follows several kinds counts for each.
pub const SELECTORS: [&str; 5] = ["all", "streams", "users", "topics", "types"];

/// One shard's counters.
#[derive(Debug, Default)]
pub(super) struct ShardStats {
    /// Events written to connections.
    pub delivered: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
    /// Connections that read from the log.
    pub replaying: AtomicUsize,
    /// Connections that take nothing at the moment.
    pub lagging: AtomicUsize,
    /// Connections that wait for their pace.
    pub paced: AtomicUsize,
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

    /// Connections that were closed for `reason`.
    #[must_use]
    pub(super) fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize].load(Ordering::Relaxed)
    }

    /// Adds what another has counted; what it holds at the moment is left out.
    fn add(&self, other: &Self) {
        let counters = self.closed.iter().zip(&other.closed).chain([(&self.delivered, &other.delivered)]);
        for (mine, more) in counters {
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
        let sum = |field: fn(&ShardStats) -> u64| shards.iter().map(|shard| field(shard)).sum::<u64>();
        let count = |field: fn(&ShardStats) -> &AtomicUsize| shards.iter().map(|shard| field(shard).load(Ordering::Relaxed)).sum::<usize>();
        let most =
            |field: fn(&ShardStats) -> &AtomicUsize| shards.iter().map(|shard| field(shard).load(Ordering::Relaxed)).max().unwrap_or(0);
        let closed =
            CloseReason::ALL.into_iter().map(|reason| (reason.as_str(), shards.iter().map(|shard| shard.closed(reason)).sum())).collect();
        Totals {
            delivered: sum(|shard| shard.delivered.load(Ordering::Relaxed)),
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
            latency: Histogram::tally(&shards.iter().map(|shard| &shard.latency).collect::<Vec<_>>()),
        }
    }
}
