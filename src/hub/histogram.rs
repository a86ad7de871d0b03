//! Latency percentiles from counters that any thread may add to without a lock.
//!
//! Buckets grow by a quarter of a power of two, so a percentile is told at most 25 % too high.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const SUB_BITS: u32 = 2;
const BUCKETS: usize = 40 << SUB_BITS;

/// Counts of durations in microseconds.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [AtomicU64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS] }
    }
}

fn bucket(micros: u64) -> usize {
    let n = micros.max(1 << SUB_BITS);
    let power = n.ilog2();
    let sub = (n >> (power - SUB_BITS)) & ((1 << SUB_BITS) - 1);
    ((((power - SUB_BITS) << SUB_BITS) as usize) + sub as usize).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn ceiling(bucket: usize) -> u64 {
    let power = (bucket >> SUB_BITS) as u32 + SUB_BITS;
    let sub = (bucket & ((1 << SUB_BITS) - 1)) as u64;
    ((((1 << SUB_BITS) | sub) + 1) << (power - SUB_BITS)) - 1
}

impl Histogram {
    /// Adds `count` observations of `took`.
    pub(super) fn record(&self, took: Duration, count: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(micros)].fetch_add(count, Ordering::Relaxed);
    }

    /// The microseconds that the given shares of all observations in `parts` stay below; zeros when there are none.
    #[must_use]
    pub(super) fn percentiles<const N: usize>(parts: &[&Self], shares: [f64; N]) -> [u64; N] {
        let counts: Vec<u64> = (0..BUCKETS).map(|b| parts.iter().map(|part| part.counts[b].load(Ordering::Relaxed)).sum()).collect();
        let total: u64 = counts.iter().sum();
        shares.map(|share| {
            let wanted = ((total as f64) * share).ceil().max(1.0) as u64;
            let mut seen = 0;
            counts
                .iter()
                .enumerate()
                .find(|(_, count)| {
                    seen += **count;
                    seen >= wanted
                })
                .map_or(0, |(bucket, _)| ceiling(bucket))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_at_most_a_quarter_too_high() {
        for micros in [1, 3, 4, 5, 7, 8, 100, 999, 1000, 123_456, 10_000_000] {
            let histogram = Histogram::default();
            histogram.record(Duration::from_micros(micros), 1);
            let [p] = Histogram::percentiles(&[&histogram], [0.99]);
            assert!(p >= micros && p as f64 <= (micros.max(4) as f64) * 1.25, "{micros} became {p}");
        }
        assert_eq!(Histogram::percentiles(&[&Histogram::default()], [0.5]), [0]);
    }
}
