//! What the instance says of itself: health, and the numbers of `/events/stats`.
//!
//! Requests are answered from memory; a task samples what has to be asked for or counted over time. Everything is counted log by log: one
//! tenant must not learn another's volume, and what all of them share is told only to whoever may see the whole instance.

mod health;
mod process;
mod samples;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    time::{MissedTickBehavior, interval, timeout},
};

use self::{
    process::Process,
    samples::{Counts, Samples},
};
use super::{cluster::Own, unless_stopped};
use crate::{
    backplane::{Backplane, Leases, Status},
    domain::GapReason,
    histogram::Tally,
    http::{
        BackplaneStatistics, BackplaneTraffic, ConnectionStatistics, DatabaseStatistics, EventStatistics, Facts, Health,
        InstanceStatistics, LatencyStatistics, LimitStatistics, LogStatistics, MemoryStatistics, Overall, Percentiles, QueueStatistics,
        ReplayStatistics, RingStatistics, RuntimeFacts, Scope, Statistics, StoreFacts, Told,
    },
    hub::{Admission, Hub, Hubs, Totals},
    ingest::{self, Publisher},
    log::{Disk, EventLog, LogId, Retention, TrimCounts},
};

/// How often rates are sampled.
const SAMPLE: Duration = Duration::from_secs(1);
/// Samples between two snapshots of latencies.
const SNAPSHOT_EVERY: u64 = samples::WINDOW.as_secs();
/// How often one looks at what takes longer: the size of the store, its file system, descriptors.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// After how long a look has found out nothing.
const LOOK_PATIENCE: Duration = Duration::from_secs(30);
/// For how long a publish that did not find the log says that it cannot be written, if it can be read.
const OUTAGE_LASTS: Duration = Duration::from_secs(30);

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
    disk: Mutex<Option<Disk>>,
    retention: Retention,
    trims: Arc<TrimCounts>,
    process: Process,
    runtime: Handle,
    /// The most connections whose peer went, of all logs, that were ever told.
    left: AtomicU64,
    samples: Samples,
}

/// What latencies are told from.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    /// From commit to write, of one log.
    pub(super) delivery: Tally,
    /// The same lately.
    pub(super) recent_delivery: Tally,
}

/// What facts are told of beside the hubs.
pub(super) struct Sources {
    pub(super) publisher: Publisher,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) backplane: Arc<dyn Backplane>,
    /// What holds where a tenant has no setting of its own.
    pub(super) retention: Retention,
    pub(super) trims: Arc<TrimCounts>,
}

