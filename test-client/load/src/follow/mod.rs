//! The followers: thousands of connections on one thread with one epoll.
//!
//! A follower costs a socket, a request and a fixed few bytes; what it receives is looked at where it lies in one shared buffer. Each checks that
//! its numbers rise, and counts them, so that loss, repetition and disorder show per connection.

mod connection;
mod engine;
mod phase;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;

use self::engine::Engine;
use crate::{clock, mark::Schedule};

/// How long events may take to be received.
const RECEIPT: Duration = Duration::from_secs(120);
/// How long is waited for what should not come.
const SURPLUS: Duration = Duration::from_millis(100);

/// How a follower asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// Path and query; `{i}` is the follower's group.
    pub(crate) path: String,
    /// `Last-Event-ID`.
    pub(crate) cursor: Option<String>,
    /// Reads the response's head and then nothing more.
    pub(crate) deaf: bool,
}

/// What is opened: followers that ask alike.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) server: SocketAddr,
    pub(crate) ask: Ask,
    pub(crate) count: usize,
    /// Follower `i` is of group `i % groups`, and expects the events of that group.
    pub(crate) groups: u64,
    /// Connects under way at once.
    pub(crate) at_once: usize,
}

impl Opening {
    /// The same, resuming behind a cursor.
    pub(crate) fn behind(mut self, cursor: String) -> Self {
        self.ask.cursor = Some(cursor);
        self
    }

    /// The same, reading nothing.
    pub(crate) fn deaf(mut self) -> Self {
        self.ask.deaf = true;
        self
    }
}

enum Command {
    Open(Opening),
    /// Starts a new phase: what is received from now on is measured against the schedule, from this event on.
    Measure(Schedule, u64),
    Report(mpsc::Sender<Report>),
    CloseAll(mpsc::Sender<()>),
    End,
}

/// Counters that are read while the followers run.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Connections whose response has begun.
    pub(crate) streaming: AtomicU64,
    /// Of them, those that the server has ended.
    pub(crate) ended: AtomicU64,
    /// Connects and requests that failed.
    pub(crate) failed: AtomicU64,
    /// Events received in this phase.
    pub(crate) delivered: AtomicU64,
    /// When the newest of them was received.
    pub(crate) last_at: AtomicU64,
    /// Of them, those that were not the next of their follower's.
    pub(crate) disorder: AtomicU64,
}

/// What [`Followers::complete`] found.
#[derive(Clone, Debug)]
pub(crate) struct Completed {
    /// Events over all followers.
    pub(crate) deliveries: u64,
    /// When the last was received.
    pub(crate) last_at: u64,
    pub(crate) report: Report,
}

/// What was received in a phase.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Events by follower, in the order of opening; deaf ones are left out.
    pub(crate) counts: Vec<u64>,
    /// Events that were not the next of their follower's.
    pub(crate) disorder: u64,
    /// Nanoseconds from the scheduled publishing to the receipt.
    pub(crate) publish_to_receipt: Histogram<u64>,
    /// Nanoseconds from `receivedAt`, which stands before the commit, to the receipt; empty for servers that do not tell it.
    pub(crate) append_to_receipt: Histogram<u64>,
    /// Nanoseconds from the connect to the response's head.
    pub(crate) connects: Histogram<u64>,
    /// What went wrong first, if anything did.
    pub(crate) trouble: Option<String>,
}

/// A handle on the followers' thread, which ends with it.
#[derive(Debug)]
pub(crate) struct Followers {
    commands: mpsc::Sender<Command>,
    waker: Arc<mio::Waker>,
    pub(crate) live: Arc<Live>,
    thread: Option<JoinHandle<()>>,
}

