//! Everyone was connected, the service was killed, events came meanwhile, and everyone is back at once with a cursor.

use std::{thread, time::Duration};

use super::{AT_ONCE, Job, opening};
use crate::{
    clock,
    follow::{Ask, Followers, Opening, deliveries},
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::Publishing,
    scenario::{Store, Storm},
};

const ALL: &str = "/events/subscribe?all=true";
const PATIENCE: Duration = Duration::from_secs(120);
/// The server's statistics reach its views after their sender's next pause.
const STATISTICS: Duration = Duration::from_millis(1500);

pub(super) fn run(job: &Job<'_>, work: &Storm, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    let mut server = job.start()?;
    let followers = Followers::start()?;
    followers.open(opening(&server, ALL, work.connections, 1))?;
    let schedule = Schedule::new(1 + work.missed);
    let publish = |events| {
        Publishing { server: server.addr, run: job.round as u32, events, groups: 1, batch: 100, rate: None, connections: 1 }.run(&schedule)
    };
    followers.measure(schedule.clone())?;
    publish(0..1)?;
    followers.wait_delivered(work.connections as u64, PATIENCE)?;
    let cursor = server.head()?;

    followers.close_all()?;
    let missed = 1..1 + work.missed;
    publish(missed.clone())?;
    let restart = server.crash_and_restart()?;

    let commits = || if job.scenario.store == Store::Postgres { job.cluster()?.commits().map(Some) } else { Ok(None) };
    thread::sleep(STATISTICS);
    let commits_before = commits()?;
    let before = server.usage()?;
    followers.measure(schedule.clone())?;
    let started = clock::now();
    let ask = Ask { path: ALL.to_owned(), cursor: Some(cursor), deaf: false };
    followers.begin_to_open(Opening { server: server.addr, ask, count: work.connections, groups: 1, at_once: AT_ONCE })?;
    let last_at = followers.wait_delivered(deliveries(&missed, 1, work.connections as u64), PATIENCE)?;
    let after = server.usage()?;
    let report = followers.report()?;
    report.check(&missed, 1)?;
    thread::sleep(STATISTICS);

    let mut figures = Figures::default();
    figures.set("restart_seconds", restart.as_secs_f64());
    figures.set("caught_up_seconds", (last_at - started) as f64 / 1e9);
    figures.set("cpu_seconds", (after.cpu - before.cpu).as_secs_f64());
    figures.percentiles("connect", &report.connects);
    if let (Some(before), Some(after)) = (commits_before, commits()?) {
        figures.set("transactions", (after - before) as f64);
    }
    followers.close_all()?;
    done(job.outcome(&[("connections", work.connections as u64), ("missed", work.missed)], figures));
    Ok(())
}
