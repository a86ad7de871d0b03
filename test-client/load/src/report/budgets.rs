//! The budgets that the project has set itself, each with what a run measured.

use anyhow::Context as _;

use super::table::{show, thousands};
use crate::{outcome::Run, server::Kind};

const AT: [(&str, u64); 1] = [("connections", 10_000)];

/// A limit of a figure.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    Below(f64),
    AtLeast(f64),
}
use Bound::{AtLeast, AtMost, Below};

/// What a figure is counted in.
#[derive(Clone, Copy)]
enum Unit {
    Times,
    Bytes,
    Seconds,
    Milliseconds,
    EventsPerSecond,
    Count,
}
use Unit::{Bytes, Count, EventsPerSecond, Milliseconds, Seconds, Times};

/// A budget: of what, its bound, and how a run tells.
struct Budget(&'static str, Bound, Unit, fn(&Run) -> Option<f64>);

const BUDGETS: [Budget; 20] = [
    Budget("memory of an idle connection (PSS)", AtMost(2500.0), Bytes, |run| ours(run, "idle", &AT, "pss_per_connection_bytes")),
    Budget("deliveries in a flood, to the floor", AtLeast(0.88), Times, |run| to(run, Kind::Floor, "flood", "deliveries_per_second")),
    Budget("deliveries in a flood, to nchan", AtLeast(2.4), Times, |run| to(run, Kind::Nchan, "flood", "deliveries_per_second")),
    Budget("CPU a delivery, one event a write, to the floor", AtMost(1.3), Times, |run| {
        to(run, Kind::Floor, "paced", "cpu_per_delivery_us")
    }),
    Budget("CPU a delivery when frames coalesce, to the floor", Below(1.0), Times, |run| {
        to(run, Kind::Floor, "flood", "cpu_per_delivery_us")
    }),
    Budget("p99 from append to receipt, to the floor's from publish", AtMost(1.1), Times, |run| {
        Some(ours(run, "paced", &AT, "append_to_receipt_p99_ms")? / run.median("paced", Kind::Floor, &AT, "publish_to_receipt_p99_ms")?)
    }),
    Budget("p99 from publish to receipt, to the floor", AtMost(1.3), Times, |run| {
        to(run, Kind::Floor, "paced", "publish_to_receipt_p99_ms")
    }),
    // "independent", with room for noise
    Budget("CPU of an event for one of 10,000 streams, to one of 100", AtMost(1.2), Times, |run| {
        Some(ours(run, "streams", &AT, "cpu_per_event_us")? / ours(run, "streams", &[("connections", 100)], "cpu_per_event_us")?)
    }),
    Budget("durable publishing in batches of 100, to COPY", AtLeast(0.5), Times, |run| {
        ours(run, "publish-batch", &[("publishers", 1)], "of_copy_share")
    }),
    Budget("commits an event, 64 publishers", AtMost(0.1), Count, |run| {
        ours(run, "publish-single", &[("publishers", 64)], "commits_per_event")
    }),
    Budget("64 publishers to one, where a commit takes 2 ms or more", AtLeast(10.0), Times, |run| {
        let rate = |publishers| ours(run, "publish-slow-disk", &[("publishers", publishers)], "events_per_second");
        Some(rate(64)? / rate(1)?)
    }),
    Budget("replay to one client from memory", AtLeast(300_000.0), EventsPerSecond, |run| {
        ours(run, "replay-ring", &[("clients", 1)], "events_per_second")
    }),
    Budget("replay to one client from PostgreSQL", AtLeast(100_000.0), EventsPerSecond, |run| {
        ours(run, "replay-postgres", &[("clients", 1)], "events_per_second")
    }),
    Budget("10,000 reconnects with 100 missed each, after a crash", AtMost(5.0), Seconds, |run| {
        ours(run, "storm", &AT, "caught_up_seconds")
    }),
    // the sequencer goes on looking meanwhile
    Budget("transactions during them: no query a reconnect", Below(100.0), Count, |run| ours(run, "storm", &AT, "transactions")),
    Budget("a new stream during a flood, the slowest", AtMost(250.0), Milliseconds, |run| ours(run, "fair", &AT, "new_stream_max_ms")),
    Budget("`/health/live` during a flood, the slowest", AtMost(50.0), Milliseconds, |run| ours(run, "fair", &AT, "health_live_max_ms")),
    Budget("p99 beside 1,000 that do not read, to without them", Below(1.1), Times, |run| {
        let p99 = |deaf| ours(run, "slow", &[("deaf", deaf)], "publish_to_receipt_p99_ms");
        Some(p99(1000)? / p99(0)?)
    }),
    Budget("memory that not reading adds to a connection (PSS)", Below(1000.0), Bytes, |run| {
        let grown = |deaf| ours(run, "slow", &[("deaf", deaf)], "pss_grown_bytes");
        Some((grown(1000)? - grown(0)?) / 1000.0)
    }),
    // the kernel doubles what it is asked for
    Budget("kernel memory of a connection that does not read", AtMost(262_144.0), Bytes, |run| {
        ours(run, "slow", &[("deaf", 1000)], "kernel_tcp_per_deaf_bytes")
    }),
];

fn ours(run: &Run, scenario: &str, case: &[(&str, u64)], figure: &str) -> Option<f64> {
    run.median(scenario, Kind::Chaincast, case, figure)
}

/// Ours divided by another's.
fn to(run: &Run, other: Kind, scenario: &str, figure: &str) -> Option<f64> {
    Some(ours(run, scenario, &AT, figure)? / run.median(scenario, other, &AT, figure)?)
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            AtMost(limit) => value <= limit,
            Below(limit) => value < limit,
            AtLeast(limit) => value >= limit,
        }
    }

    fn show(self, unit: Unit) -> String {
        match self {
            AtMost(limit) => format!("≤ {}", unit.show(limit)),
            Below(limit) => format!("< {}", unit.show(limit)),
            AtLeast(limit) => format!("≥ {}", unit.show(limit)),
        }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Times => format!("{value:.2} ×"),
            Bytes => show("_bytes", value) + " KB",
            Seconds => format!("{value:.2} s"),
            Milliseconds => format!("{value:.0} ms"),
            EventsPerSecond => thousands(value, 0) + " events/s",
            Count => thousands(value, if value < 10.0 { 3 } else { 0 }),
        }
    }
}

