//! Everyone is connected, the service is killed, events come while everyone is away, it is killed once more, and everyone is back at once with a cursor.

use std::{thread, time::Duration};

use super::{ALL, Job, opening};
use crate::{
    clock,
    follow::Followers,
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::Publishing,
    scenario::{Store, Storm},
};

/// PostgreSQL's sessions report what they did when they have been idle for ten seconds.
const STATISTICS: Duration = Duration::from_secs(12);

pub(super) fn run(job: &Job<'_>, work: &Storm, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    let mut server = job.start()?;
    let addr = server.addr;
    let followers = Followers::start()?;
    followers.open(opening(&server, ALL, work.connections, 1))?;
    let schedule = Schedule::new(1 + work.missed);
    let publish = |events| {
        Publishing { server: addr, run: job.round as u32, events, groups: 1, batch: 100, rate: None, connections: 1 }.run(&schedule)
    };
    followers.measure(&schedule, 0)?;
    publish(0..1)?;
    followers.complete(&(0..1), 1, work.connections)?;
    let cursor = server.head()?;

    server.crash_and_restart()?;
    followers.close_all()?;
    let missed = 1..1 + work.missed;
    publish(missed.clone())?;
    let restart = server.crash_and_restart()?;

    let commits = || {
        if job.scenario.store != Store::Postgres {
            return Ok(None);
        }
        thread::sleep(STATISTICS);
        job.cluster()?.commits().map(Some)
    };
    let commits_before = commits()?;
    let before = server.usage()?;
    followers.measure(&schedule, missed.start)?;
    let started = clock::now();
    followers.begin_to_open(opening(&server, ALL, work.connections, 1).behind(cursor))?;
    let completed = followers.complete(&missed, 1, work.connections)?;
    let after = server.usage()?;

    let mut figures = Figures::default();
    figures.set("restart_seconds", restart.as_secs_f64());
    figures.set("caught_up_seconds", (completed.last_at - started) as f64 / 1e9);
    figures.set("cpu_seconds", after.cpu_since(&before));
    figures.percentiles("connect", &completed.report.connects);
    if let (Some(before), Some(after)) = (commits_before, commits()?) {
        figures.set("transactions", (after - before) as f64);
    }
    followers.close_all()?;
    done(job.outcome(&[("connections", work.connections as u64), ("missed", work.missed)], figures));
    Ok(())
}
