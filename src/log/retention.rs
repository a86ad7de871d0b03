//! Trims every log of a store for as long as the service runs.
//!
//! Several instances may run this on one store: `earliest` only moves forward, and what one has deleted the other does not find. A trim that failed
//! or was cut short is made up for by the next, and keeps no other log waiting for longer than its share
//! (`a_log_that_cannot_be_trimmed_does_not_stop_the_others`).

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{EventLog, LogId, Retention, TenantSettings, Trimmed};
use crate::domain::Timestamp;

/// How long one log may take at once: each step of a trim is a transaction of its own, so the next goes on where this one stopped.
const TURN: Duration = Duration::from_secs(10);

/// What trims have done since the start, those that came to their end: what one deleted that was cut short is not known.
#[derive(Debug, Default)]
pub struct TrimCounts {
    events: AtomicU64,
    ids: AtomicU64,
    failed: AtomicU64,
}

impl TrimCounts {
    /// The sums.
    #[must_use]
    pub fn trimmed(&self) -> Trimmed {
        Trimmed { events: self.events.load(Ordering::Relaxed), ids: self.ids.load(Ordering::Relaxed) }
    }

    /// Trims that could not be made.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Trims at once and then every `every`, until `shutdown` resolves. `retention` says how much to keep of a log; `None`: leave it alone for now.
pub async fn run_retention(
    log: Arc<dyn EventLog>,
    retention: impl Fn(LogId) -> Option<Retention> + Send,
    every: Duration,
    counts: Arc<TrimCounts>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    // a trim that took longer than the interval is not followed by a burst of others
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let trimming = async {
        loop {
            ticks.tick().await;
            trim_all(&*log, &retention, TURN, &counts).await;
        }
    };
    // dropping a trim half way is safe: every step is a transaction of its own
    tokio::select! {
        () = trimming => {}
        () = shutdown => {}
    }
}

/// Trims every log, one after another.
async fn trim_all(log: &dyn EventLog, retention: &(impl Fn(LogId) -> Option<Retention> + Send), turn: Duration, counts: &TrimCounts) {
    let positions = match log.positions().await {
        Ok(positions) => positions,
        Err(error) => {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            return tracing::warn!(%error, "no log can be trimmed");
        }
    };
    for id in positions.into_iter().map(|position| position.log) {
        // asked for anew each time: settings change
        if let Some(retention) = retention(id) {
            trim(log, id, &retention, turn, counts).await;
        }
    }
}

async fn trim(log: &dyn EventLog, id: LogId, retention: &Retention, turn: Duration, counts: &TrimCounts) {
    match timeout(turn, log.trim(id, retention)).await {
        Ok(Ok(trimmed)) if trimmed.events > 0 || trimmed.ids > 0 => {
            counts.events.fetch_add(trimmed.events, Ordering::Relaxed);
            counts.ids.fetch_add(trimmed.ids, Ordering::Relaxed);
            tracing::info!(log = id.to_column(), events = trimmed.events, ids = trimmed.ids, "trimmed");
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(log = id.to_column(), %error, "trim failed; the next one goes on where it stopped");
        }
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
        self.max_age.map(|age| now.minus(age))
    }

    /// Ids from before this may be forgotten, as far as their events are gone: while an event is kept, publishing it again must not
    /// store it twice.
    pub(super) fn ids_before(&self, now: Timestamp) -> Option<Timestamp> {
        self.dedupe.map(|dedupe| now.minus(dedupe.max(self.max_age.unwrap_or_default())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        domain::{Epoch, EpochChain, LogName, Seq},
        log::{AppendRequest, Appended, LogError, Look, Page, PageRequest, Position},
    };

    /// Five logs, of which the first cannot be trimmed and the second never ends.
    #[derive(Default)]
    struct Fake(Mutex<Vec<(LogId, Option<u64>)>>);

    fn never<T>() -> Result<T, LogError> {
        Err(LogError::Internal("not asked for".to_owned()))
    }

    #[async_trait]
    impl EventLog for Fake {
        fn kind(&self) -> &'static str {
            "fake"
        }

        async fn open(&self, _: &LogName) -> Result<LogId, LogError> {
            never()
        }

        async fn append(&self, _: LogId, _: &[AppendRequest]) -> Result<Appended, LogError> {
            never()
        }

        async fn look(&self) -> Result<Look, LogError> {
            let at = |n| Position { log: LogId::new(n), epoch: Epoch::new(1), head: Seq::new(9), earliest: Seq::new(1) };
            Ok(Look { positions: (1..=5).map(at).collect(), ..Look::default() })
        }

        async fn epochs(&self, _: LogId) -> Result<EpochChain, LogError> {
            never()
        }

        async fn read(&self, _: LogId, _: &PageRequest) -> Result<Page, LogError> {
            never()
        }

        async fn seq_before(&self, _: LogId, _: Timestamp) -> Result<Seq, LogError> {
            never()
        }

        async fn trim(&self, log: LogId, retention: &Retention) -> Result<Trimmed, LogError> {
            match log.to_column() {
                1 => never(),
                2 => std::future::pending().await,
                _ => {
                    self.0.lock().expect("no panic").push((log, retention.max_events));
                    Ok(Trimmed { events: 2, ids: 1 })
                }
            }
        }

        async fn new_epoch(&self, _: LogId, _: &str) -> Result<Epoch, LogError> {
            never()
        }

        async fn size_bytes(&self) -> Result<u64, LogError> {
            never()
        }

        async fn close(&self) {}
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_trimmed_does_not_stop_the_others() {
        let fake = Fake::default();
        let retention = |id: LogId| {
            let own = TenantSettings { retention_events: (id == LogId::new(5)).then_some(5), ..TenantSettings::default() };
            let default = Retention { max_events: Some(7), ..Retention::default() };
            (id != LogId::new(4)).then(|| default.overridden_by(&own))
        };
        let counts = TrimCounts::default();
        trim_all(&fake, &retention, Duration::from_millis(1), &counts).await;
        assert_eq!((counts.trimmed(), counts.failed()), (Trimmed { events: 4, ids: 2 }, 1), "what was done is counted");
        let trimmed = fake.0.lock().expect("no panic").clone();
        assert_eq!(trimmed, [(LogId::new(3), Some(7)), (LogId::new(5), Some(5))], "each as its owner says; one is to be left alone");
    }

    #[test]
    fn a_tenants_own_settings_are_its_retention_as_far_as_it_has_any() {
        let days = |n: u64| Duration::from_hours(24 * n);
        let default = Retention { max_age: Some(days(7)), max_events: Some(9), dedupe: Some(days(30)) };
        assert_eq!(default.overridden_by(&TenantSettings::default()), default);
        let own = TenantSettings { retention_days: Some(365), ..TenantSettings::default() };
        assert_eq!(default.overridden_by(&own), Retention { max_age: Some(days(365)), ..default });
    }
}
