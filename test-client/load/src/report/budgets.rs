//! The budgets that the project has set itself, each with what this run measured.

use anyhow::Context as _;

use super::table::{show, thousands};
use crate::{outcome::Run, server::Kind};

const AT: [(&str, u64); 1] = [("connections", 10_000)];

/// A budget: what, the bound in words, what was measured, and whether it holds; nothing when it was not measured.
struct Budget {
    what: &'static str,
    bound: &'static str,
    measured: Option<(String, bool)>,
}

/// A measured value with its verdict.
fn judged(value: Option<f64>, text: impl Fn(f64) -> String, holds: impl Fn(f64) -> bool) -> Option<(String, bool)> {
    value.map(|value| (text(value), holds(value)))
}

fn times(value: f64) -> String {
    format!("{value:.2} ×")
}

fn budgets(run: &Run) -> Vec<Budget> {
    let ours = |scenario: &str, case: &[(&str, u64)], figure: &str| run.median(scenario, Kind::Chaincast, case, figure);
    let to = |other: Kind, scenario: &str, ours_figure: &str, other_figure: &str| {
        Some(ours(scenario, &AT, ours_figure)? / run.median(scenario, other, &AT, other_figure)?)
    };
    let share = |scenario: &str, figure: &str, one: &[(&str, u64)], other: &[(&str, u64)]| {
        Some(ours(scenario, one, figure)? / ours(scenario, other, figure)?)
    };
    let single = |figure: &str| share("publish-slow-disk", figure, &[("publishers", 64)], &[("publishers", 1)]);
    let commit = ours("publish-slow-disk", &[("publishers", 1)], "acknowledged_p50_ms");
    let mut budgets = Vec::new();
    let mut add = |what, bound, measured| budgets.push(Budget { what, bound, measured });
    add(
        "memory of an idle connection (PSS)",
        "≤ 2.5 KB",
        judged(ours("idle", &AT, "pss_per_connection_bytes"), |bytes| show("_bytes", bytes) + " KB", |bytes| bytes <= 2500.0),
    );
    add(
        "deliveries in a flood, to the floor",
        "≥ 0.88 ×",
        judged(to(Kind::Floor, "flood", "deliveries_per_second", "deliveries_per_second"), times, |ratio| ratio >= 0.88),
    );
    add(
        "deliveries in a flood, to nchan",
        "≥ 2.4 ×",
        judged(to(Kind::Nchan, "flood", "deliveries_per_second", "deliveries_per_second"), times, |ratio| ratio >= 2.4),
    );
    add(
        "CPU a delivery, one event a write, to the floor",
        "≤ 1.3 ×",
        judged(to(Kind::Floor, "paced", "cpu_per_delivery_us", "cpu_per_delivery_us"), times, |ratio| ratio <= 1.3),
    );
    add(
        "CPU a delivery when frames coalesce, to the floor",
        "< 1 ×",
        judged(to(Kind::Floor, "flood", "cpu_per_delivery_us", "cpu_per_delivery_us"), times, |ratio| ratio < 1.0),
    );
    add(
        "p99 from append to receipt, to the floor's from publish",
        "≤ 1.1 ×",
        judged(to(Kind::Floor, "paced", "append_to_receipt_p99_ms", "publish_to_receipt_p99_ms"), times, |ratio| ratio <= 1.1),
    );
    add(
        "p99 from publish to receipt, to the floor",
        "≤ 1.3 ×",
        judged(to(Kind::Floor, "paced", "publish_to_receipt_p99_ms", "publish_to_receipt_p99_ms"), times, |ratio| ratio <= 1.3),
    );
    add(
        "CPU an event for one of 10,000 streams, to one of 100",
        "about 1 ×",
        judged(share("streams", "cpu_per_event_us", &AT, &[("connections", 100)]), times, |ratio| ratio <= 1.2),
    );
    add(
        "durable publishing in batches of 100, to COPY",
        "≥ 0.5 ×",
        judged(ours("publish-batch", &[("publishers", 4)], "of_copy_share"), times, |ratio| ratio >= 0.5),
    );
    add(
        "commits an event, 64 publishers",
        "≤ 0.1",
        judged(ours("publish-single", &[("publishers", 64)], "commits_per_event"), |value| format!("{value:.3}"), |value| value <= 0.1),
    );
    add(
        "64 publishers to one, where a commit takes ≥ 2 ms",
        "≥ 10 ×",
        judged(
            single("events_per_second"),
            |ratio| format!("{ratio:.2} × at {:.1} ms", commit.unwrap_or_default()),
            |ratio| ratio >= 10.0 || commit.is_some_and(|commit| commit < 2.0),
        ),
    );
    add(
        "replay to one client from memory",
        "≥ 300,000 events/s",
        judged(ours("replay-ring", &[("clients", 1)], "events_per_second"), |rate| thousands(rate, 0), |rate| rate >= 300_000.0),
    );
    add(
        "replay to one client from PostgreSQL",
        "≥ 100,000 events/s",
        judged(ours("replay-postgres", &[("clients", 1)], "events_per_second"), |rate| thousands(rate, 0), |rate| rate >= 100_000.0),
    );
    add(
        "10,000 reconnects with 100 missed each, after a crash",
        "≤ 5 s",
        judged(ours("storm", &AT, "caught_up_seconds"), |seconds| format!("{seconds:.2} s"), |seconds| seconds <= 5.0),
    );
    add(
        "transactions during them",
        "no query a reconnect",
        judged(ours("storm", &AT, "transactions"), |count| thousands(count, 0), |count| count < 100.0),
    );
    add(
        "a new stream during a flood, at most",
        "≤ 250 ms",
        judged(ours("fair", &AT, "new_stream_max_ms"), |ms| format!("{ms:.0} ms"), |ms| ms <= 250.0),
    );
    add(
        "`/health/live` during a flood, at most",
        "≤ 50 ms",
        judged(ours("fair", &AT, "health_live_max_ms"), |ms| format!("{ms:.0} ms"), |ms| ms <= 50.0),
    );
    add(
        "p99 beside 1,000 that read nothing, to without them",
        "< 1.1 ×",
        judged(share("slow", "publish_to_receipt_p99_ms", &[("deaf", 1000)], &[("deaf", 0)]), times, |ratio| ratio < 1.1),
    );
    let grown = |deaf| ours("slow", &[("deaf", deaf)], "pss_grown_bytes");
    let by_each = grown(1000).zip(grown(0)).map(|(with, without)| (with - without) / 1000.0);
    add(
        "memory that not reading adds to a connection (PSS)",
        "< 1 KB",
        judged(by_each, |bytes| show("_bytes", bytes) + " KB", |bytes| bytes < 1000.0),
    );
    add(
        "kernel memory of a connection that does not read",
        "≤ send buffer, 256 KiB",
        judged(
            ours("slow", &[("deaf", 1000)], "kernel_tcp_per_deaf_bytes"),
            |bytes| show("_bytes", bytes) + " KB",
            |bytes| bytes <= 262_144.0,
        ),
    );
    budgets
}

