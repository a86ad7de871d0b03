//! What the instance says of itself: health, and the numbers of `/events/stats`.
//!
//! Requests are answered from memory; a task samples what has to be asked for or counted over time. Everything is counted log by log: one
//! tenant must not learn another's volume, and what all of them share is told only to whoever may see the whole instance.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::interval;

use super::{cluster::Own, unless_stopped};
use crate::{
    backplane::{Backplane, Leases, Status},
    http::{
        BackplaneStatistics, BackplaneTraffic, ConnectionStatistics, EventStatistics, Facts, Health, HealthStatus, InstanceStatistics,
        Latency, LatencyStatistics, LimitStatistics, LogStatistics, MemoryStatistics, Overall, Percentiles, QueueStatistics,
        RingStatistics, Scope, ServiceHealth, Statistics,
    },
    hub::{Admission, Hub, Hubs, Spread, Tally, Totals},
    ingest::{self, Publisher},
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
    backplane: Arc<dyn Backplane>,
    leases: Option<Arc<dyn Leases>>,
    started: Instant,
    leaving: AtomicBool,
    size_bytes: AtomicU64,
    /// The most connections whose peer went, of all logs, that were ever told.
    left: AtomicU64,
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
    pub(super) fn new(hubs: Arc<Hubs>, publisher: Publisher, log: Arc<dyn EventLog>, backplane: Arc<dyn Backplane>) -> Arc<Self> {
        let (size_bytes, left, counts) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::default());
        let leases = backplane.leases();
        Arc::new(Self {
            hubs,
            publisher,
            log,
            backplane,
            leases,
            started: Instant::now(),
            leaving: AtomicBool::new(false),
            size_bytes,
            left,
            counts,
        })
    }

    /// From now on it says that clients had better go elsewhere.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
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
        unless_stopped(sampling, stop).await;
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
        let closed: u64 = totals.closed.iter().map(|(_, count)| count).sum();
        // also those that went before their stream began
        let left = gone(admission).saturating_sub(closed);
        connections(admission, totals, left)
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

    /// What this instance tells others of a log.
    pub(super) fn own(&self, log: LogId, whole_instance: bool) -> Own {
        let (statistics, latency) = self.statistics_and_latency(log, whole_instance);
        Own { statistics, latency, is_draining: self.draining() }
    }

    /// Statistics of a log, and what its latencies are told from.
    fn statistics_and_latency(&self, log: LogId, whole_instance: bool) -> (Statistics, Tally) {
        let hub = self.hubs.running(log);
        let totals = hub.as_ref().map(|hub| hub.totals()).unwrap_or_default();
        let (published_per_second, delivered_per_second) = self.rates(log);
        let size_bytes = whole_instance.then(|| self.size_bytes.load(Ordering::Relaxed));
        let statistics = Statistics {
            scope: Scope::Instance,
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.started.elapsed().as_secs(),
            connections: self.connection_statistics(log, hub.as_deref(), &totals),
            events: EventStatistics { published_per_second, delivered_per_second, ..events(self.publisher.counts(log), &totals) },
            latency: latency(&totals.latency),
            log: LogStatistics { size_bytes, ..self.log_statistics(log, hub.as_deref()) },
            ring: self.ring_statistics(&totals, hub.as_ref().map_or(0, |hub| hub.view().stashed())),
            backplane: self.backplane_statistics(whole_instance),
            queues: whole_instance.then(|| self.queue_statistics()),
            memory: whole_instance.then(|| MemoryStatistics { resident_bytes: resident_bytes() }),
            instance: whole_instance.then(|| self.instance_statistics()),
            limits: whole_instance.then(|| self.limit_statistics()),
            instances: None,
            missing: None,
            complete: None,
        };
        (statistics, totals.latency)
    }

    fn limit_statistics(&self) -> LimitStatistics {
        let are_shared = self.leases.as_ref().is_some_and(|leases| leases.are_shared());
        LimitStatistics { scope: if are_shared { Scope::Cluster } else { Scope::Instance } }
    }

    fn ring_statistics(&self, totals: &Totals, frames_behind_hole: usize) -> RingStatistics {
        let bounds = self.hubs.settings().ring;
        RingStatistics {
            frames: totals.ring_frames,
            bytes: totals.ring_bytes,
            frames_behind_hole,
            max_frames: bounds.frames,
            max_bytes: bounds.bytes,
        }
    }

    fn backplane_statistics(&self, whole_instance: bool) -> BackplaneStatistics {
        let status = self.backplane.status();
        let Status { kind, is_connected, is_acquainted: _, peers, sent, received, .. } = status;
        let Status { dropped, missed, refused, unclear, reconnects, queued, max_queued, .. } = status;
        let holes_read = self.hubs.holes_read();
        let traffic = BackplaneTraffic { sent, received, dropped, missed, refused, unclear, reconnects, queued, max_queued, holes_read };
        BackplaneStatistics { kind, connected: is_connected, peers, traffic: whole_instance.then_some(traffic) }
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
        self.leaving.load(Ordering::Acquire)
    }

    fn health(&self) -> Health {
        let part = |status, detail: Option<&str>| ServiceHealth { status, detail: detail.map(str::to_owned) };
        let log = match (self.hubs.is_reachable(), self.publisher.is_log_reachable()) {
            (true, true) => part(HealthStatus::Healthy, None),
            (true, false) => part(HealthStatus::Degraded, Some("can be read but not written: the last publish was refused")),
            (false, _) => part(HealthStatus::Degraded, Some("out of reach: publishing is refused, live streams and recent replay go on")),
        };
        let admission = self.hubs.admission();
        let hub = match (self.draining(), admission.now() >= admission.max()) {
            (true, _) => part(HealthStatus::Degraded, Some("draining")),
            (false, true) => part(HealthStatus::Degraded, Some("every connection is taken")),
            (false, false) => part(HealthStatus::Healthy, None),
        };
        let backplane = if self.backplane.status().is_connected {
            part(HealthStatus::Healthy, None)
        } else {
            part(HealthStatus::Degraded, Some("out of reach: other instances hear of events a moment later"))
        };
        let mut services = BTreeMap::from([("log", log), ("hub", hub), ("backplane", backplane)]);
        if let Some(leases) = &self.leases {
            services.insert(
                "limits",
                match leases.are_shared() {
                    true => part(HealthStatus::Healthy, None),
                    false => part(HealthStatus::Degraded, Some("limits count on this instance alone")),
                },
            );
        }
        let status = services.values().map(|service| service.status).max().unwrap_or(HealthStatus::Healthy);
        Health { status, services }
    }

    fn statistics(&self, log: LogId, whole_instance: bool) -> Statistics {
        self.statistics_and_latency(log, whole_instance).0
    }

    fn overall(&self) -> Overall {
        let admission = self.hubs.admission();
        // before what was closed is counted: one that is on its way out may be missing, and none is there twice
        let gone = gone(admission);
        let (totals, Spread { buckets, sum_micros }) = self.hubs.totals();
        let closed: u64 = totals.closed.iter().map(|(_, count)| count).sum();
        let left = gone.saturating_sub(closed);
        let left = self.left.fetch_max(left, Ordering::Relaxed).max(left);
        let statistics = Statistics {
            connections: connections(admission, &totals, left),
            events: events(self.publisher.total(), &totals),
            latency: latency(&totals.latency),
            ring: self.ring_statistics(&totals, self.hubs.stashed()),
            ..self.statistics(self.hubs.default_log(), true)
        };
        Overall { statistics, latency: Latency { buckets, sum_micros } }
    }
}

