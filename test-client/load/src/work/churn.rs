//! Connections that come and go: how fast, and what they leave behind.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;

use super::{Job, opening};
use crate::{
    follow::Followers,
    outcome::{Figures, Outcome},
    scenario::Churn,
};

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn run(job: &Job<'_>, work: &Churn, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    let server = job.start()?;
    let followers = Followers::start()?;
    let wave = work.connections / work.waves;
    let mut figures = Figures::default();
    let (mut after_first, mut opening_took) = (0, Duration::ZERO);
    let before = server.usage()?;
    for turn in 0..work.waves {
        opening_took += followers.open(opening(&server, "/events/subscribe?streams={i}", wave, wave as u64))?;
        followers.close_all()?;
        wait_until_empty(&server)?;
        if turn == 0 {
            after_first = server.usage()?.pss;
        }
    }
    let last = server.usage()?;
    let opened = (wave * work.waves) as f64;
    figures.set("connects_per_second", opened / opening_took.as_secs_f64());
    figures.set("cpu_per_connection_us", last.cpu_since(&before) * 1e6 / opened);
    // what stays after the first wave is what a server keeps for the next; what grows from wave to wave is a leak
    figures.set("left_per_connection_bytes", (last.pss as f64 - after_first as f64) / (opened - wave as f64));
    done(job.outcome(&[("connections", work.connections as u64), ("waves", work.waves as u64)], figures));
    Ok(())
}

fn wait_until_empty(server: &crate::server::Server) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = server.stats()?["connections"]["now"].as_u64();
        if now == Some(0) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{now:?} connections are held after all have gone");
        thread::sleep(Duration::from_millis(5));
    }
}
