//! While Redis is away: when it is looked for again, and what is said of it.
//!
//! A Redis that answers, and is lost again with the first thing that is asked of it, is away all the same: neither is its return told, nor
//! is it looked for more often, until it has stayed.

use std::time::Duration;

use crate::backplane::carrier::Lost;

/// The first wait before Redis is looked for again, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// How long it has to be there before it is believed to stay.
const STAYS: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug)]
pub(super) struct Outage {
    wait: Duration,
    /// Whether it was said that Redis is away.
    told: bool,
}

impl Outage {
    pub(super) fn new() -> Self {
        Self { wait: WAITS.0, told: false }
    }

    /// Redis is lost, or was not found; about how long to wait before it is looked for again.
    pub(super) fn lost(&mut self, lost: &Lost) -> Duration {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(%lost, "connections of a subject are counted on this instance alone until Redis is back");
        }
        let longer = self.wait.saturating_mul(2).min(WAITS.1);
        std::mem::replace(&mut self.wait, longer)
    }

    /// Redis has been there for so long. To be said again and again.
    pub(super) fn is_there_for(&mut self, time: Duration) {
        if time < STAYS {
            return;
        }
        self.wait = WAITS.0;
        if std::mem::take(&mut self.told) {
            tracing::info!("connections of a subject are counted on all instances again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_comes_and_goes_is_told_once_and_looked_for_ever_more_rarely_until_it_stays() {
        let mut outage = Outage::new();
        let mut lost = |moment| {
            outage.is_there_for(moment);
            (outage.lost(&Lost("again".to_owned())), outage.told)
        };
        let waits: Vec<_> = (0..6).map(|_| lost(STAYS / 2).0.as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3000]);
        assert_eq!(lost(Duration::ZERO), (WAITS.1, true));
        assert_eq!(lost(STAYS), (WAITS.0, true));
        outage.is_there_for(STAYS);
        assert!(!outage.told);
    }
}