/// Connections that were admitted and are not there any more; never too many.
fn gone(admission: &Admission) -> u64 {
    let opened = admission.opened();
    opened.saturating_sub(admission.now()) as u64
}

fn connections(admission: &Admission, totals: &Totals, left: u64) -> ConnectionStatistics {
    ConnectionStatistics {
        now: admission.now(),
        peak: admission.peak(),
        max: admission.max(),
        opened: admission.opened(),
        refused: admission.refused(),
        closed: totals.closed.iter().copied().chain([("left", left)]).collect(),
        by_selector: totals.by_selector.iter().copied().collect(),
        replaying: totals.replaying,
        lagging: totals.lagging,
        paced: totals.paced,
        selectors: totals.selectors,
    }
}

fn events(counts: ingest::Counts, totals: &Totals) -> EventStatistics {
    let ingest::Counts { published, duplicates, conflicts, commits } = counts;
    EventStatistics { published, duplicates, conflicts, commits, delivered: totals.delivered, ..EventStatistics::default() }
}

pub(super) fn latency(tally: &Tally) -> LatencyStatistics {
    let [p50, p90, p99, max] = tally.percentiles([0.5, 0.9, 0.99, 1.0]);
    LatencyStatistics { commit_to_write_microseconds: Percentiles { p50, p90, p99, max } }
}

/// What the process holds in memory, as the kernel counts it; zero where `/proc` is not.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

#[cfg(test)]
mod tests;
