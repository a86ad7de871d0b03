//! Clients that are far behind: how fast they are brought to the head, from memory or from the log.

use std::time::Duration;

use super::{AT_ONCE, Job};
use crate::{
    clock,
    follow::{Ask, Followers, Opening},
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::Publishing,
    scenario::Replay,
};

const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn run(job: &Job<'_>, work: &Replay, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    let server = job.start()?;
    let schedule = Schedule::new(work.events);
    let events = 0..work.events;
    Publishing { server: server.addr, run: job.round as u32, events: events.clone(), groups: 1, batch: 500, rate: None, connections: 2 }
        .run(&schedule)?;
    for &clients in &work.clients {
        let followers = Followers::start()?;
        followers.measure(schedule.clone())?;
        let before = server.usage()?;
        let started = clock::now();
        let ask = Ask { path: "/events/subscribe?all=true".to_owned(), cursor: Some("earliest".to_owned()), deaf: false };
        followers.begin_to_open(Opening { server: server.addr, ask, count: clients, groups: 1, at_once: AT_ONCE })?;
        let total = work.events * clients as u64;
        let last_at = followers.wait_delivered(total, PATIENCE)?;
        let cpu = (server.usage()?.cpu - before.cpu).as_secs_f64();
        followers.report()?.check_counts(&events, 1)?;
        let mut figures = Figures::default();
        figures.set("events_per_second", total as f64 / ((last_at - started) as f64 / 1e9));
        figures.set("cpu_per_event_us", cpu * 1e6 / total as f64);
        done(job.outcome(&[("clients", clients as u64)], figures));
    }
    Ok(())
}
