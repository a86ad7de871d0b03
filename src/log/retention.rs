//! Trims a log for as long as the service runs.
//!
//! Several instances may run this on one log: `earliest` only moves forward, and what one has deleted the other does not find. A trim that failed
//! or was cut short is made up for by the next.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::{EventLog, LogId, Retention};
use crate::domain::Timestamp;

/// Trims at once and then every `every`, until `shutdown` resolves.
pub async fn run_retention(
    log: Arc<dyn EventLog>,
    id: LogId,
    retention: Retention,
    every: Duration,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    // a trim that took longer than the interval is not followed by a burst of others
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let trimming = async {
        loop {
            ticks.tick().await;
            match log.trim(id, &retention).await {
                Ok(trimmed) if trimmed.events > 0 || trimmed.ids > 0 => {
                    tracing::info!(log = id.to_column(), events = trimmed.events, ids = trimmed.ids, "trimmed");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(log = id.to_column(), %error, "trim failed; the next one goes on where it stopped"),
            }
        }
    };
    // dropping a trim half way is safe: every step is a transaction of its own
    tokio::select! {
        () = trimming => {}
        () = shutdown => {}
    }
}

impl Retention {
    /// What was received before this is too old to keep.
    pub(super) fn events_before(&self, now: Timestamp) -> Option<Timestamp> {
        self.max_age.map(|age| earlier(now, age))
    }

    /// Ids from before this may be forgotten, as far as their events are gone: while an event is kept, publishing it again must not
    /// store it twice.
    pub(super) fn ids_before(&self, now: Timestamp) -> Option<Timestamp> {
        self.dedupe.map(|dedupe| earlier(now, dedupe.max(self.max_age.unwrap_or_default())))
    }
}

fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.as_micros().saturating_sub(by))
}
