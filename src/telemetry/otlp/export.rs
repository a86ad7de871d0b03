//! The thread that sends spans.
//!
//! It gathers what comes for a moment, sends it, and tries again what a collector could not take, with pauses that grow; while it pauses the queue
//! fills, and what finds no room is dropped and counted by the [`Tracer`].

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc::RecvTimeoutError},
    time::{Duration, Instant},
};

use super::{
    encode::{self, Resource},
    endpoint::{Said, Target},
};
use crate::trace::{Span, Spans, Tracer};

/// Spans of one message.
const BATCH: usize = 512;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How often one waits for the word to end.
const TURN: Duration = Duration::from_millis(100);
/// The pauses before a message is sent again.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];
/// How often it may be said that the collector is away.
const SAY_AWAY_EVERY: Duration = Duration::from_secs(60);

/// The word to end.
#[derive(Debug, Default)]
pub(super) struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Asks the thread to send what waits, and to end.
    pub(super) fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn is_asked(&self) -> bool {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, but not beyond the word.
    fn pause(&self, pause: Duration) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(asked, pause, |asked| !*asked));
    }
}

/// See the module.
pub(super) struct Exporter {
    target: Target,
    resource: Resource,
    tracer: Tracer,
    stop: Arc<Stop>,
    said_away: Option<Instant>,
    is_away: bool,
}

impl Exporter {
    pub(super) fn new(target: Target, resource: Resource, tracer: Tracer, stop: Arc<Stop>) -> Self {
        Self { target, resource, tracer, stop, said_away: None, is_away: false }
    }

    /// Sends spans until it is asked to end.
    pub(super) fn run(mut self, spans: &Spans) {
        while !self.stop.is_asked() {
            let batch = self.gather(spans);
            if !batch.is_empty() {
                self.send(&batch);
            }
        }
        // what waits is bounded; one that does not answer now has no second chance
        loop {
            let rest: Vec<Span> = spans.try_iter().take(BATCH).collect();
            if rest.is_empty() {
                return;
            }
            if !self.send(&rest) {
                return self.tracer.count_dropped(spans.try_iter().count());
            }
        }
    }

    /// What comes until there is enough of it, or it has waited long enough.
    fn gather(&self, spans: &Spans) -> Vec<Span> {
        let mut batch = Vec::new();
        let mut until = None;
        while batch.len() < BATCH && !self.stop.is_asked() {
            let left = until.map_or(TURN, |until: Instant| until.saturating_duration_since(Instant::now()));
            match spans.recv_timeout(left.min(TURN)) {
                Ok(span) => {
                    until.get_or_insert_with(|| Instant::now() + GATHER);
                    batch.push(span);
                }
                Err(RecvTimeoutError::Timeout) if left > TURN || until.is_none() => {}
                Err(_) => break,
            }
        }
        batch
    }

    /// Whether the collector took them, at once or later.
    fn send(&mut self, batch: &[Span]) -> bool {
        let message = encode::message(&self.resource, batch);
        let mut pauses = PAUSES.iter();
        loop {
            let (why, may_later) = match self.target.send(&message) {
                Said::Taken => {
                    self.tracer.count_exported(batch.len());
                    self.say_there();
                    return true;
                }
                Said::Refused(why) => (why, false),
                Said::Busy(why) => (why, true),
            };
            self.say_away(&why);
            match pauses.next() {
                Some(pause) if may_later && !self.stop.is_asked() => self.stop.pause(*pause),
                _ => {
                    self.tracer.count_dropped(batch.len());
                    return false;
                }
            }
        }
    }

    fn say_away(&mut self, why: &str) {
        self.is_away = true;
        if self.said_away.is_some_and(|at| at.elapsed() < SAY_AWAY_EVERY) {
            return;
        }
        self.said_away = Some(Instant::now());
        let dropped = self.tracer.counts().unwrap_or_default().dropped;
        let hint = if self.target.is_for_grpc() { "; 4317 is where collectors take gRPC, HTTP is 4318" } else { "" };
        let held = self.tracer.held();
        tracing::warn!(held, dropped, why, "the collector of traces does not take them: they are held for a while, and then dropped{hint}");
    }

    fn say_there(&mut self) {
        if std::mem::take(&mut self.is_away) {
            let dropped = self.tracer.counts().unwrap_or_default().dropped;
            tracing::info!(dropped, "the collector of traces takes them again");
        }
    }
}
