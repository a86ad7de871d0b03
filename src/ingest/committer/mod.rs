//! The one task of an instance that appends: it commits whatever has queued while the last commit ran.
//!
//! A handler only waits for an answer, so one that is dropped cancels nobody's write, its own included. Requests are committed in the order
//! in which they were queued, as one append a log and group; throughput rises with load and a lone request is not delayed.
//!
//! **An innocent publisher never fails for another's event**: a group that is refused for its content is retried request by request
//! (`one_refused_request_does_not_fail_its_group`). **A publish is idempotent** even when its connection is lost during commit: the same
//! append is repeated until it is known what became of it (`an_unknown_outcome_is_repeated_until_it_is_known`).
//! **The database can vanish**: all that waits is answered at once (`an_outage_answers_everything_that_waits`).
//! **Every queue is bounded**, in requests and in bytes: see [`Settings`].
//!
//! It knows nothing of subscribers: announcing never waits.

mod appender;
mod batch;
mod inbox;
mod publisher;
mod span;
mod stats;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt as _;

use self::{appender::Appender, batch::Batch, inbox::Inbox};
use crate::{
    backplane::Backplane,
    log::{EventLog, LogError},
    trace::Tracer,
};

pub use self::{
    inbox::Queued,
    publisher::{ConflictingId, PublishError, Published, PublishedItem, Publisher},
    stats::{Counts, Publishing},
};

/// Bounds and patience of a committer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Requests that may wait for an answer, those being committed included.
    pub queue_requests: usize,
    /// Bytes that these may hold. A single request is never refused for its size alone: that is parsing's to do.
    pub queue_bytes: usize,
    /// Events of one group; a single request may have more.
    pub group_events: usize,
    /// Bytes of one group; a single request may have more.
    pub group_bytes: usize,
    /// The pause before an append of unknown outcome is repeated; it doubles from one repetition to the next.
    pub repeat_pause: Duration,
    /// The longest such pause.
    pub repeat_pause_max: Duration,
    /// How long an append is repeated before its publishers are told that its outcome is unknown.
    pub repeat_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_requests: 4096,
            queue_bytes: 64 * 1024 * 1024,
            group_events: 2000,
            group_bytes: 8 * 1024 * 1024,
            repeat_pause: Duration::from_millis(50),
            repeat_pause_max: Duration::from_secs(1),
            repeat_for: Duration::from_secs(10),
        }
    }
}

/// The task that appends, before it runs.
pub struct Committer {
    inbox: Inbox,
    appender: Appender,
    backplane: Arc<dyn Backplane>,
    tracer: Tracer,
}

impl Committer {
    /// A committer and the handle that feeds it; nothing is committed before [`Committer::run`].
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, backplane: Arc<dyn Backplane>, settings: Settings) -> (Publisher, Self) {
        let (publisher, inbox) = inbox::open(&settings);
        (publisher, Self { inbox, appender: Appender::new(log, settings), backplane, tracer: Tracer::default() })
    }

    /// Tells of commits through `tracer`.
    #[must_use]
    pub fn traced_by(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Commits until all publishers are gone or `shutdown` completes, and then what is still queued.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut is_open = true;
        loop {
            let group = tokio::select! {
                biased;
                () = &mut shutdown, if is_open => {
                    is_open = false;
                    self.inbox.close();
                    continue;
                }
                group = self.inbox.next_group() => group,
            };
            let Some(group) = group else { break };
            self.commit(group).await;
        }
    }

    async fn commit(&mut self, group: Vec<Batch>) {
        let mut work = VecDeque::from(group);
        while let Some(batch) = work.pop_front() {
            // a panic drops the batch and with it the way to answer, which its publishers see as an unknown outcome: just what it is
            let step = AssertUnwindSafe(self.commit_batch(batch)).catch_unwind().await;
            match step.unwrap_or(Step::Panicked) {
                Step::Done => self.reached(),
                Step::Panicked => tracing::error!("a panic during a commit; its publishers were told that the outcome is unknown"),
                Step::Retry(alone) => alone.into_iter().rev().for_each(|batch| work.push_front(batch)),
                // whoever waits would only wait for the same answer, and hold a connection and memory meanwhile
                Step::Unreachable => {
                    let unreachable = || PublishError::Unavailable;
                    work.drain(..).for_each(|batch| batch.fail(unreachable));
                    self.inbox.drain().into_iter().for_each(|batch| batch.fail(unreachable));
                }
            }
        }
    }

    async fn commit_batch(&mut self, batch: Batch) -> Step {
        let mut span = batch.begin_span();
        let began = Instant::now();
        let outcome = self.appender.append(batch.log, &batch.requests).await;
        if let Some(span) = &mut span {
            span.answered();
        }
        let error = match outcome {
            Ok(done) => {
                self.inbox.stats().commit.record(began.elapsed(), 1);
                batch.settle(done, &*self.backplane, self.inbox.stats(), span, &self.tracer);
                return Step::Done;
            }
            Err(error) => error,
        };
        batch.finish_failed(span, &self.tracer);
        match error {
            LogError::Content(_) if batch.requests.len() > 1 => return Step::Retry(batch.split()),
            LogError::Content(detail) => batch.fail(|| PublishError::Refused(detail.clone())),
            LogError::Internal(detail) => {
                tracing::error!(detail, trace_ids = batch.trace_ids(), "an append failed");
                batch.fail(|| PublishError::Internal);
            }
            LogError::Unavailable(detail) => {
                self.lost(&detail);
                batch.fail(|| PublishError::Unavailable);
                return Step::Unreachable;
            }
            LogError::Unknown(detail) => {
                let (requests, trace_ids) = (batch.requests.len(), batch.trace_ids());
                tracing::error!(detail, requests, trace_ids, "an append's outcome stays unknown");
                self.lost(&detail);
                batch.fail(|| PublishError::OutcomeUnknown);
                return Step::Unreachable;
            }
        }
        Step::Done
    }

    // an outage is logged when it begins and when it ends, not once a request
    fn lost(&self, detail: &str) {
        if self.inbox.stats().set_outage(true) {
            tracing::warn!(detail, "the log is out of reach; publishing is refused until it answers");
        }
    }

    fn reached(&self) {
        if self.inbox.stats().set_outage(false) {
            tracing::info!("the log answers again");
        }
    }
}

/// What is left to do after one append.
enum Step {
    /// Everyone has an answer, from a log that is there.
    Done,
    /// Nobody has been answered.
    Panicked,
    /// These, one request each.
    Retry(Vec<Batch>),
    /// The store is out of reach.
    Unreachable,
}
