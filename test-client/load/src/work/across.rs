//! Two instances on one store: events are published to one of them, and followed on both.

use std::{thread, time::Duration};

use super::{ALL, Job, opening};
use crate::{
    follow::Followers,
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::Publishing,
    redis::Redis,
    scenario::{Across, Backplane},
};

/// Until the instances have met.
const SETTLE: Duration = Duration::from_millis(2500);

pub(super) fn run(job: &Job<'_>, work: &Across, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    let redis = (work.backplane == Backplane::Redis).then(|| Redis::start(&job.bench.scratch)).transpose()?;
    let mut recipe = job.recipe()?;
    recipe.env.push(("CHAINCAST_BACKPLANE".to_owned(), work.backplane.name().to_owned()));
    recipe.env.extend(redis.iter().map(|redis| ("REDIS_URL".to_owned(), redis.url())));
    let (here, there) = (recipe.start()?, recipe.start()?);
    let crowds = [(&here, "here"), (&there, "across")].map(|(server, name)| (server, name, Followers::start()));
    let schedule = Schedule::new(1 + work.events);
    let publish = |events, rate| {
        Publishing { server: here.addr, run: job.round as u32, events, groups: 1, batch: work.batch, rate, connections: 1 }.run(&schedule)
    };
    let mut figures = Figures::default();
    let crowds = crowds.map(|(server, name, followers)| followers.map(|followers| (server, name, followers)));
    let crowds = crowds.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    for (server, _, followers) in &crowds {
        followers.open(opening(server, ALL, work.connections, 1))?;
        followers.measure(&schedule, 0)?;
    }
    thread::sleep(SETTLE);
    publish(0..1, None)?;
    for (_, _, followers) in &crowds {
        followers.complete(&(0..1), 1, work.connections)?;
        followers.measure(&schedule, 1)?;
    }
    let events = 1..1 + work.events;
    let before = there.usage()?;
    let published = publish(events.clone(), work.rate)?;
    for (_, name, followers) in &crowds {
        let completed = followers.complete(&events, 1, work.connections)?;
        figures.percentiles(&format!("{name}_publish_to_receipt"), &completed.report.publish_to_receipt);
    }
    figures.set("across_cpu_per_event_us", there.usage()?.cpu_since(&before) * 1e6 / work.events as f64);
    figures.set("events_per_second", work.events as f64 / published.took.as_secs_f64());
    figures.percentiles("acknowledged", &published.acknowledged);
    for (_, _, followers) in &crowds {
        followers.close_all()?;
    }
    done(job.outcome(&[("connections", work.connections as u64)], figures));
    Ok(())
}
