//! Events to many connections: flat out, at a fixed rate, to all or to a few of them, beside some that read nothing.

use std::{ops::Range, thread, time::Duration};

use super::{Job, opening, probe::Probes};
use crate::{
    clock,
    follow::{Completed, Followers},
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::{Published, Publishing},
    scenario::Fanout,
    server::Server,
    usage::{self, Usage},
};

/// Until a server has forgotten the opening.
const SETTLE: Duration = Duration::from_millis(1500);

/// One point of the scenario's sweep.
struct Case {
    connections: usize,
    groups: u64,
    deaf: usize,
}

pub(super) fn run(job: &Job<'_>, work: &Fanout, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    // every other round the other way round, so that what drifts does not side with the first
    let mut deafs = work.deaf.clone();
    if job.round % 2 == 1 {
        deafs.reverse();
    }
    for &connections in &work.connections {
        for &groups in &work.groups {
            for &deaf in &deafs {
                let groups = if groups == 0 { connections as u64 } else { groups };
                let figures = Bed::prepare(job, work, Case { connections, groups, deaf })?.measure()?;
                let matching = connections as u64 / groups;
                done(job.outcome(&[("connections", connections as u64), ("matching", matching), ("deaf", deaf as u64)], figures));
            }
        }
    }
    Ok(())
}

/// A server with its followers, warmed up.
struct Bed<'a> {
    job: &'a Job<'a>,
    work: &'a Fanout,
    case: Case,
    server: Server,
    followers: Followers,
    schedule: Schedule,
    /// Before the first event.
    cold: Usage,
}

impl<'a> Bed<'a> {
    fn prepare(job: &'a Job<'a>, work: &'a Fanout, case: Case) -> anyhow::Result<Self> {
        let server = job.start()?;
        let followers = Followers::start()?;
        followers.open(opening(&server, &work.path, case.connections, case.groups))?;
        if case.deaf > 0 {
            followers.open(opening(&server, &work.path, case.deaf, case.groups).deaf())?;
        }
        thread::sleep(SETTLE);
        let cold = server.usage()?;
        let schedule = Schedule::new(work.warm_up + work.events);
        let this = Self { job, work, case, server, followers, schedule, cold };
        this.publish(0..work.warm_up, None)?;
        Ok(this)
    }

    /// Publishes, and waits until everyone has received it.
    fn publish(&self, events: Range<u64>, rate: Option<f64>) -> anyhow::Result<(Published, Completed)> {
        let publishing = Publishing {
            server: self.server.addr,
            run: self.job.round as u32,
            events: events.clone(),
            groups: self.case.groups,
            batch: self.work.batch,
            rate,
            connections: 1,
        };
        self.followers.measure(&self.schedule, events.start)?;
        let published = publishing.run(&self.schedule)?;
        Ok((published, self.followers.complete(&events, self.case.groups, self.case.connections)?))
    }

    fn measure(self) -> anyhow::Result<Figures> {
        let Fanout { warm_up, events, rate, probes, .. } = *self.work;
        let (before, own_before, started) = (self.server.usage()?, usage::own_cpu()?, clock::now());
        let probes = probes.then(|| Probes::start(self.server.addr));
        let (published, completed) = self.publish(warm_up..warm_up + events, rate)?;
        let (after, own) = (self.server.usage()?, usage::own_cpu()?);
        let mut figures = Figures::default();
        if let Some(probes) = probes {
            probes.end(&mut figures)?;
        }

        let Completed { deliveries, last_at, report } = completed;
        let (seconds, cpu) = ((last_at - published.first_at) as f64 / 1e9, after.cpu_since(&before));
        figures.set("deliveries", deliveries as f64);
        figures.set("deliveries_per_second", deliveries as f64 / seconds);
        figures.set("events_per_second", events as f64 / seconds);
        figures.set("cpu_per_delivery_us", cpu * 1e6 / deliveries as f64);
        figures.set("cpu_per_event_us", cpu * 1e6 / events as f64);
        // of the time until everyone had everything
        figures.set("acknowledged_after_share", published.took.as_secs_f64() / seconds);
        let measured = (clock::now() - started) as f64 / 1e9;
        figures.set("server_cores", cpu / measured);
        figures.set("tool_cores", own.saturating_sub(own_before).as_secs_f64() / measured);
        figures.set("pss_bytes", after.pss as f64);
        // what the events, and those who do not read them, have left behind
        figures.set("pss_grown_bytes", after.pss as f64 - self.cold.pss as f64);
        figures.set("kernel_tcp_bytes", usage::kernel_tcp_bytes()? as f64);
        figures.percentiles("publish_to_receipt", &report.publish_to_receipt);
        figures.percentiles("append_to_receipt", &report.append_to_receipt);
        figures.percentiles("acknowledged", &published.acknowledged);
        self.followers.close_all()?;
        Ok(figures)
    }
}