/// All of them.
pub(super) fn table(run: &Run) -> String {
    let mut text = "| what | budget | measured | |\n|---|---:|---:|---|\n".to_owned();
    for Budget { what, bound, measured } in budgets(run) {
        let (measured, verdict) = match measured {
            Some((measured, true)) => (measured, "met"),
            Some((measured, false)) => (measured, "**missed**"),
            None => ("–".to_owned(), "not measured"),
        };
        text += &format!("| {what} | {bound} | {measured} | {verdict} |\n");
    }
    text
}

/// The README's sentence.
pub(super) fn summary(run: &Run) -> anyhow::Result<String> {
    let get = |scenario, server, figure| {
        run.median(scenario, server, &AT, figure).with_context(|| format!("{figure} of {scenario} on {server} is missing"))
    };
    let nchan = get("flood", Kind::Chaincast, "deliveries_per_second")? / get("flood", Kind::Nchan, "deliveries_per_second")?;
    Ok(format!(
        "With 10,000 connections on one worker thread, chaincast takes {} KB a connection (nchan {} KB, Express {} KB), delivers {:.1} times as much as nchan \
         in a flood, and spends {:.2} times the CPU of a bare epoll loop when every event is a write of its own.",
        show("_bytes", get("idle", Kind::Chaincast, "pss_per_connection_bytes")?),
        show("_bytes", get("idle", Kind::Nchan, "pss_per_connection_bytes")?),
        show("_bytes", get("idle", Kind::Express, "pss_per_connection_bytes")?),
        nchan,
        get("paced", Kind::Chaincast, "cpu_per_delivery_us")? / get("paced", Kind::Floor, "cpu_per_delivery_us")?,
    ))
}
