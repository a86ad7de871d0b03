//! What the instance says of itself: health, and the numbers of `/events/stats`.
//!
//! Requests are answered from memory; a task samples what has to be asked for or counted over time. Everything is counted log by log: one tenant
//! must not learn another's volume, and what all of them share is told only to whoever may see the whole instance.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::interval;

use crate::{
    http::{
        BackplaneStatistics, ConnectionStatistics, EventStatistics, Facts, Health, HealthStatus, InstanceStatistics, Latency,
        LatencyStatistics, LogStatistics, MemoryStatistics, Percentiles, QueueStatistics, RingStatistics, ServiceHealth, Statistics,
    },
    hub::{Hub, Hubs, Spread, Totals},
    ingest::Publisher,
    log::{EventLog, LogId},
};

/// How often rates are sampled.
const SAMPLE: Duration = Duration::from_secs(1);
/// Over how many samples a rate is taken.
const RATE_SAMPLES: usize = 10;
/// Samples between two questions for the size of the store.
const SIZE_EVERY: u64 = 15;

/// See the module.
pub(super) struct AppFacts {
    hubs: Arc<Hubs>,
    publisher: Publisher,
    log: Arc<dyn EventLog>,
    started: Instant,
    size_bytes: AtomicU64,
    /// The last samples of every log that is open.
    counts: Mutex<HashMap<LogId, VecDeque<Counts>>>,
}

#[derive(Clone, Copy)]
struct Counts {
    at: Instant,
    published: u64,
    delivered: u64,
}

impl AppFacts {
    pub(super) fn new(hubs: Arc<Hubs>, publisher: Publisher, log: Arc<dyn EventLog>) -> Arc<Self> {
        let (size_bytes, counts) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Self { hubs, publisher, log, started: Instant::now(), size_bytes, counts })
    }

    fn counts(&self, log: LogId) -> Counts {
        let delivered = self.hubs.running(log).map_or(0, |hub| hub.delivered());
        Counts { at: Instant::now(), published: self.publisher.counts(log).published, delivered }
    }

    /// Samples until `stop` is over.
    pub(super) async fn sample(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let sampling = async {
            let mut ticks = interval(SAMPLE);
            for n in 0_u64.. {
                ticks.tick().await;
                self.hubs.open_logs().into_iter().for_each(|log| self.remember(log, self.counts(log)));
                if n % SIZE_EVERY == 0
                    && let Ok(bytes) = self.log.size_bytes().await
                {
                    self.size_bytes.store(bytes, Ordering::Relaxed);
                }
            }
        };
        tokio::select! {
            () = sampling => {}
            () = stop => {}
        }
    }

    fn remember(&self, log: LogId, counts: Counts) {
        let mut logs = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = logs.entry(log).or_default();
        samples.push_back(counts);
        if samples.len() > RATE_SAMPLES {
            samples.pop_front();
        }
    }

    /// Published and delivered events a second.
    fn rates(&self, log: LogId) -> (f64, f64) {
        let oldest = self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(&log).and_then(|samples| samples.front().copied());
        let now = self.counts(log);
        // what is delivered is counted anew when a log is followed again
        let rate = |now: u64, then: u64, seconds: f64| {
            if seconds > 0.0 { (now.saturating_sub(then) as f64 / seconds * 10.0).round() / 10.0 } else { 0.0 }
        };
        oldest.map_or((0.0, 0.0), |then| {
            let seconds = now.at.duration_since(then.at).as_secs_f64();
            (rate(now.published, then.published, seconds), rate(now.delivered, then.delivered, seconds))
        })
    }

    /// Where a log stands: as its hub sees it, or as the last look found it.
    fn log_statistics(&self, log: LogId, hub: Option<&Hub>) -> LogStatistics {
        let mut of = LogStatistics { store: self.log.kind(), ..LogStatistics::default() };
        let mut can_read = self.hubs.is_reachable();
        if let Some(view) = hub.map(Hub::view) {
            can_read &= view.is_reachable();
            (of.epoch, of.head, of.earliest) = (view.chain().current().to_string(), view.position().get(), view.earliest().get());
        } else if let Some(at) = self.hubs.position(log) {
            (of.epoch, of.head, of.earliest) = (at.epoch.to_string(), at.head.get(), at.earliest.get());
        }
        of.reachable = can_read && self.publisher.is_log_reachable();
        of
    }

    /// Who follows a log.
    fn connection_statistics(&self, log: LogId, hub: Option<&Hub>, totals: &Totals) -> ConnectionStatistics {
        let Some(admission) = hub.map(Hub::admission) else {
            let own = self.hubs.settings_of(log).max_connections.map_or(usize::MAX, |max| max as usize);
            return ConnectionStatistics { max: own.min(self.hubs.admission().max()), ..ConnectionStatistics::default() };
        };
        let mut closed: BTreeMap<_, _> = totals.closed.iter().copied().collect();
        // also those that went before their stream began
        let left = admission.opened().saturating_sub(admission.now()) as u64;
        closed.insert("left", left.saturating_sub(closed.values().sum()));
        ConnectionStatistics {
            now: admission.now(),
            peak: admission.peak(),
            max: admission.max(),
            opened: admission.opened(),
            refused: admission.refused(),
            closed,
            by_selector: totals.by_selector.iter().copied().collect(),
            replaying: totals.replaying,
            lagging: totals.lagging,
            paced: totals.paced,
            selectors: totals.selectors,
        }
    }

    fn instance_statistics(&self) -> InstanceStatistics {
        let admission = self.hubs.admission();
        InstanceStatistics {
            logs: self.hubs.open_logs().len(),
            max_logs: self.hubs.max_logs(),
            followed_logs: self.hubs.followed(),
            connections: admission.now(),
            peak_connections: admission.peak(),
            max_connections: admission.max(),
            refused_connections: admission.refused(),
        }
    }

    fn queue_statistics(&self) -> QueueStatistics {
        let (queued, max_queued) = (self.publisher.queued(), self.publisher.max_queued());
        QueueStatistics {
            publish_requests: queued.requests,
            publish_max_requests: max_queued.requests,
            publish_bytes: queued.bytes,
            publish_max_bytes: max_queued.bytes,
        }
    }
}

