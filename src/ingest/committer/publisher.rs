//! The handle through which handlers publish.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    inbox::{Job, Places, Queued},
    stats::{Counts, Publishing, Stats},
};
use crate::{
    domain::{Epoch, EventId, Seq},
    histogram::Tally,
    log::{AppendRequest, ItemStatus, LogId},
    trace::Origin,
};

/// A publisher's batch is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// One an event, in request order.
    pub items: Vec<PublishedItem>,
    /// The numbering in which they stand.
    pub epoch: Epoch,
}

/// Where one event stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedItem {
    /// Its id, as given or as made.
    pub id: EventId,
    /// Its position, or that of the event which has its id.
    pub seq: Seq,
    /// Whether this publish stored it.
    pub status: ItemStatus,
}

/// An id that is known with other content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictingId {
    /// The event's index in the request.
    pub index: usize,
    /// The id.
    pub id: EventId,
    /// Where the event that has it stands; `None` when that is an earlier event of the same request.
    pub seq: Option<Seq>,
}

/// Why a batch is not in the log, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Ids are known with other content; nothing was stored. Every one of them, in request order.
    #[error("{} event(s) have an id that is known with other content", .0.len())]
    Conflict(Vec<ConflictingId>),
    /// The log is out of reach; nothing was stored.
    #[error("the log is out of reach")]
    Unavailable,
    /// The log was lost while it stored: publish the same again, with the same ids, to learn what became of it.
    #[error("the log was lost while it stored the events")]
    OutcomeUnknown,
    /// Too much waits already; nothing was stored.
    #[error("too many events wait to be stored")]
    Overloaded,
    /// The store refuses the content; nothing was stored.
    #[error("refused by the store: {0}")]
    Refused(String),
    /// A bug, or a store that someone edited; the log says more.
    #[error("the log failed")]
    Internal,
    /// The service is going down; nothing was stored.
    #[error("the service is stopping")]
    Stopping,
}

/// Publishes through the instance's committer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Publisher {
    jobs: mpsc::UnboundedSender<Job>,
    places: Arc<Places>,
    stats: Arc<Stats>,
}

impl Publisher {
    pub(super) fn new(jobs: mpsc::UnboundedSender<Job>, places: Arc<Places>, stats: Arc<Stats>) -> Self {
        Self { jobs, places, stats }
    }

    /// Queues `request`, and waits until it is durable or known not to be. What it was caused by is told of the commit.
    ///
    /// Dropping the future once it was polled cancels the waiting, not the write.
    ///
    /// # Errors
    /// [`PublishError`] says of each case whether anything was stored.
    pub async fn publish(&self, log: LogId, request: AppendRequest, origin: Option<Origin>) -> Result<Published, PublishError> {
        self.queue(log, request, origin).await.inspect_err(|error| self.stats.fail(error))
    }

    async fn queue(&self, log: LogId, request: AppendRequest, origin: Option<Origin>) -> Result<Published, PublishError> {
        let Some(place) = self.places.take(&request) else {
            return Err(PublishError::Overloaded);
        };
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { log, request, place, answer, origin }).map_err(|_| PublishError::Stopping)?;
        // the committer dropped the job without an answer: it panicked, or the runtime ends
        answered.await.unwrap_or(Err(PublishError::OutcomeUnknown))
    }

    /// What waits for an answer now.
    #[must_use]
    pub fn queued(&self) -> Queued {
        self.places.queued()
    }

    /// The most that may wait.
    #[must_use]
    pub fn max_queued(&self) -> Queued {
        self.places.max()
    }

    /// The log can be read: an append that did not find it so long ago says no more about it. Only another can tell whether it can be written, and
    /// where nobody publishes any more none would.
    pub fn forget_outage(&self, patience: Duration) {
        if self.stats.forget_outage(patience) {
            tracing::info!("the log can be read, and no publish has failed for a while: it is taken to be back");
        }
    }

    /// Whether the last append found the log, as far as it is remembered; an idle service does not try.
    #[must_use]
    pub fn is_log_reachable(&self) -> bool {
        !self.stats.is_outage()
    }

    /// From when requests were queued until their commit, of all logs since the start.
    #[must_use]
    pub fn latency(&self) -> Tally {
        self.stats.tally()
    }

    /// How fast publishing is and what comes of it, of all logs since the start.
    #[must_use]
    pub fn publishing(&self) -> Publishing {
        self.stats.publishing()
    }

    /// What was done to a log since the start.
    #[must_use]
    pub fn counts(&self, log: LogId) -> Counts {
        self.stats.counts(log)
    }

    /// What was done to all logs since the start.
    #[must_use]
    pub fn total(&self) -> Counts {
        self.stats.total()
    }
}