/// All of them.
pub(super) fn table(run: &Run) -> String {
    let mut text = "| what | budget | measured | |\n|---|---:|---:|---|\n".to_owned();
    for Budget(what, bound, unit, measure) in BUDGETS {
        let (measured, verdict) = match measure(run) {
            Some(value) => (unit.show(value), if bound.holds(value) { "met" } else { "**missed**" }),
            None => ("–".to_owned(), "not measured"),
        };
        text += &format!("| {what} | {} | {measured} | {verdict} |\n", bound.show(unit));
    }
    text
}

/// The README's sentence.
pub(super) fn summary(run: &Run) -> anyhow::Result<String> {
    let memory = |server: Kind| {
        let value = run
            .median("idle", server, &AT, "pss_per_connection_bytes")
            .with_context(|| format!("the memory of {server} was not measured"))?;
        anyhow::Ok(show("_bytes", value))
    };
    let ratio = |other, scenario, figure| to(run, other, scenario, figure).with_context(|| format!("{scenario} was not measured"));
    Ok(format!(
        "With 10,000 connections on one worker thread, chaincast takes {} KB a connection (nchan {} KB, Express {} KB), delivers {:.1} times as much as \
         nchan in a flood, and spends {:.2} times the CPU of a bare epoll loop when every event is a write of its own.",
        memory(Kind::Chaincast)?,
        memory(Kind::Nchan)?,
        memory(Kind::Express)?,
        ratio(Kind::Nchan, "flood", "deliveries_per_second")?,
        ratio(Kind::Floor, "paced", "cpu_per_delivery_us")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_met_up_to_its_bound_and_no_further() {
        assert!(AtMost(1.3).holds(1.3) && !AtMost(1.3).holds(1.31));
        assert!(Below(1.0).holds(0.99) && !Below(1.0).holds(1.0));
        assert!(AtLeast(0.88).holds(0.88) && !AtLeast(0.88).holds(0.87));
        assert_eq!(AtMost(2500.0).show(Bytes), "≤ 2.50 KB");
    }
}