impl Facts for AppFacts {
    fn ready(&self) -> bool {
        // the rings were filled before anything listened, and a log that is away takes nothing from those that follow
        true
    }

    fn draining(&self) -> bool {
        self.hubs.admission().is_draining()
    }

    fn health(&self) -> Health {
        let part = |status, detail: Option<&str>| ServiceHealth { status, detail: detail.map(str::to_owned) };
        let log = match (self.hubs.is_reachable(), self.publisher.is_log_reachable()) {
            (true, true) => part(HealthStatus::Healthy, None),
            (true, false) => part(HealthStatus::Degraded, Some("can be read but not written: the last publish was refused")),
            (false, _) => part(HealthStatus::Degraded, Some("out of reach: publishing is refused, live streams and recent replay go on")),
        };
        let admission = self.hubs.admission();
        let hub = match (admission.is_draining(), admission.now() >= admission.max()) {
            (true, _) => part(HealthStatus::Degraded, Some("draining")),
            (false, true) => part(HealthStatus::Degraded, Some("every connection is taken")),
            (false, false) => part(HealthStatus::Healthy, None),
        };
        let services = BTreeMap::from([("log", log), ("hub", hub)]);
        let status = services.values().map(|service| service.status).max().unwrap_or(HealthStatus::Healthy);
        Health { status, services }
    }

