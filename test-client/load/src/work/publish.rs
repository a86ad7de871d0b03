//! Durable publishing: one by one, in batches, by one and by many.

use std::collections::BTreeMap;

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

/// Between instances nothing but their looks at the log, and LISTEN and NOTIFY.
const BACKPLANES: [&str; 2] = ["local", "postgres"];

pub(super) fn run(job: &Job<'_>, work: &Publish, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    for &publishers in &work.publishers {
        let case = [("publishers", publishers as u64), ("batch", work.batch)];
        if work.listeners == 0 {
            let mut figures = measure(job, work, publishers, &[])?;
            if work.against_copy && job.scenario.store == Store::Postgres {
                let copied = copy::measure(job.cluster()?, work.batch)?;
                figures.set("copy_events_per_second", copied);
                figures.set("of_copy_share", figures.get("events_per_second").unwrap_or_default() / copied);
            }
            done(job.outcome(&case, figures));
            continue;
        }
        // what comes second finds a machine that is warm: each does in turn
        let mut measured = BTreeMap::new();
        for place in 0..BACKPLANES.len() {
            let notify = (place + job.round) % BACKPLANES.len();
            measured.insert(notify, measure(job, work, publishers, &[("CHAINCAST_BACKPLANE", BACKPLANES[notify])])?);
        }
        let local = measured[&0].clone();
        for (notify, mut figures) in measured {
            for (share, figure) in SHARES {
                if let (Some(value), Some(of)) = (figures.get(figure), local.get(figure)) {
                    figures.set(share, value / of);
                }
            }
            done(job.outcome(&[&case[..], &[("notify", notify as u64)]].concat(), figures));
        }
    }
    Ok(())
}

/// Figures with listeners, to those of the same without notifications.
const SHARES: [(&str, &str); 2] = [("of_local_share", "events_per_second"), ("postgres_cpu_of_local_share", "postgres_cpu_per_event_us")];

fn measure(job: &Job<'_>, work: &Publish, publishers: usize, env: &[(&str, &str)]) -> anyhow::Result<Figures> {
    let server = job.start_with_commit_delay(work.commit_delay, env)?;
    let listeners = (0..work.listeners).map(|_| job.start_beside(env)).collect::<anyhow::Result<Vec<_>>>()?;
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
    let postgres = || (work.listeners > 0).then(|| job.cluster()?.usage()).transpose();
    let warm_up = work.events / 10;
    publish(0..warm_up)?;
    let (before, counted_before, postgres_before) = (server.usage()?, Counted::of(&server)?, postgres()?);
    let published = publish(warm_up..work.events)?;
    let counted = Counted::of(&server)?;
    let (events, commits) = ((work.events - warm_up) as f64, counted.commits - counted_before.commits);
    let mut figures = Figures::default();
    figures.set("events_per_second", events / published.took.as_secs_f64());
    figures.set("commits_per_event", commits / events);
    figures.set("cpu_per_event_us", server.usage()?.cpu_since(&before) * 1e6 / events);
    figures.percentiles("acknowledged", &published.acknowledged);
    if let (Some(before), Some(after)) = (postgres_before, postgres()?) {
        figures.set("commits_per_second", commits / published.took.as_secs_f64());
        figures.set("postgres_cpu_per_event_us", after.cpu_since(&before) * 1e6 / events);
        figures.set("notifications_per_commit", (counted.announced - counted_before.announced) / commits);
        let heard = listeners.iter().map(|listener| Ok(Counted::of(listener)?.heard)).sum::<anyhow::Result<f64>>()?;
        // a measurement without the notifications that it is about
        let tells = env.iter().any(|(_, backplane)| *backplane != "local");
        anyhow::ensure!(tells == (heard > 0.0), "the other instances have heard {heard} messages");
    }
    Ok(figures)
}

/// What chaincast says it has done.
struct Counted {
    commits: f64,
    announced: f64,
    heard: f64,
}

impl Counted {
    fn of(server: &Server) -> anyhow::Result<Self> {
        let stats = server.stats()?;
        let commits = stats["events"]["commits"].as_f64().context("no count of commits in the statistics")?;
        let count = |name: &str| stats["backplane"][name].as_f64().unwrap_or_default();
        Ok(Self { commits, announced: count("sent"), heard: count("received") })
    }
}
