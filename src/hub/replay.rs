//! Reads the log for subscriptions that are behind their shard's ring.
//!
//! Runs beside the log's own runtime. A page is read under one of a few permits, which is released before anyone writes it to a socket; questions
//! that are equal while the read is under way share its answer. How many can wait is bounded by the connections: each has one question at most.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use tokio::sync::{Semaphore, mpsc};

use super::{Frame, index::SubKey, outlet::SharedFrame, stats::ShardStats};
use crate::{
    domain::{Filter, Seq},
    log::{EventLog, LogId, PageRequest, Position},
};

/// A page of the log as frames.
#[derive(Debug)]
pub(crate) struct ReplayPage {
    pub(crate) frames: Vec<SharedFrame>,
    pub(crate) through: Seq,
    pub(crate) position: Position,
}

impl ReplayPage {
    /// Whether a reader at `c` gets on with it: towards more events, or past those that are gone.
    pub(crate) fn is_news_behind(&self, c: Seq) -> bool {
        self.through > c || self.position.earliest.before() > c
    }
}

/// What a subscription wants to read.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) key: SubKey,
    pub(crate) generation: u32,
    pub(crate) ask: u32,
    pub(crate) filter: Arc<Filter>,
    pub(crate) after: Seq,
    /// No more events than this: a paced reader would have to let go of the rest, and read it again.
    pub(crate) at_most: usize,
}

/// What came of it; `Err` when the log could not be read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) key: SubKey,
    pub(crate) generation: u32,
    pub(crate) ask: u32,
    pub(crate) page: Result<Arc<ReplayPage>, ()>,
}

/// Where a shard's answers go.
pub(crate) type Answers = mpsc::UnboundedSender<Answer>;

type Question = (Arc<Filter>, Seq, usize);

#[derive(Debug)]
struct Waiter {
    ask: Ask,
    answers: Answers,
}

/// Reads pages for the shards of one log.
#[derive(Clone)]
pub(crate) struct Replays {
    log: Arc<dyn EventLog>,
    id: LogId,
    /// This log's.
    permits: Arc<Semaphore>,
    /// Of all logs: whoever has many readers waits in line with few of them.
    instance: Arc<Semaphore>,
    waiting: Arc<Mutex<HashMap<Question, Vec<Waiter>>>>,
    runtime: tokio::runtime::Handle,
    /// What is read is counted once, however many wait for it.
    stats: Arc<ShardStats>,
}

impl Replays {
    /// Reads up to `permits` pages of this log at once, within what `instance` grants to all.
    pub(crate) fn new(
        log: Arc<dyn EventLog>,
        id: LogId,
        permits: usize,
        instance: Arc<Semaphore>,
        runtime: tokio::runtime::Handle,
        stats: Arc<ShardStats>,
    ) -> Self {
        Self { log, id, permits: Arc::new(Semaphore::new(permits.max(1))), instance, waiting: Arc::default(), runtime, stats }
    }

    /// Pages that are asked for: being read, or waiting for their turn.
    pub(crate) fn asked(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Reads a page, or joins a read of the same page; the answer goes to `answers`. Does not wait.
    pub(crate) fn ask(&self, ask: Ask, answers: Answers) {
        let question = (ask.filter.clone(), ask.after, ask.at_most);
        let waiter = Waiter { ask, answers };
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let waiters = waiting.entry(question.clone()).or_default();
            waiters.push(waiter);
            waiters.len() == 1
        };
        if first {
            let this = self.clone();
            self.runtime.spawn(async move { this.read(question).await });
        }
    }

    async fn read(self, question: Question) {
        let request = PageRequest { limit: question.2, ..PageRequest::replay(question.0.clone(), question.1) };
        let (Ok(own), Ok(shared)) = (self.permits.acquire().await, self.instance.acquire().await) else { return };
        let page = self.log.read(self.id, &request).await;
        drop((own, shared));
        let counter = if page.is_ok() { &self.stats.pages } else { &self.stats.pages_failed };
        counter.fetch_add(1, Ordering::Relaxed);
        let page = match page {
            Ok(page) => {
                let epoch = page.position.epoch;
                let frames = page.events.into_iter().map(|event| Frame::new(event, epoch, None)).collect();
                Ok(Arc::new(ReplayPage { frames, through: page.through, position: page.position }))
            }
            Err(error) => {
                tracing::debug!(%error, "replay could not read the log");
                Err(())
            }
        };
        let waiters = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&question);
        for Waiter { ask, answers } in waiters.into_iter().flatten() {
            // a shard that is gone has no use for it
            let _ = answers.send(Answer { key: ask.key, generation: ask.generation, ask: ask.ask, page: page.clone() });
        }
    }
}
