//! Requests that go to one log together, and what is told to their publishers and to the backplane.

use std::{collections::BTreeMap, time::Instant};

use super::{
    appender::Done,
    inbox::{Answer, Job, Place},
    publisher::{ConflictingId, PublishError, Published, PublishedItem},
    span::{CommitSpan, log_commit, trace_ids},
    stats::{Counts, Stats},
};
use crate::{
    backplane::{Announcement, Backplane},
    domain::{Event, Seq},
    log::{AppendRequest, Appended, Item, ItemStatus, LogId, NewEvent, RequestOutcome},
    trace::{Origin, Tracer},
};

/// One append.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) log: LogId,
    /// Apart from those who wait for them, because the log takes a slice.
    pub(super) requests: Vec<AppendRequest>,
    waiters: Vec<Waiter>,
}

/// Who waits for one request of a batch.
#[derive(Debug)]
struct Waiter {
    answer: Answer,
    origin: Option<Origin>,
    /// Given back with the answer.
    place: Place,
}

impl Batch {
    fn new(log: LogId) -> Self {
        Self { log, requests: Vec::new(), waiters: Vec::new() }
    }

    /// Jobs sorted by log, in their order within it.
    pub(super) fn by_log(jobs: Vec<Job>) -> Vec<Self> {
        let mut batches = BTreeMap::new();
        for Job { log, request, place, answer, origin } in jobs {
            let batch = batches.entry(log).or_insert_with(|| Self::new(log));
            batch.requests.push(request);
            batch.waiters.push(Waiter { answer, origin, place });
        }
        batches.into_values().collect()
    }

    /// One batch a request, in their order.
    pub(super) fn split(self) -> Vec<Self> {
        let each = self.requests.into_iter().zip(self.waiters);
        each.map(|(request, waiter)| Self { log: self.log, requests: vec![request], waiters: vec![waiter] }).collect()
    }

    fn origins(&self) -> impl Iterator<Item = &Origin> + Clone {
        self.waiters.iter().filter_map(|waiter| waiter.origin.as_ref())
    }

    /// The traces of those who wait, the first ten: a client is told its own, so it can be found.
    pub(super) fn trace_ids(&self) -> String {
        trace_ids(self.origins(), 10)
    }

    /// The step that its commit is, if any of its requests is sampled.
    pub(super) fn begin_span(&self) -> Option<CommitSpan> {
        CommitSpan::begin(self.origins(), self.waiters.len())
    }

    /// Tells of a commit that failed.
    pub(super) fn finish_failed(&self, span: Option<CommitSpan>, tracer: &Tracer) {
        log_commit(self.origins(), self.log, self.waiters.len(), 0, None);
        if let Some(span) = span {
            span.finish(self.log, 0, true, tracer);
        }
    }

    /// Tells everyone that it failed.
    pub(super) fn fail(self, error: impl Fn() -> PublishError) {
        for waiter in self.waiters {
            waiter.tell(Err(error()));
        }
    }

    /// Announces what was stored, then tells everyone what became of theirs.
    pub(super) fn settle(self, done: Done, backplane: &dyn Backplane, stats: &Stats, mut span: Option<CommitSpan>, tracer: &Tracer) {
        let Done { appended, ours_after } = done;
        let Appended { outcomes, epoch, before, head, received_at, store } = appended;
        log_commit(self.origins(), self.log, self.waiters.len(), head.since(before), Some(head));
        let mut counts = Counts { commits: 1, ..Counts::default() };
        let mut stored = Vec::new();
        let mut answers = Vec::with_capacity(outcomes.len());
        for (request, outcome) in self.requests.into_iter().zip(outcomes) {
            answers.push(match outcome {
                RequestOutcome::Refused(conflicts) => {
                    conflicts.iter().for_each(|_| counts.item(ItemStatus::Conflict));
                    let named = conflicts.into_iter().filter_map(|conflict| {
                        let id = request.events.get(conflict.index)?.id.clone();
                        Some(ConflictingId { index: conflict.index, id, seq: conflict.seq })
                    });
                    Err(PublishError::Conflict(named.collect()))
                }
                RequestOutcome::Accepted(items) => {
                    let mut published = Vec::with_capacity(items.len());
                    for (event, Item { seq, status }) in request.events.into_iter().zip(items) {
                        let NewEvent { id, keys, envelope, .. } = event;
                        if status == ItemStatus::Stored {
                            stored.push(Event { seq, received_at, keys, envelope });
                        }
                        let status = if status == ItemStatus::Duplicate && is_ours(ours_after, seq, &published) {
                            ItemStatus::Stored
                        } else {
                            status
                        };
                        counts.item(status);
                        published.push(PublishedItem { id, seq, status });
                    }
                    Ok(Published { items: published, epoch })
                }
            });
        }
        stats.add(self.log, counts);
        stats.group.record(self.waiters.len() as u64);
        let now = Instant::now();
        self.waiters.iter().for_each(|waiter| stats.publishing.record(now.saturating_duration_since(waiter.place.since), 1));
        // subscribers first: a publisher has waited for the disk, a moment more is nothing to it
        if head > before || ours_after.is_some() {
            if !is_run(&stored, before, head) {
                tracing::error!(%before, %head, events = stored.len(), "the log stored other seqs than it says; announcing the head alone");
                stored.clear();
            }
            let trace = span.as_mut().map(|span| span.passage(ours_after.unwrap_or(before), head));
            backplane.announce(Announcement { log: self.log, store, epoch, head, events: stored, trace });
        }
        if let Some(span) = span {
            span.finish(self.log, counts.published, false, tracer);
        }
        for (waiter, answer) in self.waiters.into_iter().zip(answers) {
            waiter.tell(answer);
        }
    }
}

impl Waiter {
    fn tell(self, answer: Result<Published, PublishError>) {
        // whoever hung up gets no answer, and that is all that hanging up does
        let _ = self.answer.send(answer);
    }
}

/// Whether a duplicate is what an earlier try of the same append stored: it stands behind the head from before the first try. A second
/// event with that seq is a repetition within the request, and was a duplicate the first time too.
fn is_ours(ours_after: Option<Seq>, seq: Seq, published: &[PublishedItem]) -> bool {
    ours_after.is_some_and(|head| seq > head) && published.iter().all(|item| item.seq != seq)
}

/// Whether `events` are exactly the seqs in `(before, head]`, in order: what an announcement promises.
fn is_run(events: &[Event], before: Seq, head: Seq) -> bool {
    events.len() as u64 == head.since(before) && events.iter().zip(1..).all(|(event, n)| event.seq == before.plus(n))
}
