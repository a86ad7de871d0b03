//! What hubs and the publisher have counted, as it is told.

use std::collections::BTreeMap;

use super::Latencies;
use crate::{
    domain::GapReason,
    histogram::Tally,
    http::{ConnectionStatistics, EventStatistics, LatencyStatistics, Percentiles, ReplayStatistics},
    hub::{Admission, Totals},
    ingest,
};

/// Connections that were admitted and are not there any more; never too many.
pub(super) fn gone(admission: &Admission) -> u64 {
    let opened = admission.opened();
    opened.saturating_sub(admission.now()) as u64
}

pub(super) fn connections(admission: &Admission, totals: &Totals, left: u64) -> ConnectionStatistics {
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

pub(super) fn replay(totals: &Totals) -> ReplayStatistics {
    ReplayStatistics { events: totals.replayed, pages: totals.pages }
}

pub(super) fn events(counts: ingest::Counts, totals: &Totals) -> EventStatistics {
    let ingest::Counts { published, duplicates, conflicts, commits } = counts;
    EventStatistics { published, duplicates, conflicts, commits, delivered: totals.delivered, ..EventStatistics::default() }
}

pub(super) fn percentiles(tally: &Tally) -> Percentiles {
    let [p50, p90, p99, max] = tally.percentiles([0.5, 0.9, 0.99, 1.0]);
    Percentiles { p50, p90, p99, max }
}

/// What is told of one log.
pub(in crate::app) fn latency(latencies: &Latencies) -> LatencyStatistics {
    LatencyStatistics {
        commit_to_write_microseconds: percentiles(&latencies.delivery),
        recent_commit_to_write_microseconds: percentiles(&latencies.recent_delivery),
        ..LatencyStatistics::default()
    }
}
