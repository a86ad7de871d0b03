//! How often something may be done with one key: GCRA, by `governor`.

use std::{hash::Hash, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock as _, clock::DefaultClock};

use super::limit::{Limit, Limited};

/// See the module.
#[derive(Debug)]
pub(super) struct Rate<K: Clone + Eq + Hash>(DefaultKeyedRateLimiter<K>);

impl<K: Clone + Eq + Hash> Rate<K> {
    pub(super) fn per_minute(count: u32) -> Option<Self> {
        NonZeroU32::new(count).map(|count| Self(DefaultKeyedRateLimiter::keyed(Quota::per_minute(count))))
    }

    /// A second's worth at once, or the largest request there can be.
    pub(super) fn per_second(count: NonZeroU32, largest: usize) -> Self {
        let burst = NonZeroU32::new(u32::try_from(largest).unwrap_or(u32::MAX)).map_or(count, |largest| largest.max(count));
        Self(DefaultKeyedRateLimiter::keyed(Quota::per_second(count).allow_burst(burst)))
    }

    pub(super) fn take(&self, key: &K, by: Limit) -> Result<(), Limited> {
        self.take_many(key, NonZeroU32::MIN, by)
    }

    pub(super) fn take_many(&self, key: &K, count: NonZeroU32, by: Limit) -> Result<(), Limited> {
        match self.0.check_key_n(key, count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(Limited::after(by, not_until.wait_time_from(DefaultClock::default().now()))),
            // more than ever fits: callers make the burst as large as the largest request
            Err(_) => Err(Limited::after(by, Duration::from_secs(60))),
        }
    }

    pub(super) fn forget_quiet(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
