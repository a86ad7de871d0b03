//! Durable publishing: one by one, in batches, by one and by many.

use anyhow::Context as _;

use super::{Job, copy};
use crate::{
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::Publishing,
    scenario::{Publish, Store},
    server::Server,
};

/// Streams that the events concern, in turn.
const STREAMS: u64 = 1000;

pub(super) fn run(job: &Job<'_>, work: &Publish, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    for &publishers in &work.publishers {
        let server = job.start_with_commit_delay(work.commit_delay)?;
        let schedule = Schedule::new(work.events);
        let publish = |events| {
            let publishing = Publishing {
                server: server.addr,
                run: job.round as u32,
                events,
                groups: STREAMS,
                batch: work.batch,
                rate: None,
                connections: publishers,
            };
            publishing.run(&schedule)
        };
        let warm_up = work.events / 10;
        publish(0..warm_up)?;
        let (commits_before, before) = (commits(&server)?, server.usage()?);
        let published = publish(warm_up..work.events)?;
        let events = (work.events - warm_up) as f64;
        let rate = events / published.took.as_secs_f64();
        let mut figures = Figures::default();
        figures.set("events_per_second", rate);
        figures.set("commits_per_event", (commits(&server)? - commits_before) / events);
        figures.set("cpu_per_event_us", server.usage()?.cpu_since(&before) * 1e6 / events);
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

/// Commits that chaincast says it has made.
fn commits(server: &Server) -> anyhow::Result<f64> {
    server.stats()?["events"]["commits"].as_f64().context("no count of commits in the statistics")
}
