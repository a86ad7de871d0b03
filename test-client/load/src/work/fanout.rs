//! Events to many connections: flat out, at a fixed rate, to all or to a few of them, beside some that read nothing.

use std::{thread, time::Duration};

use super::{AT_ONCE, Job, opening, probe};
use crate::{
    follow::{Ask, Followers, Opening, deliveries},
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::Publishing,
    scenario::Fanout,
    usage,
};

const PATIENCE: Duration = Duration::from_secs(120);
/// Until a server has forgotten the opening.
const SETTLE: Duration = Duration::from_millis(1500);

/// One point of the scenario's sweep.
struct Case {
    connections: usize,
    groups: u64,
    deaf: usize,
}

pub(super) fn run(job: &Job<'_>, work: &Fanout, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    for &connections in &work.connections {
        for &groups in &work.groups {
            for &deaf in &work.deaf {
                let groups = if groups == 0 { connections as u64 } else { groups };
                let figures = measure(job, work, &Case { connections, groups, deaf })?;
                let matching = connections as u64 / groups;
                done(job.outcome(&[("connections", connections as u64), ("matching", matching), ("deaf", deaf as u64)], figures));
            }
        }
    }
    Ok(())
}

fn measure(job: &Job<'_>, work: &Fanout, case: &Case) -> anyhow::Result<Figures> {
    let server = job.start()?;
    let followers = Followers::start()?;
    followers.open(opening(&server, &work.path, case.connections, case.groups))?;
    thread::sleep(SETTLE);
    if case.deaf > 0 {
        let ask = Ask { path: work.path.clone(), cursor: None, deaf: true };
        followers.open(Opening { server: server.addr, ask, count: case.deaf, groups: case.groups, at_once: AT_ONCE })?;
    }

    let before_events = server.usage()?;
    let last = work.warm_up + work.events;
    let schedule = Schedule::new(last);
    let publishing = |events, rate| Publishing {
        server: server.addr,
        run: job.round as u32,
        events,
        groups: case.groups,
        batch: work.batch,
        rate,
        connections: 1,
    };
    followers.measure(schedule.clone())?;
    publishing(0..work.warm_up, None).run(&schedule)?;
    followers.wait_delivered(deliveries(&(0..work.warm_up), case.groups, case.connections as u64), PATIENCE)?;

    followers.measure(schedule.clone())?;
    let events = work.warm_up..last;
    let expected = deliveries(&events, case.groups, case.connections as u64);
    let before = server.usage()?;
    let probes = work.probes.then(|| probe::Probes::start(server.addr));
    let published = publishing(events.clone(), work.rate).run(&schedule)?;
    let last_at = followers.wait_delivered(expected, PATIENCE)?;
    let (after, kernel) = (server.usage()?, usage::kernel_tcp_bytes()?);
    let report = followers.report()?;
    report.check(&events, case.groups)?;

    let mut figures = Figures::default();
    let seconds = (last_at - published.first_at) as f64 / 1e9;
    let cpu = (after.cpu - before.cpu).as_secs_f64();
    figures.set("deliveries", expected as f64);
    figures.set("deliveries_per_second", expected as f64 / seconds);
    figures.set("events_per_second", work.events as f64 / seconds);
    figures.set("cpu_per_delivery_us", cpu * 1e6 / expected as f64);
    figures.set("cpu_per_event_us", cpu * 1e6 / work.events as f64);
    figures.set("acknowledged_after_share", published.took.as_secs_f64() / seconds);
    figures.set("pss_bytes", after.pss as f64);
    // since before the warm-up: what the events, and those who do not read them, have left behind
    figures.set("pss_grown_bytes", after.pss as f64 - before_events.pss as f64);
    figures.percentiles("publish_to_receipt", &report.publish_to_receipt);
    figures.percentiles("append_to_receipt", &report.append_to_receipt);
    figures.percentiles("acknowledged", &published.acknowledged);
    if let Some(probes) = probes {
        probes.end(&mut figures)?;
    }
    if case.deaf > 0 {
        figures.set("kernel_tcp_per_deaf_bytes", kernel as f64 / case.deaf as f64);
    }
    followers.close_all()?;
    Ok(figures)
}
