//! What the instance says of itself: health, and the numbers of `/events/stats`.
//!
//! Requests are answered from memory; a task samples what has to be asked for or counted over time.

use std::{
    collections::{BTreeMap, VecDeque},
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
        BackplaneStatistics, ConnectionStatistics, EventStatistics, Facts, Health, HealthStatus, Latency, LatencyStatistics, LogStatistics,
        MemoryStatistics, Percentiles, QueueStatistics, RingStatistics, ServiceHealth, Statistics,
    },
    hub::{Hub, Spread},
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
    hub: Arc<Hub>,
    publisher: Publisher,
    log: Arc<dyn EventLog>,
    started: Instant,
    size_bytes: AtomicU64,
    counts: Mutex<VecDeque<Counts>>,
}

#[derive(Clone, Copy)]
struct Counts {
    at: Instant,
    published: u64,
    delivered: u64,
}

impl AppFacts {
    pub(super) fn new(hub: Arc<Hub>, publisher: Publisher, log: Arc<dyn EventLog>) -> Arc<Self> {
        let (size_bytes, counts) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Self { hub, publisher, log, started: Instant::now(), size_bytes, counts })
    }

    fn counts(&self) -> Counts {
        Counts { at: Instant::now(), published: self.publisher.counts().published, delivered: self.hub.totals().delivered }
    }

    /// Samples until `stop` is over.
    pub(super) async fn sample(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let sampling = async {
            let mut ticks = interval(SAMPLE);
            for n in 0_u64.. {
                ticks.tick().await;
                self.remember(self.counts());
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

    fn remember(&self, counts: Counts) {
        let mut samples = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back(counts);
        if samples.len() > RATE_SAMPLES {
            samples.pop_front();
        }
    }

    /// Published and delivered events a second.
    fn rates(&self) -> (f64, f64) {
        let oldest = self.counts.lock().unwrap_or_else(PoisonError::into_inner).front().copied();
        let now = self.counts();
        let rate =
            |now: u64, then: u64, seconds: f64| if seconds > 0.0 { ((now - then) as f64 / seconds * 10.0).round() / 10.0 } else { 0.0 };
        oldest.map_or((0.0, 0.0), |then| {
            let seconds = now.at.duration_since(then.at).as_secs_f64();
            (rate(now.published, then.published, seconds), rate(now.delivered, then.delivered, seconds))
        })
    }
}

impl Facts for AppFacts {
    fn ready(&self) -> bool {
        // the rings were filled before anything listened, and a log that is away takes nothing from those that follow
        true
    }

    fn draining(&self) -> bool {
        self.hub.admission().is_draining()
    }

    fn health(&self) -> Health {
        let part = |status, detail: Option<&str>| ServiceHealth { status, detail: detail.map(str::to_owned) };
        let log = match (self.hub.view().is_reachable(), self.publisher.is_log_reachable()) {
            (true, true) => part(HealthStatus::Healthy, None),
            (true, false) => part(HealthStatus::Degraded, Some("can be read but not written: the last publish was refused")),
            (false, _) => part(HealthStatus::Degraded, Some("out of reach: publishing is refused, live streams and recent replay go on")),
        };
        let admission = self.hub.admission();
        let hub = match (admission.is_draining(), admission.now() >= admission.max()) {
            (true, _) => part(HealthStatus::Degraded, Some("draining")),
            (false, true) => part(HealthStatus::Degraded, Some("every connection is taken")),
            (false, false) => part(HealthStatus::Healthy, None),
        };
        let services = BTreeMap::from([("log", log), ("hub", hub)]);
        let status = services.values().map(|service| service.status).max().unwrap_or(HealthStatus::Healthy);
        Health { status, services }
    }

    fn statistics(&self, _log: LogId) -> Statistics {
        let (view, totals, admission) = (self.hub.view(), self.hub.totals(), self.hub.admission());
        let (counts, queued, max_queued) = (self.publisher.counts(), self.publisher.queued(), self.publisher.max_queued());
        let (published_per_second, delivered_per_second) = self.rates();
        let [p50, p90, p99, max] = totals.latency_micros;
        let ring = self.hub.settings().ring;
        let mut closed: BTreeMap<_, _> = totals.closed.into_iter().collect();
        // also those that went before their stream began
        let left = admission.opened().saturating_sub(admission.now()) as u64;
        closed.insert("left", left.saturating_sub(closed.values().sum()));
        Statistics {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.started.elapsed().as_secs(),
            connections: ConnectionStatistics {
                now: admission.now(),
                peak: admission.peak(),
                max: admission.max(),
                opened: admission.opened(),
                refused: admission.refused(),
                closed,
                by_selector: totals.by_selector.into_iter().collect(),
                replaying: totals.replaying,
                lagging: totals.lagging,
                paced: totals.paced,
                selectors: totals.selectors,
            },
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
            log: LogStatistics {
                store: self.log.kind(),
                reachable: view.is_reachable() && self.publisher.is_log_reachable(),
                epoch: view.chain().current().to_string(),
                head: view.position().get(),
                earliest: view.earliest().get(),
                size_bytes: self.size_bytes.load(Ordering::Relaxed),
            },
            ring: RingStatistics { frames: totals.ring_frames, bytes: totals.ring_bytes, max_frames: ring.frames, max_bytes: ring.bytes },
            queues: QueueStatistics {
                publish_requests: queued.requests,
                publish_max_requests: max_queued.requests,
                publish_bytes: queued.bytes,
                publish_max_bytes: max_queued.bytes,
                frames_behind_hole: view.stashed(),
            },
            backplane: BackplaneStatistics { kind: "local" },
            memory: MemoryStatistics { resident_bytes: resident_bytes() },
        }
    }

    fn latency(&self) -> Latency {
        let Spread { buckets, sum_micros } = self.hub.latency();
        Latency { buckets, sum_micros }
    }
}

/// What the process holds in memory, as the kernel counts it; zero where `/proc` is not.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
