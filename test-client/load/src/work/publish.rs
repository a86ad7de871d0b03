//! Durable publishing: one by one, in batches, by one and by many.

use super::{Job, copy};
use crate::{
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::Publishing,
    scenario::{Publish, Store},
};

pub(super) fn run(job: &Job<'_>, work: &Publish, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    for &publishers in &work.publishers {
        let server = job.start_with_commit_delay(work.commit_delay)?;
        let schedule = Schedule::new(work.events);
        let publish = |events, connections| {
            Publishing { server: server.addr, run: job.round as u32, events, groups: 1000, batch: work.batch, rate: None, connections }
                .run(&schedule)
        };
        let warm_up = work.events / 10;
        publish(0..warm_up, publishers)?;
        let before = server.stats()?["events"]["commits"].as_f64().unwrap_or(0.0);
        let cpu = server.usage()?.cpu;
        let published = publish(warm_up..work.events, publishers)?;
        let events = (work.events - warm_up) as f64;
        let commits = server.stats()?["events"]["commits"].as_f64().unwrap_or(0.0) - before;
        let rate = events / published.took.as_secs_f64();
        let mut figures = Figures::default();
        figures.set("events_per_second", rate);
        figures.set("commits_per_event", commits / events);
        figures.set("cpu_per_event_us", (server.usage()?.cpu - cpu).as_secs_f64() * 1e6 / events);
        figures.percentiles("acknowledged", &published.acknowledged);
        if work.against_copy && job.scenario.store == Store::Postgres {
            drop(server);
            let copied = copy::measure(job.cluster()?, work.batch)?;
            figures.set("copy_events_per_second", copied);
            figures.set("of_copy_share", rate / copied);
        }
        done(job.outcome(&[("publishers", publishers as u64), ("batch", work.batch)], figures));
    }
    Ok(())
}
