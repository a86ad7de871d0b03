//! Everyone comes back at once from so long ago that each has to be read to from the store, beside a few that follow live and one that publishes.
//!
//! Each that comes back follows a stream of its own, so that no two reads are the same. What the reads cost the others shows in two phases with the
//! same events at the same rate: without those that come back, and with them.

use std::{ops::Range, sync::atomic::Ordering::Relaxed, thread, time::Duration};

use super::{ALL, Job, opening};
use crate::{
    clock,
    follow::{Completed, Followers},
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::{Published, Publishing},
    scenario::Comeback,
};

/// How long everyone may take, in nanoseconds.
const PATIENCE: u64 = 120_000_000_000;
/// Whoever comes back follows this.
const OWN: &str = "/events/subscribe?streams={i}";

pub(super) fn run(job: &Job<'_>, work: &Comeback, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    let server = job.start()?;
    let groups = work.connections as u64;
    let history = work.missed * groups;
    let phase = (work.rate * work.seconds) as u64;
    let (quiet, busy) = (history..history + phase, history + phase..history + 2 * phase);
    let schedule = Schedule::new(busy.end);
    let cursor = server.head()?;
    let publish = |events: Range<u64>, rate: Option<f64>| {
        let batch = if rate.is_some() { 1 } else { 1000 };
        Publishing { server: server.addr, run: job.round as u32, events, groups, batch, rate, connections: 1 }.run(&schedule)
    };
    publish(0..history, None)?;

    let live = Followers::start()?;
    live.open(opening(&server, ALL, work.live, 1))?;
    let follow = |events: &Range<u64>| -> anyhow::Result<(Published, Completed)> {
        live.measure(&schedule, events.start)?;
        let published = publish(events.clone(), Some(work.rate))?;
        Ok((published, live.complete(events, 1, work.live)?))
    };
    let mut figures = Figures::default();
    let (published, completed) = follow(&quiet)?;
    note(&mut figures, "quiet", &published, &completed);

    let back = Followers::start()?;
    back.measure(&schedule, 0)?;
    let missed = busy.start;
    let (published, completed, caught_up) = thread::scope(|scope| -> anyhow::Result<_> {
        let started = clock::now();
        back.begin_to_open(opening(&server, OWN, work.connections, groups).behind(cursor))?;
        let received = back.live.clone();
        // as many events as everyone had missed: those that were published meanwhile are a small part of them
        let caught_up = scope.spawn(move || {
            while received.delivered.load(Relaxed) < missed && clock::now() - started < PATIENCE {
                thread::sleep(Duration::from_millis(1));
            }
            clock::now() - started
        });
        let (published, completed) = follow(&busy)?;
        Ok((published, completed, caught_up.join().expect("it only counts")))
    })?;
    note(&mut figures, "storm", &published, &completed);
    // theirs are also the events of the two phases
    let completed = back.complete(&(0..busy.end), groups, work.connections)?;
    figures.set("caught_up_seconds", caught_up as f64 / 1e9);
    figures.percentiles("connect", &completed.report.connects);
    back.close_all()?;
    live.close_all()?;
    done(job.outcome(&[("connections", work.connections as u64), ("missed", work.missed)], figures));
    Ok(())
}

/// What those who follow live, and who publishes, saw of a phase.
fn note(figures: &mut Figures, phase: &str, published: &Published, completed: &Completed) {
    figures.percentiles(&format!("{phase}_publish_to_receipt"), &completed.report.publish_to_receipt);
    figures.percentiles(&format!("{phase}_acknowledged"), &published.acknowledged);
}
