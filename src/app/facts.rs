//! What the instance says of itself: health, and the numbers of `/events/stats`.
//!
//! Requests are answered from memory; a task samples what has to be asked for or counted over time. Everything is counted log by log: one
//! tenant must not learn another's volume, and what all of them share is told only to whoever may see the whole instance.

mod health;
mod process;
mod samples;
mod statistics;
mod store;
mod sums;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    time::{MissedTickBehavior, interval},
};

pub(super) use self::sums::latency;
use self::{
    process::Process,
    samples::{Counts, Samples},
    store::Store,
    sums::{connections, events, gone, replay},
};
use super::unless_stopped;
use crate::{
    backplane::{Backplane, Leases},
    histogram::Tally,
    http::{Facts, Health, Overall, RuntimeFacts, Statistics, StoreFacts, Told},
    hub::Hubs,
    ingest::Publisher,
    log::{EventLog, LogId, Retention, TrimCounts},
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
    store: Store,
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
            store: Store::default(),
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
                let logs: HashSet<LogId> = self.hubs.open_logs().into_iter().collect();
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
                tokio::join!(self.store.look(&*self.log, LOOK_PATIENCE), self.process.count_files());
            }
        };
        let both = async {
            tokio::join!(sampling, looking);
        };
        unless_stopped(both, stop).await;
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
            disk: self.store.disk(),
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
