//! What waits for the committer, and how much of it becomes one group.
//!
//! The channel itself has no bound: a job in it owns its [`Place`] in the two bounds, of requests and of bytes, and gives it back when it is
//! dropped, answered or not. So the bounds hold for what is being committed too, and nothing can forget to count down.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Instant,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{
    Settings,
    batch::Batch,
    publisher::{PublishError, Published, Publisher},
    stats::Stats,
};
use crate::{
    log::{AppendRequest, LogId, NewEvent},
    trace::Origin,
};

/// How a publisher gets its answer.
pub(super) type Answer = oneshot::Sender<Result<Published, PublishError>>;

/// One publisher's batch on its way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) log: LogId,
    pub(super) request: AppendRequest,
    pub(super) place: Place,
    pub(super) answer: Answer,
    pub(super) origin: Option<Origin>,
}

/// What waits for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Requests.
    pub requests: usize,
    /// Their bytes, roughly as they lie in memory.
    pub bytes: usize,
}

/// The bounds of the queue, as places to take.
#[derive(Debug)]
pub(super) struct Places {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    max: Queued,
}

/// One request's share of the bounds, given back by `Drop`.
#[derive(Debug)]
pub(super) struct Place {
    /// When it was taken.
    pub(super) since: Instant,
    bytes: usize,
    _permits: [OwnedSemaphorePermit; 2],
}

/// What an event costs besides its envelope: keys, digest, id, and the containers around them.
const EVENT_OVERHEAD_BYTES: usize = 512;

impl Places {
    fn new(settings: &Settings) -> Self {
        // a permit count is 32 bits wide
        let max = Queued { requests: settings.queue_requests.max(1), bytes: settings.queue_bytes.clamp(1, u32::MAX as usize) };
        Self { requests: Arc::new(Semaphore::new(max.requests)), bytes: Arc::new(Semaphore::new(max.bytes)), max }
    }

    /// A place for `request`, if there is one. A request larger than the whole queue gets it all, or it could never be published.
    pub(super) fn take(&self, request: &AppendRequest) -> Option<Place> {
        let bytes = request.events.iter().map(|event| event.envelope.as_str().len() + EVENT_OVERHEAD_BYTES).sum::<usize>();
        let permits = u32::try_from(bytes.min(self.max.bytes)).ok()?;
        let one = Arc::clone(&self.requests).try_acquire_owned().ok()?;
        let many = Arc::clone(&self.bytes).try_acquire_many_owned(permits).ok()?;
        Some(Place { since: Instant::now(), bytes, _permits: [one, many] })
    }

    pub(super) fn max(&self) -> Queued {
        self.max
    }

    pub(super) fn queued(&self) -> Queued {
        Queued { requests: self.max.requests - self.requests.available_permits(), bytes: self.max.bytes - self.bytes.available_permits() }
    }
}

/// The committer's end of the queue.
pub(super) struct Inbox {
    jobs: mpsc::UnboundedReceiver<Job>,
    /// Taken from the channel, though not for the group that was being formed: first of the next one.
    held: Option<Job>,
    group_events: usize,
    group_bytes: usize,
    hasher: RandomState,
    stats: Arc<Stats>,
}

/// Both ends.
pub(super) fn open(settings: &Settings) -> (Publisher, Inbox) {
    let (sender, jobs) = mpsc::unbounded_channel();
    let stats = Arc::new(Stats::default());
    let publisher = Publisher::new(sender, Arc::new(Places::new(settings)), Arc::clone(&stats));
    let Settings { group_events, group_bytes, .. } = *settings;
    (publisher, Inbox { jobs, held: None, group_events, group_bytes, hasher: RandomState::new(), stats })
}

impl Inbox {
    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Takes nothing more; what is queued stays to be committed.
    pub(super) fn close(&mut self) {
        self.jobs.close();
    }

    /// What is to be committed next, one batch a log; waits for the first request only. `None` once nothing can come any more.
    ///
    /// Cancel safe: nothing is taken before the last await.
    pub(super) async fn next_group(&mut self) -> Option<Vec<Batch>> {
        let first = match self.held.take() {
            Some(job) => job,
            None => self.jobs.recv().await?,
        };
        let (mut events, mut bytes) = (0, 0);
        // hashes do: two ids that share one by accident merely end the group early
        let mut ids = HashSet::new();
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            events += job.request.events.len();
            bytes += job.place.bytes;
            let hashes: Vec<u64> = job.request.events.iter().map(|event| self.hash(&job, event)).collect();
            let is_too_large = events > self.group_events || bytes > self.group_bytes;
            let shares_an_id = hashes.iter().any(|hash| ids.contains(hash));
            if !group.is_empty() && (is_too_large || shares_an_id) {
                // nothing behind it may overtake it
                self.held = Some(job);
                break;
            }
            ids.extend(hashes);
            group.push(job);
            next = self.jobs.try_recv().ok();
        }
        Some(Batch::by_log(group))
    }

    /// Everything that waits now.
    pub(super) fn drain(&mut self) -> Vec<Batch> {
        let mut jobs = Vec::from_iter(self.held.take());
        while let Ok(job) = self.jobs.try_recv() {
            jobs.push(job);
        }
        Batch::by_log(jobs)
    }

    fn hash(&self, job: &Job, event: &NewEvent) -> u64 {
        self.hasher.hash_one((job.log, &job.request.source, &event.id))
    }
}
