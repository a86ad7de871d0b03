//! The sums over several instances.
//!
//! Most numbers are added. Latencies are told from the buckets of all. The log is one, which instances see at different times: it is where
//! the one that is furthest sees it, in the numbering that most of them know, the asked instance's if they are divided.

use std::collections::BTreeMap;

use super::{
    Own,
    words::{Report, Told, Whole},
};
use crate::{
    app::facts::{Latencies, latency},
    domain::GapReason,
    http::{
        ConnectionStatistics, DatabaseStatistics, EventStatistics, InstanceStatistics, InstanceSummary, LatencyStatistics, LimitStatistics,
        LogStatistics, MemoryStatistics, Percentiles, QueueStatistics, ReplayStatistics, RingStatistics, Scope, Statistics,
    },
    hub::{CloseReason, SELECTORS},
};

/// For words that another version has.
const OTHER: &str = "other";

/// What `own` and others say together; `reports` begins with one's own.
pub(super) fn sum(own: Own, reports: &[&Report]) -> Statistics {
    let told: Vec<(&Report, Told<'_>)> = reports.iter().map(|report| (*report, report.told())).collect();
    let all = || told.iter().map(|(_, told)| told);
    let mut latencies = Latencies::default();
    for one in reports.iter().map(|report| report.latencies()) {
        latencies.delivery.add(&one.delivery);
        latencies.recent_delivery.add(&one.recent_delivery);
    }
    let whole: Vec<&Whole> = all().filter_map(|told| told.whole).collect();
    // those that are asked for here: another version may say more than it was asked
    let Statistics { log, queues, database, memory, instance, limits, .. } = own.statistics;
    let is_whole = memory.is_some();
    let size_bytes = log.size_bytes.map(|size| whole.iter().map(|whole| whole.size).fold(size, u64::max));
    let free_bytes = whole.iter().filter_map(|whole| whole.free).min().filter(|_| is_whole);
    let are_shared = all().all(|told| told.are_limits_shared);
    Statistics {
        scope: Scope::Cluster,
        instances: Some(told.iter().map(|(report, told)| summary(report, told)).collect()),
        missing: None,
        complete: None,
        connections: connections(all()),
        events: events(all()),
        replay: replay(all()),
        latency: LatencyStatistics {
            publish_microseconds: is_whole.then(|| slowest(&whole, 0)),
            recent_publish_microseconds: is_whole.then(|| slowest(&whole, 1)),
            ..latency(&latencies)
        },
        log: LogStatistics { size_bytes, free_bytes, ..position(log, &told) },
        ring: ring(all()),
        queues: queues.map(|_| queue(&whole)),
        database: database.map(|_| sessions(&whole)),
        memory: memory.map(|_| MemoryStatistics { resident_bytes: added(whole.iter().map(|whole| whole.mem)) }),
        instance: instance.map(|_| all_logs(&whole)),
        limits: limits.map(|_| LimitStatistics { scope: if are_shared { Scope::Cluster } else { Scope::Instance } }),
        ..own.statistics
    }
}

fn summary(report: &Report, told: &Told<'_>) -> InstanceSummary {
    InstanceSummary {
        id: report.id().to_owned(),
        version: told.version.to_owned(),
        uptime_seconds: told.uptime_seconds,
        connections: told.connections[0],
        draining: told.is_draining,
        backplane_connected: told.is_connected,
        all_connections: told.whole.map(|whole| whole.all[3]),
    }
}

fn connections<'a>(all: impl Iterator<Item = &'a Told<'a>> + Clone) -> ConnectionStatistics {
    let [now, peak, max, opened, refused, replaying, lagging, paced, selectors] =
        each(all.clone().map(|told| told.connections), u64::saturating_add).map(narrow);
    let furthest_behind = all.clone().map(|told| told.furthest_behind).max().unwrap_or_default();
    let gaps = counted([GapReason::Trimmed, GapReason::Rewound].map(GapReason::as_str).into_iter(), all.clone().map(|told| told.gaps));
    let reasons = CloseReason::ALL.into_iter().map(CloseReason::as_str).chain(["left"]);
    ConnectionStatistics {
        now,
        peak,
        max,
        opened,
        refused,
        closed: counted(reasons, all.clone().map(|told| told.closed)),
        by_selector: counted(SELECTORS.into_iter(), all.map(|told| told.by_selector))
            .into_iter()
            .map(|(word, n)| (word, narrow(n)))
            .collect(),
        replaying,
        lagging,
        paced,
        selectors,
        furthest_behind,
        gaps,
    }
}

