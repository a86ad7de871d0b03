//! The budgets that the project has set itself, each with what a run measured.

use super::table::{show, thousands};
use crate::{
    outcome::{Rounds, Run},
    server::Kind,
};

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

/// A budget: of what, its bound, and how a run tells, round by round.
struct Budget(&'static str, Bound, Unit, fn(&Run) -> Rounds);

const BUDGETS: [Budget; 22] = [
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
        let floor = run.rounds("paced", Kind::Floor, &AT, "publish_to_receipt_p99_ms");
        ours(run, "paced", &AT, "append_to_receipt_p99_ms").over(&floor)
    }),
    Budget("p99 from publish to receipt, to the floor", AtMost(1.3), Times, |run| {
        to(run, Kind::Floor, "paced", "publish_to_receipt_p99_ms")
    }),
    // "independent", with room for noise
    Budget("CPU of an event for one of 10,000 streams, to one of 100", AtMost(1.2), Times, |run| {
        ours(run, "streams", &AT, "cpu_per_event_us").over(&ours(run, "streams", &[("connections", 100)], "cpu_per_event_us"))
    }),
    Budget("durable publishing in batches of 100, to COPY", AtLeast(0.5), Times, |run| {
        ours(run, "publish-batch", &[("publishers", 1)], "of_copy_share")
    }),
    Budget("commits an event, 64 publishers", AtMost(0.1), Count, |run| {
        ours(run, "publish-single", &[("publishers", 64)], "commits_per_event")
    }),
    Budget("64 publishers to one, where a commit takes 2 ms or more", AtLeast(10.0), Times, |run| {
        let rate = |publishers| ours(run, "publish-slow-disk", &[("publishers", publishers)], "events_per_second");
        rate(64).over(&rate(1))
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
    // the sequencer goes on looking meanwhile, and statistics take their time to be counted
    Budget("transactions during them: no query a reconnect", Below(100.0), Count, |run| ours(run, "storm", &AT, "transactions")),
    Budget("a new stream during a flood, the slowest", AtMost(250.0), Milliseconds, |run| {
        worst(&ours(run, "fair", &AT, "new_stream_max_ms"))
    }),
    Budget("`/health/live` during a flood, the slowest", AtMost(50.0), Milliseconds, |run| {
        worst(&ours(run, "fair", &AT, "health_live_max_ms"))
    }),
    Budget("time until all of a flood is acknowledged, to its delivery", Below(1.0), Times, |run| {
        ours(run, "fair", &AT, "acknowledged_after_share")
    }),
    Budget("p99 beside 1,000 that do not read, to without them, paced", Below(1.1), Times, |run| beside_deaf(run, "slow")),
    Budget("p99 beside 1,000 that do not read, to without them, in a flood", Below(1.1), Times, |run| beside_deaf(run, "slow-flood")),
    Budget("memory that not reading adds to a connection (PSS)", Below(1000.0), Bytes, |run| by_each_deaf(run, "pss_grown_bytes")),
    // of 128 KiB, which the kernel doubles for its own
    Budget("kernel memory of a connection that does not read: its send buffer", AtMost(262_144.0), Bytes, |run| {
        by_each_deaf(run, "kernel_tcp_bytes")
    }),
];

fn ours(run: &Run, scenario: &str, case: &[(&str, u64)], figure: &str) -> Rounds {
    run.rounds(scenario, Kind::Chaincast, case, figure)
}

/// Ours divided by another's.
fn to(run: &Run, other: Kind, scenario: &str, figure: &str) -> Rounds {
    ours(run, scenario, &AT, figure).over(&run.rounds(scenario, other, &AT, figure))
}

/// The worst of all rounds, where a median would hide what must never be.
fn worst(rounds: &Rounds) -> Rounds {
    Rounds(rounds.sorted().last().map(|worst| (0, *worst)).into_iter().collect())
}

fn beside_deaf(run: &Run, scenario: &str) -> Rounds {
    let p99 = |deaf| ours(run, scenario, &[("deaf", deaf)], "publish_to_receipt_p99_ms");
    p99(1000).over(&p99(0))
}

fn by_each_deaf(run: &Run, figure: &str) -> Rounds {
    let of = |deaf| ours(run, "slow", &[("deaf", deaf)], figure);
    of(1000).with(&of(0), |with, without| (with - without) / 1000.0)
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
    fn number(self, value: f64) -> String {
        match self {
            Times | Seconds => format!("{value:.2}"),
            Bytes => show("_bytes", value),
            Milliseconds => format!("{value:.0}"),
            EventsPerSecond => thousands(value, 0),
            Count => thousands(value, if value < 10.0 { 3 } else { 0 }),
        }
    }

    fn show(self, value: f64) -> String {
        let name = match self {
            Times => " ×",
            Bytes => " KB",
            Seconds => " s",
            Milliseconds => " ms",
            EventsPerSecond => " events/s",
            Count => "",
        };
        self.number(value) + name
    }
}

/// All of them.
pub(super) fn table(run: &Run) -> String {
    let mut text = "| what | budget | measured | |\n|---|---:|---:|---|\n".to_owned();
    for Budget(what, bound, unit, measure) in BUDGETS {
        let (measured, verdict) = judge(&measure(run), bound, unit);
        text += &format!("| {what} | {} | {measured} | {verdict} |\n", bound.show(unit));
    }
    text
}

/// The median with the extremes of several rounds, and what is to be said of it.
fn judge(rounds: &Rounds, bound: Bound, unit: Unit) -> (String, &'static str) {
    let Some(median) = rounds.median() else { return ("–".to_owned(), "not measured") };
    let verdict = if bound.holds(median) { "met" } else { "**missed**" };
    match rounds.sorted().as_slice() {
        [least, .., most] => (format!("{} ({} … {})", unit.show(median), unit.number(*least), unit.number(*most)), verdict),
        _ => (unit.show(median), verdict),
    }
}

/// The README's sentence, of what was measured.
pub(super) fn summary(run: &Run) -> String {
    let memory = |server| run.median("idle", server, &AT, "pss_per_connection_bytes").map(|bytes| show("_bytes", bytes) + " KB");
    let Some(own) = memory(Kind::Chaincast) else { return "Not measured.".to_owned() };
    let peers = [Kind::Nchan, Kind::ActixWebLab, Kind::Express, Kind::BetterSse];
    let others: Vec<_> = peers.into_iter().filter_map(|peer| Some(format!("{peer} {}", memory(peer)?))).collect();
    let mut text = format!("With 10,000 connections on one worker thread, chaincast takes {own} a connection");
    if !others.is_empty() {
        text += &format!(" ({})", others.join(", "));
    }
    if let Some(ratio) = to(run, Kind::Nchan, "flood", "deliveries_per_second").median() {
        text += &format!(", delivers {ratio:.1} times as much as nchan in a flood");
    }
    if let Some(ratio) = to(run, Kind::Floor, "paced", "cpu_per_delivery_us").median() {
        text += &format!(", and spends {ratio:.2} times the CPU of a bare epoll loop when every event is a write of its own");
    }
    text + "."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Figures, Outcome};

    fn run(outcomes: &[(Kind, usize, f64)]) -> Run {
        let outcome = |&(server, round, rate): &(Kind, usize, f64)| Outcome {
            scenario: "flood".to_owned(),
            server,
            round,
            case: [("connections".to_owned(), 10_000)].into(),
            figures: Figures([("deliveries_per_second".to_owned(), rate)].into()),
        };
        Run { outcomes: outcomes.iter().map(outcome).collect(), ..Run::default() }
    }

    #[test]
    fn a_budget_is_met_up_to_its_bound_and_no_further() {
        assert!(AtMost(1.3).holds(1.3) && !AtMost(1.3).holds(1.31));
        assert!(Below(1.0).holds(0.99) && !Below(1.0).holds(1.0));
        assert!(AtLeast(0.88).holds(0.88) && !AtLeast(0.88).holds(0.87));
        assert_eq!(AtMost(2500.0).show(Bytes), "≤ 2.50 KB");
    }

    #[test]
    fn a_run_is_judged_by_the_ratios_of_its_rounds() {
        let fast = run(&[(Kind::Floor, 0, 100.0), (Kind::Chaincast, 0, 90.0), (Kind::Floor, 1, 50.0), (Kind::Chaincast, 1, 60.0)]);
        assert!(
            table(&fast).contains("| deliveries in a flood, to the floor | ≥ 0.88 × | 1.05 × (0.90 … 1.20) | met |"),
            "{}",
            table(&fast)
        );
        let slow = run(&[(Kind::Floor, 0, 100.0), (Kind::Chaincast, 0, 80.0)]);
        assert!(table(&slow).contains("| 0.80 × | **missed** |"), "{}", table(&slow));
        assert!(table(&slow).contains("to nchan | ≥ 2.40 × | – | not measured |"), "{}", table(&slow));
    }
}