impl Followers {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let live = Arc::new(Live::default());
        let (commands, inbox) = mpsc::channel();
        let (engine, waker) = Engine::new(live.clone(), inbox)?;
        let thread = std::thread::Builder::new().name("followers".to_owned()).spawn(move || engine.run())?;
        Ok(Self { commands, waker, live, thread: Some(thread) })
    }

    fn send(&self, command: Command) -> anyhow::Result<()> {
        self.commands.send(command).ok().context("the followers' thread is gone")?;
        Ok(self.waker.wake()?)
    }

    /// Opens followers and waits until all stream; how long that took.
    pub(crate) fn open(&self, opening: Opening) -> anyhow::Result<Duration> {
        let target = self.live.streaming.load(Relaxed) + opening.count as u64;
        let patience = Duration::from_secs(60) + Duration::from_millis(opening.count as u64);
        let started = Instant::now();
        self.send(Command::Open(opening))?;
        self.wait("all followers stream", patience, || self.live.streaming.load(Relaxed) >= target)?;
        Ok(started.elapsed())
    }

    /// Opens followers without waiting.
    pub(crate) fn begin_to_open(&self, opening: Opening) -> anyhow::Result<()> {
        self.send(Command::Open(opening))
    }

    /// Starts a phase in which the events from `start` on are received.
    pub(crate) fn measure(&self, schedule: &Schedule, start: u64) -> anyhow::Result<()> {
        self.send(Command::Measure(schedule.clone(), start))?;
        // the answer shows that the command before it was taken
        self.report().map(drop)
    }

    /// Waits until `followers` of so many groups have received those of `events` that are their own, and checks that each came once, in order, and
    /// nothing besides.
    pub(crate) fn complete(&self, events: &Range<u64>, groups: u64, followers: usize) -> anyhow::Result<Completed> {
        let deliveries = deliveries(events, groups, followers as u64);
        self.wait("all events are received", RECEIPT, || self.live.delivered.load(Relaxed) >= deliveries)?;
        let last_at = self.live.last_at.load(Relaxed);
        // what comes too often comes later
        std::thread::sleep(SURPLUS);
        let report = self.report()?;
        report.check(events, groups)?;
        Ok(Completed { deliveries, last_at, report })
    }

    fn wait(&self, what: &str, patience: Duration, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while !done() {
            let live = &self.live;
            let wrong = [&live.failed, &live.ended, &live.disorder].into_iter().any(|counter| counter.load(Relaxed) > 0);
            if wrong || Instant::now() > deadline {
                bail!(
                    "waiting until {what}: {} streaming, {} ended by the server, {} failed, {} events received, {} of them not the next; {}",
                    live.streaming.load(Relaxed),
                    live.ended.load(Relaxed),
                    live.failed.load(Relaxed),
                    live.delivered.load(Relaxed),
                    live.disorder.load(Relaxed),
                    self.report().ok().and_then(|report| report.trouble).unwrap_or_else(|| "no error".to_owned()),
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// What was received in this phase.
    pub(crate) fn report(&self) -> anyhow::Result<Report> {
        let (answer, report) = mpsc::channel();
        self.send(Command::Report(answer))?;
        Ok(report.recv()?)
    }

    /// Closes every connection; the counters begin anew.
    pub(crate) fn close_all(&self) -> anyhow::Result<()> {
        let (answer, closed) = mpsc::channel();
        self.send(Command::CloseAll(answer))?;
        Ok(closed.recv()?)
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        if self.send(Command::End).is_ok()
            && let Some(thread) = self.thread.take()
        {
            // a panic was printed where it happened
            let _ = thread.join();
        }
    }
}

impl Report {
    /// Checks that every follower received each of its events once and in order: of those in `events`, the ones of its group.
    fn check(&self, events: &Range<u64>, groups: u64) -> anyhow::Result<()> {
        ensure!(
            self.disorder == 0,
            "{} events were not the next of their follower's: lost, repeated, out of order or foreign",
            self.disorder
        );
        for (i, &count) in self.counts.iter().enumerate() {
            let expected = of_group(events, groups, i as u64 % groups);
            ensure!(count == expected, "follower {i} received {count} of {expected} events");
        }
        Ok(())
    }
}

/// How many of `events` are of `group`.
fn of_group(events: &Range<u64>, groups: u64, group: u64) -> u64 {
    let below = |end: u64| end / groups + u64::from(end % groups > group);
    below(events.end) - below(events.start)
}

/// How many deliveries `events` lead to with that many followers.
fn deliveries(events: &Range<u64>, groups: u64, followers: u64) -> u64 {
    (0..groups.min(followers))
        .map(|group| of_group(events, groups, group) * (followers / groups + u64::from(followers % groups > group)))
        .sum()
}

pub(crate) fn histogram() -> Histogram<u64> {
    // a microsecond to ten minutes, three digits
    Histogram::new_with_bounds(1_000, 600_000_000_000, 3).expect("bounds that the histogram takes")
}

pub(crate) fn record(histogram: &mut Histogram<u64>, from: u64) {
    histogram.saturating_record(clock::now().saturating_sub(from).max(1));
}
