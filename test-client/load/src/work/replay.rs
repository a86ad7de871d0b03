//! Clients that are far behind: how fast they are brought to the head, from memory or from the log.

use super::{ALL, Job, opening};
use crate::{
    clock,
    follow::Followers,
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::Publishing,
    scenario::Replay,
};

pub(super) fn run(job: &Job<'_>, work: &Replay, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    let server = job.start()?;
    let schedule = Schedule::new(work.events);
    let events = 0..work.events;
    Publishing { server: server.addr, run: job.round as u32, events: events.clone(), groups: 1, batch: 1000, rate: None, connections: 1 }
        .run(&schedule)?;
    for &clients in &work.clients {
        let followers = Followers::start()?;
        followers.measure(&schedule, events.start)?;
        let before = server.usage()?;
        let started = clock::now();
        followers.begin_to_open(opening(&server, ALL, clients, 1).behind("earliest".to_owned()))?;
        let completed = followers.complete(&events, 1, clients)?;
        let replayed = completed.deliveries as f64;
        let mut figures = Figures::default();
        figures.set("events_per_second", replayed / ((completed.last_at - started) as f64 / 1e9));
        figures.set("cpu_per_event_us", server.usage()?.cpu_since(&before) * 1e6 / replayed);
        done(job.outcome(&[("clients", clients as u64)], figures));
    }
    Ok(())
}
