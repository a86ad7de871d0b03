//! Durations and sizes as counts by bucket, which any thread may add to without a lock and anyone may read.
//!
//! Buckets of durations grow by a quarter of a power of two, so a percentile is told at most 25 % too high. Nothing here knows what is measured,
//! or remembers when: who wants to know of the last seconds takes one [`Tally`] from another.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const SUB_BITS: u32 = 2;
const BUCKETS: usize = 40 << SUB_BITS;

/// Counts of durations in microseconds.
#[derive(Debug)]
pub struct Histogram {
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
    pub fn record(&self, took: Duration, count: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(micros)].fetch_add(count, Ordering::Relaxed);
    }

    /// Adds the observations of another.
    pub fn add(&self, other: &Self) {
        for (mine, more) in self.counts.iter().zip(&other.counts) {
            mine.fetch_add(more.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// The observations in `parts`, as finely as they are counted.
    #[must_use]
    pub fn tally(parts: &[&Self]) -> Tally {
        let count = |bucket: usize| parts.iter().map(|part| part.counts[bucket].load(Ordering::Relaxed)).sum();
        Tally::of((0..BUCKETS).map(|bucket| (bucket, count(bucket))))
    }
}

/// Observations by size, which can be told to others and added to theirs: what they stay below all together is not to be had from what each stays
/// below. Whoever tells them says in what form, since others may have been built with other buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<usize, u64>);

impl Tally {
    /// Counts by the number of their bucket; a bucket that there isn't counts as the last.
    #[must_use]
    pub fn of(counts: impl IntoIterator<Item = (usize, u64)>) -> Self {
        let mut tally = Self::default();
        counts.into_iter().for_each(|(bucket, count)| tally.count(bucket, count));
        tally
    }

    /// The counts by the number of their bucket, without those that are zero.
    pub fn counts(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// Adds the observations of another.
    pub fn add(&mut self, other: &Self) {
        other.counts().for_each(|(bucket, count)| self.count(bucket, count));
    }

    /// What was observed since it was `then`; what was counted anew meanwhile counts for nothing.
    #[must_use]
    pub fn since(&self, then: &Self) -> Self {
        Self::of(self.counts().map(|(bucket, count)| (bucket, count.saturating_sub(then.0.get(&bucket).copied().unwrap_or_default()))))
    }

    /// The same in a quarter of the buckets, for messages that must stay small: a percentile is at most twice too high.
    #[must_use]
    pub fn coarse(&self) -> Self {
        Self::of(self.counts().map(|(bucket, count)| (bucket | ((1 << SUB_BITS) - 1), count)))
    }

    fn count(&mut self, bucket: usize, count: u64) {
        if count > 0 {
            let mine = self.0.entry(bucket.min(BUCKETS - 1)).or_default();
            *mine = mine.saturating_add(count);
        }
    }

    /// The microseconds that the given shares of all observations stay below; zeros when there are none.
    #[must_use]
    pub fn percentiles<const N: usize>(&self, shares: [f64; N]) -> [u64; N] {
        let total = self.0.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        shares.map(|share| {
            let wanted = ((total as f64) * share).ceil().max(1.0) as u64;
            let mut seen = 0_u64;
            let found = self.0.iter().find(|(_, count)| {
                seen = seen.saturating_add(**count);
                seen >= wanted
            });
            // a sum of very many is rounded, perhaps upwards
            found.or(self.0.last_key_value()).map_or(0, |(bucket, _)| ceiling(*bucket))
        })
    }
}

/// Observations by size, coarsely: one bucket a power of two, as dashboards take them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many took at most so many microseconds, and more than those of the bucket before; the last one has no bound.
    pub buckets: Vec<(Option<u64>, u64)>,
    /// Of all observations, in microseconds, taking each for the middle of its bucket: at most an eighth off.
    pub sum_micros: u64,
}

/// The powers of two between which [`Spread`] tells apart: 64 µs to a minute.
const SPREAD_POWERS: std::ops::Range<u32> = 6..27;

impl Histogram {
    /// The observations in `parts`.
    #[must_use]
    pub fn spread(parts: &[&Self]) -> Spread {
        let bounds = SPREAD_POWERS.map(|power| Some((1 << power) - 1)).chain([None]);
        let mut spread = Spread { buckets: bounds.map(|bound| (bound, 0)).collect(), sum_micros: 0 };
        for bucket in 0..BUCKETS {
            let count: u64 = parts.iter().map(|part| part.counts[bucket].load(Ordering::Relaxed)).sum();
            let (most, least) = (ceiling(bucket), if bucket == 0 { 0 } else { ceiling(bucket - 1) });
            let found = spread.buckets.iter_mut().find(|(bound, _)| bound.is_none_or(|bound| most <= bound));
            let (_, of_bound) = found.expect("the last bucket has no bound");
            *of_bound += count;
            spread.sum_micros = spread.sum_micros.saturating_add(count.saturating_mul(least.midpoint(most)));
        }
        spread
    }
}

/// The powers of two up to which sizes are told apart.
const SIZE_POWERS: usize = 13;

/// Counts of sizes, such as of the requests in a commit: one bucket a power of two.
#[derive(Debug, Default)]
pub struct Sizes {
    counts: [AtomicU64; SIZE_POWERS + 1],
    sum: AtomicU64,
}

impl Sizes {
    /// Adds an observation.
    pub fn record(&self, size: u64) {
        let power = size.max(1).next_power_of_two().ilog2() as usize;
        self.counts[power.min(SIZE_POWERS)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(size, Ordering::Relaxed);
    }

    /// How many were at most so large, and larger than those of the bucket before (the last one has no bound), and the sum of all.
    #[must_use]
    pub fn spread(&self) -> (Vec<(Option<u64>, u64)>, u64) {
        let bound = |power: usize| (power < SIZE_POWERS).then(|| 1 << power);
        let counts = self.counts.iter().enumerate().map(|(power, count)| (bound(power), count.load(Ordering::Relaxed)));
        (counts.collect(), self.sum.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_observed_since_is_told_apart_and_a_coarse_tally_counts_as_much() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(100), 5);
        let then = Histogram::tally(&[&histogram]);
        histogram.record(Duration::from_micros(100), 1);
        histogram.record(Duration::from_micros(9000), 2);
        let recent = Histogram::tally(&[&histogram]).since(&then);
        assert_eq!(recent.counts().map(|(_, count)| count).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(then.since(&recent).counts().count(), 1, "counted anew: nothing rather than less than nothing");
        let [exact, coarse] = [&recent, &recent.coarse()].map(|tally| tally.percentiles([0.1, 1.0]));
        assert_eq!(recent.coarse().counts().map(|(_, count)| count).sum::<u64>(), 3);
        for (exact, coarse) in exact.into_iter().zip(coarse) {
            assert!(coarse >= exact && coarse <= exact * 2, "{coarse} for {exact}");
        }
    }

    #[test]
    fn sizes_are_counted_up_to_their_power_of_two_and_summed_exactly() {
        let sizes = Sizes::default();
        [1, 2, 3, 4, 5, 100_000].into_iter().for_each(|size| sizes.record(size));
        let (buckets, sum) = sizes.spread();
        let of = |wanted: Option<u64>| buckets.iter().find(|(bound, _)| *bound == wanted).map(|(_, count)| *count);
        assert_eq!([of(Some(1)), of(Some(2)), of(Some(4)), of(Some(8)), of(Some(4096)), of(None)], [1, 1, 2, 1, 0, 1].map(Some));
        assert_eq!(sum, 100_015);
    }

    #[test]
    fn a_percentile_is_at_most_a_quarter_too_high() {
        for micros in [1, 3, 4, 5, 7, 8, 100, 999, 1000, 123_456, 10_000_000] {
            let histogram = Histogram::default();
            histogram.record(Duration::from_micros(micros), 1);
            let [p] = Histogram::tally(&[&histogram]).percentiles([0.99]);
            assert!(p >= micros && p as f64 <= (micros.max(4) as f64) * 1.25, "{micros} became {p}");
        }
        assert_eq!(Tally::default().percentiles([0.5]), [0]);
    }

    #[test]
    fn what_several_counted_is_as_if_one_had_and_bad_counts_are_taken_as_well() {
        let [one, two, both] = [(); 3].map(|()| Histogram::default());
        for (part, micros, count) in [(&one, 100, 98), (&one, 5000, 1), (&two, 70_000, 3), (&two, 100, 1)] {
            part.record(Duration::from_micros(micros), count);
            both.record(Duration::from_micros(micros), count);
        }
        let mut sum = Histogram::tally(&[&one]);
        // as it was told
        sum.add(&Tally::of(Histogram::tally(&[&two]).counts()));
        let shares = [0.5, 0.9, 0.99, 1.0];
        assert_eq!(sum.percentiles(shares), Histogram::tally(&[&both]).percentiles(shares));
        assert_ne!(sum.percentiles([0.99]), Histogram::tally(&[&one]).percentiles([0.99]));
        sum.add(&Tally::of([(usize::MAX, 1), (8, 0)]));
        assert_eq!(sum.percentiles([1.0]), [ceiling(BUCKETS - 1)]);
        sum.add(&Tally::of([(7, u64::MAX), (usize::MAX, u64::MAX)]));
        assert_eq!(sum.percentiles([0.1]), [ceiling(7)], "as far as can be counted");
        assert!(sum.counts().all(|(bucket, count)| bucket < BUCKETS && count > 0));
    }

    #[test]
    fn a_spread_counts_every_observation_once_and_sums_them_within_an_eighth() {
        let histogram = Histogram::default();
        let observed = [1, 63, 64, 1000, 1024, 3_000_000, 90_000_000];
        observed.iter().for_each(|micros| histogram.record(Duration::from_micros(*micros), 2));
        let Spread { buckets, sum_micros } = Histogram::spread(&[&histogram]);
        let of = |wanted: Option<u64>| buckets.iter().find(|(bound, _)| *bound == wanted).map(|(_, count)| *count);
        assert_eq!([of(Some(63)), of(Some(127)), of(Some(1023)), of(Some(2047)), of(None)], [Some(4), Some(2), Some(2), Some(2), Some(2)]);
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 2 * observed.len() as u64);
        let exact = 2 * observed.iter().sum::<u64>();
        assert!(sum_micros.abs_diff(exact) <= exact / 8, "{sum_micros} for {exact}");
    }
}
