//! The numbers of one log, and beside them those of the whole instance for whoever may see it.

use super::{
    AppFacts, Latencies, process,
    sums::{connections, events, gone, latency, percentiles, replay},
};
use crate::{
    app::cluster::Own,
    backplane::Status,
    http::{
        BackplaneStatistics, BackplaneTraffic, ConnectionStatistics, DatabaseStatistics, EventStatistics, Facts as _, InstanceStatistics,
        LatencyStatistics, LimitStatistics, LogStatistics, MemoryStatistics, QueueStatistics, RingStatistics, Scope, Statistics,
    },
    hub::{Hub, Totals},
    log::LogId,
};

impl AppFacts {
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
    pub(in crate::app) fn own(&self, log: LogId, whole_instance: bool) -> Own {
        let (statistics, latencies) = self.statistics_and_latencies(log, whole_instance);
        Own { statistics, latencies, is_draining: self.draining() }
    }

    /// Statistics of a log, and what its latencies are told from.
    pub(super) fn statistics_and_latencies(&self, log: LogId, whole_instance: bool) -> (Statistics, Latencies) {
        let hub = self.hubs.running(log);
        let totals = hub.as_ref().map(|hub| hub.totals()).unwrap_or_default();
        let (published_per_second, delivered_per_second) = self.samples.rates(log, self.counts(log));
        let recent_delivery = self.samples.recent_deliveries(log, &totals.latency);
        let latencies = Latencies { delivery: totals.latency.clone(), recent_delivery };
        let own = self.log_statistics(log, hub.as_deref());
        let (size_bytes, free_bytes) = (self.store.size_bytes(), self.store.disk().map(|disk| disk.free));
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

    pub(super) fn ring_statistics(&self, totals: &Totals, frames_behind_hole: usize) -> RingStatistics {
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
