//! Trims every log of a store for as long as the service runs.
//!
//! Several instances may run this on one store: `earliest` only moves forward, and what one has deleted the other does not find. A trim that failed
//! or was cut short is made up for by the next, and keeps no other log waiting for longer than its share
//! (`a_log_that_cannot_be_trimmed_does_not_stop_the_others`).

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{EventLog, LogId, Retention, TenantSettings};
use crate::domain::Timestamp;

/// How long one log may take at once: each step of a trim is a transaction of its own, so the next goes on where this one stopped.
const TURN: Duration = Duration::from_secs(10);

/// Trims at once and then every `every`, until `shutdown` resolves. `retention` says how much to keep of a log; `None`: leave it alone for now.
pub async fn run_retention(
    log: Arc<dyn EventLog>,
    retention: impl Fn(LogId) -> Option<Retention> + Send,
    every: Duration,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    // a trim that took longer than the interval is not followed by a burst of others
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let trimming = async {
        loop {
            ticks.tick().await;
            match log.positions().await {
                Ok(positions) => {
                    for id in positions.into_iter().map(|position| position.log) {
                        if let Some(retention) = retention(id) {
                            trim(&*log, id, &retention).await;
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "no log can be trimmed"),
            }
        }
    };
    // dropping a trim half way is safe: every step is a transaction of its own
    tokio::select! {
        () = trimming => {}
        () = shutdown => {}
    }
}

async fn trim(log: &dyn EventLog, id: LogId, retention: &Retention) {
    match timeout(TURN, log.trim(id, retention)).await {
        Ok(Ok(trimmed)) if trimmed.events > 0 || trimmed.ids > 0 => {
            tracing::info!(log = id.to_column(), events = trimmed.events, ids = trimmed.ids, "trimmed");
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(log = id.to_column(), %error, "trim failed; the next one goes on where it stopped"),
        Err(_) => tracing::info!(log = id.to_column(), "trimmed for as long as one log may take; the next one goes on where it stopped"),
    }
}

impl Retention {
    /// The same as far as a log has no settings of its own.
    #[must_use]
    pub fn overridden_by(self, own: &TenantSettings) -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            max_age: own.retention_days.map(|days| DAY * days).or(self.max_age),
            max_events: own.retention_events.or(self.max_events),
            dedupe: self.dedupe,
        }
    }

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