impl AppFacts {
    /// Of the current runtime.
    pub(super) fn new(hubs: Arc<Hubs>, sources: Sources) -> Arc<Self> {
        let Sources { publisher, log, backplane, retention, trims } = sources;
        let leases = backplane.leases();
        Arc::new(Self {
            hubs,
            publisher,
            log,
            backplane,
            leases,
            started: Instant::now(),
            leaving: AtomicBool::new(false),
            size_bytes: AtomicU64::new(0),
            disk: Mutex::default(),
            retention,
            trims,
            process: Process::new(),
            runtime: Handle::current(),
            left: AtomicU64::new(0),
            samples: Samples::default(),
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
                let logs: std::collections::HashSet<LogId> = self.hubs.open_logs().into_iter().collect();
                logs.iter().for_each(|log| self.samples.remember(*log, self.counts(*log)));
                self.samples.keep(&logs);
                if n % SNAPSHOT_EVERY == 0 {
                    let followed = logs.into_iter().filter_map(|log| Some((log, self.hubs.running(log)?.latency())));
                    self.samples.snapshot(followed.collect(), self.publisher.latency());
                }
                if self.hubs.is_reachable() {
                    self.publisher.forget_outage(OUTAGE_LASTS);
                }
            }
        };
        // beside it: a file system that does not answer holds up nothing else
        let looking = async {
            let mut ticks = interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                self.look_round().await;
            }
        };
        let both = async {
            tokio::join!(sampling, looking);
        };
        unless_stopped(both, stop).await;
    }

    /// Looks at what takes longer than memory does, for as long as it takes: what hangs is not begun again beside itself.
    async fn look_round(&self) {
        let store = async {
            let mut look = pin!(self.look_at_store());
            if timeout(LOOK_PATIENCE, &mut look).await.is_err() {
                self.set_disk(None);
                look.await;
            }
        };
        tokio::join!(store, self.process.count_files());
    }

    async fn look_at_store(&self) {
        let (bytes, disk) = tokio::join!(self.log.size_bytes(), self.log.disk());
        if let Ok(bytes) = bytes {
            self.size_bytes.store(bytes, Ordering::Relaxed);
        }
        // one that cannot be asked is not full for all that is known
        self.set_disk(disk.unwrap_or_default());
    }

    fn set_disk(&self, disk: Option<Disk>) {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = disk;
    }

    fn disk(&self) -> Option<Disk> {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (statistics, latencies) = self.statistics_and_latencies(log, whole_instance);
        Own { statistics, latencies, is_draining: self.draining() }
    }

    /// Statistics of a log, and what its latencies are told from.
    fn statistics_and_latencies(&self, log: LogId, whole_instance: bool) -> (Statistics, Latencies) {
        let hub = self.hubs.running(log);
        let totals = hub.as_ref().map(|hub| hub.totals()).unwrap_or_default();
        let (published_per_second, delivered_per_second) = self.samples.rates(log, self.counts(log));
        let recent_delivery = self.samples.recent_deliveries(log, &totals.latency);
        let latencies = Latencies { delivery: totals.latency.clone(), recent_delivery };
        let own = self.log_statistics(log, hub.as_deref());
        let (size_bytes, free_bytes) = (self.size_bytes.load(Ordering::Relaxed), self.disk().map(|disk| disk.free));
        let statistics = Statistics {
            scope: Scope::Instance,
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.started.elapsed().as_secs(),
            connections: self.connection_statistics(log, hub.as_deref(), &totals),
            events: EventStatistics { published_per_second, delivered_per_second, ..events(self.publisher.counts(log), &totals) },
            replay: replay(&totals),
            latency: self.latency_statistics(&latencies, whole_instance),
            log: LogStatistics {
                size_bytes: whole_instance.then_some(size_bytes),
                free_bytes: free_bytes.filter(|_| whole_instance),
                ..own
            },
            ring: self.ring_statistics(&totals, hub.as_ref().map_or(0, |hub| hub.view().stashed())),
            backplane: self.backplane_statistics(whole_instance),
            queues: whole_instance.then(|| self.queue_statistics()),
            database: whole_instance.then(|| self.database_statistics()),
            memory: whole_instance.then(|| MemoryStatistics { resident_bytes: process::memory().1 }),
            instance: whole_instance.then(|| self.instance_statistics()),
            limits: whole_instance.then(|| self.limit_statistics()),
            instances: None,
            missing: None,
            complete: None,
        };
        (statistics, latencies)
    }

    fn latency_statistics(&self, latencies: &Latencies, whole_instance: bool) -> LatencyStatistics {
        let publishing = whole_instance.then(|| self.publisher.latency());
        LatencyStatistics {
            publish_microseconds: publishing.as_ref().map(percentiles),
            recent_publish_microseconds: publishing.as_ref().map(|all| percentiles(&self.samples.recent_publishing(all))),
            ..latency(latencies)
        }
    }

    fn database_statistics(&self) -> DatabaseStatistics {
        let sessions = self.log.sessions();
        let sum = |of: fn(&crate::log::SessionCounts) -> usize| sessions.iter().map(|(_, counts)| of(counts)).sum();
        DatabaseStatistics {
            connections: sum(|counts| counts.busy + counts.idle),
            idle_connections: sum(|counts| counts.idle),
            max_connections: sum(|counts| counts.max),
            waiting: sum(|counts| counts.waiting),
        }
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
        let (queued, max_queued, reads) = (self.publisher.queued(), self.publisher.max_queued(), self.hubs.reads());
        QueueStatistics {
            publish_requests: queued.requests,
            publish_max_requests: max_queued.requests,
            publish_bytes: queued.bytes,
            publish_max_bytes: max_queued.bytes,
            replay_reads: reads.now,
            replay_max_reads: reads.max,
            replay_waiting: reads.waiting,
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
        self.look_at_health()
    }

    fn statistics(&self, log: LogId, whole_instance: bool) -> Statistics {
        self.statistics_and_latencies(log, whole_instance).0
    }

    fn overall(&self) -> Overall {
        let admission = self.hubs.admission();
        // before what was closed is counted: one that is on its way out may be missing, and none is there twice
        let gone = gone(admission);
        let (totals, delivery) = self.hubs.totals();
        let closed: u64 = totals.closed.iter().map(|(_, count)| count).sum();
        let left = gone.saturating_sub(closed);
        let left = self.left.fetch_max(left, Ordering::Relaxed).max(left);
        let own = self.statistics(self.hubs.default_log(), true);
        let of_all = Latencies { delivery: totals.latency.clone(), ..Latencies::default() };
        let statistics = Statistics {
            connections: connections(admission, &totals, left),
            events: events(self.publisher.total(), &totals),
            replay: replay(&totals),
            latency: latency(&of_all),
            ring: self.ring_statistics(&totals, self.hubs.stashed()),
            ..own
        };
        let told = Told { begun: totals.begun, heartbeats: totals.heartbeats, gaps: totals.gaps, pages_failed: totals.pages_failed };
        let (publishing, process) = (self.publisher.publishing(), self.process.facts());
        Overall { statistics, delivery, publishing, told, store: self.store_facts(), process, runtime: self.runtime_facts() }
    }
}