    fn statistics(&self, log: LogId, whole_instance: bool) -> Statistics {
        let hub = self.hubs.running(log);
        let totals = hub.as_ref().map(|hub| hub.totals()).unwrap_or_default();
        let counts = self.publisher.counts(log);
        let (published_per_second, delivered_per_second) = self.rates(log);
        let [p50, p90, p99, max] = totals.latency_micros;
        let bounds = self.hubs.settings().ring;
        let size_bytes = whole_instance.then(|| self.size_bytes.load(Ordering::Relaxed));
        Statistics {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.started.elapsed().as_secs(),
            connections: self.connection_statistics(log, hub.as_deref(), &totals),
            events: EventStatistics {
                published: counts.published,
                duplicates: counts.duplicates,
                conflicts: counts.conflicts,
                commits: counts.commits,
                delivered: totals.delivered,
                published_per_second,
                delivered_per_second,
            },
            latency: LatencyStatistics { commit_to_write_microseconds: Percentiles { p50, p90, p99, max } },
            log: LogStatistics { size_bytes, ..self.log_statistics(log, hub.as_deref()) },
            ring: RingStatistics {
                frames: totals.ring_frames,
                bytes: totals.ring_bytes,
                frames_behind_hole: hub.as_ref().map_or(0, |hub| hub.view().stashed()),
                max_frames: bounds.frames,
                max_bytes: bounds.bytes,
            },
            backplane: BackplaneStatistics { kind: "local" },
            queues: whole_instance.then(|| self.queue_statistics()),
            memory: whole_instance.then(|| MemoryStatistics { resident_bytes: resident_bytes() }),
            instance: whole_instance.then(|| self.instance_statistics()),
        }
    }

    fn latency(&self) -> Latency {
        let Spread { buckets, sum_micros } = self.hubs.latency();
        Latency { buckets, sum_micros }
    }
}

/// What the process holds in memory, as the kernel counts it; zero where `/proc` is not.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backplane::Local,
        domain::{LogName, Source},
        hub,
        ingest::{self, BodyForm, Committer, Limits, parse},
        log::{OnConflict, SqliteLog, SqliteSettings},
    };

    #[tokio::test]
    async fn a_tenant_learns_nothing_of_what_another_publishes_or_of_what_all_share() {
        let home = tempfile::TempDir::new().expect("a temporary directory");
        let opened = SqliteLog::open_file(&home.path().join("log.db"), SqliteSettings::default()).await.expect("opens");
        let log: Arc<dyn EventLog> = Arc::new(opened);
        let (backplane, announcements) = Local::new();
        let hubs = Hubs::start(log.clone(), hub::Settings::default(), announcements, 10).await.expect("starts");
        let (publisher, committer) = Committer::new(log.clone(), Arc::new(backplane), ingest::Settings::default());
        let committing = tokio::spawn(committer.run(std::future::pending()));
        let mut ids = Vec::new();
        for name in ["busy", "quiet"] {
            ids.push(hubs.log(&LogName::new(name)).await.expect("opens"));
        }
        let facts = AppFacts::new(hubs.clone(), publisher.clone(), log.clone());
        for body in [r#"{"id":"1","type":"a.b","data":{}}"#, r#"{"id":"2","type":"a.b","data":{}}"#] {
            let drafts = parse(BodyForm::Json, body.as_bytes(), &Limits::default()).expect("valid");
            let request = ingest::request(Source::new("default"), drafts, OnConflict::Refuse);
            publisher.publish(ids[0], request).await.expect("published");
        }
        let _hub = hubs.hub(ids[0]).await.expect("starts");
        let busy = facts.statistics(ids[0], false);
        assert_eq!((busy.events.published, busy.events.commits, busy.log.head), (2, 2, 2));
        let quiet = facts.statistics(ids[1], false);
        assert_eq!((quiet.events.published, quiet.events.commits, quiet.log.head), (0, 0, 0));
        assert!(quiet.queues.is_none() && quiet.memory.is_none() && quiet.instance.is_none() && quiet.log.size_bytes.is_none());
        let whole = facts.statistics(ids[1], true);
        assert!(whole.queues.is_some() && whole.memory.is_some() && whole.log.size_bytes.is_some());
        let instance = whole.instance.expect("asked for");
        assert_eq!((instance.logs, instance.followed_logs, instance.max_logs), (3, 2, 10));
        committing.abort();
        log.close().await;
    }
}