fn replay<'a>(all: impl Iterator<Item = &'a Told<'a>>) -> ReplayStatistics {
    let [events, pages] = each(all.map(|told| told.replay), u64::saturating_add);
    ReplayStatistics { events, pages }
}

/// The worst of all: what most stay below cannot be added.
fn slowest(whole: &[&Whole], which: usize) -> Percentiles {
    let [p50, p90, p99, max] = each(whole.iter().map(|whole| whole.publishing[which]), u64::max);
    Percentiles { p50, p90, p99, max }
}

fn sessions(whole: &[&Whole]) -> DatabaseStatistics {
    let [_, _, _, connections, idle_connections, max_connections, waiting] = room(whole);
    DatabaseStatistics { connections, idle_connections, max_connections, waiting }
}

fn room(whole: &[&Whole]) -> [usize; 7] {
    each(whole.iter().map(|whole| whole.room), u64::saturating_add).map(narrow)
}

fn events<'a>(all: impl Iterator<Item = &'a Told<'a>> + Clone) -> EventStatistics {
    let [published, duplicates, conflicts, commits, delivered] = each(all.clone().map(|told| told.events), u64::saturating_add);
    let [published_per_second, delivered_per_second] =
        [0, 1].map(|at| (all.clone().map(|told| told.rates[at]).sum::<f64>() * 10.0).round() / 10.0);
    EventStatistics { published, duplicates, conflicts, commits, delivered, published_per_second, delivered_per_second }
}

/// Where the log stands; `own` is how it is seen here.
fn position(own: LogStatistics, told: &[(&Report, Told<'_>)]) -> LogStatistics {
    let reachable = told.iter().all(|(_, told)| told.is_log_reachable);
    let seen: Vec<_> = told.iter().filter_map(|(_, told)| told.log).collect();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    seen.iter().for_each(|(epoch, ..)| *known.entry(epoch).or_default() += 1);
    let Some((epoch, _)) = known.into_iter().max_by_key(|(epoch, count)| (*count, *epoch == own.epoch)) else {
        return LogStatistics { reachable, ..own };
    };
    let of_it = seen.iter().filter(|(of, ..)| *of == epoch);
    let (head, earliest) = of_it.fold((0, 0), |(head, earliest), (_, h, e)| (head.max(*h), earliest.max(*e)));
    LogStatistics { reachable, epoch: epoch.to_owned(), head, earliest, ..own }
}

fn ring<'a>(all: impl Iterator<Item = &'a Told<'a>>) -> RingStatistics {
    let [frames, bytes, frames_behind_hole, max_frames, max_bytes] = each(all.map(|told| told.ring), u64::max).map(narrow);
    RingStatistics { frames, bytes, frames_behind_hole, max_frames, max_bytes }
}

fn queue(whole: &[&Whole]) -> QueueStatistics {
    let [publish_requests, publish_max_requests, publish_bytes, publish_max_bytes] =
        each(whole.iter().map(|whole| whole.queue), u64::saturating_add).map(narrow);
    let [replay_reads, replay_max_reads, replay_waiting, ..] = room(whole);
    QueueStatistics {
        publish_requests,
        publish_max_requests,
        publish_bytes,
        publish_max_bytes,
        replay_reads,
        replay_max_reads,
        replay_waiting,
    }
}

fn all_logs(whole: &[&Whole]) -> InstanceStatistics {
    let [_, _, _, connections, peak_connections, max_connections, refused_connections] =
        each(whole.iter().map(|whole| whole.all), u64::saturating_add).map(narrow);
    // the logs are the same ones everywhere
    let [logs, max_logs, followed_logs, ..] = each(whole.iter().map(|whole| whole.all), u64::max).map(narrow);
    InstanceStatistics { logs, max_logs, followed_logs, connections, peak_connections, max_connections, refused_connections }
}

/// Each of these words with its count over all; what is none of them is counted as something else.
fn counted<'a>(
    words: impl Iterator<Item = &'static str>,
    all: impl Iterator<Item = &'a BTreeMap<String, u64>>,
) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<&'static str, u64> = words.map(|word| (word, 0)).collect();
    for (word, count) in all.flatten() {
        let word = counts.get_key_value(word.as_str()).map_or(OTHER, |(known, _)| known);
        let sum = counts.entry(word).or_default();
        *sum = sum.saturating_add(*count);
    }
    counts
}

fn each<const N: usize>(all: impl Iterator<Item = [u64; N]>, join: fn(u64, u64) -> u64) -> [u64; N] {
    all.fold([0; N], |sum, one| std::array::from_fn(|at| join(sum[at], one[at])))
}

fn added(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

fn narrow(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