impl AppFacts {
    fn store_facts(&self) -> StoreFacts {
        StoreFacts {
            sessions: self.log.sessions(),
            disk: self.disk(),
            trimmed: self.trims.trimmed(),
            trims_failed: self.trims.failed(),
            retention: self.retention,
        }
    }

    fn runtime_facts(&self) -> RuntimeFacts {
        let metrics = self.runtime.metrics();
        RuntimeFacts { workers: metrics.num_workers(), tasks: metrics.num_alive_tasks(), queued: metrics.global_queue_depth() }
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
        furthest_behind: totals.behind,
        gaps: gaps(totals),
    }
}

/// Gaps told, by reason.
fn gaps(totals: &Totals) -> BTreeMap<&'static str, u64> {
    let mut gaps = BTreeMap::from([GapReason::Trimmed, GapReason::Rewound].map(|reason| (reason.as_str(), 0)));
    totals.gaps.iter().for_each(|gap| *gaps.entry(gap.reason.as_str()).or_default() += gap.count);
    gaps
}

fn replay(totals: &Totals) -> ReplayStatistics {
    ReplayStatistics { events: totals.replayed, pages: totals.pages }
}

fn events(counts: ingest::Counts, totals: &Totals) -> EventStatistics {
    let ingest::Counts { published, duplicates, conflicts, commits } = counts;
    EventStatistics { published, duplicates, conflicts, commits, delivered: totals.delivered, ..EventStatistics::default() }
}

pub(super) fn percentiles(tally: &Tally) -> Percentiles {
    let [p50, p90, p99, max] = tally.percentiles([0.5, 0.9, 0.99, 1.0]);
    Percentiles { p50, p90, p99, max }
}

/// What is told of one log.
pub(super) fn latency(latencies: &Latencies) -> LatencyStatistics {
    LatencyStatistics {
        commit_to_write_microseconds: percentiles(&latencies.delivery),
        recent_commit_to_write_microseconds: percentiles(&latencies.recent_delivery),
        ..LatencyStatistics::default()
    }
}
