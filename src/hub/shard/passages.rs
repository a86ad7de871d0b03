//! What a shard tells of commits that are steps of sampled traces: one span a commit, whatever connections it went to.
//!
//! A dispatch takes frames in groups, so a commit may be several, and a group may have several commits: the counts are of the groups that a commit
//! was part of. Who was not live then, and walks or replays, is not counted. While nothing is sampled all of this is one look at an empty list a
//! group (`what_is_not_sampled_is_not_told_of`).

use std::{sync::Arc, thread, time::SystemTime};

use crate::{
    domain::Seq,
    trace::{Kind, Passage, Span, Tracer},
};

#[derive(Debug)]
struct Underway {
    passage: Arc<Passage>,
    began: Option<SystemTime>,
    matched: u64,
    written: u64,
}

/// See the module; as many as are in the updates that are not settled.
#[derive(Debug, Default)]
pub(super) struct Passages(Vec<Underway>);

impl Passages {
    /// Those of another update; one that was in the last as well goes on.
    pub(super) fn add(&mut self, passages: Vec<Arc<Passage>>) {
        for passage in passages {
            if !self.0.iter().any(|known| Arc::ptr_eq(&known.passage, &passage)) {
                self.0.push(Underway { passage, began: None, matched: 0, written: 0 });
            }
        }
    }

    /// What the shard passed over, since it was told of it too late, is not dispatched.
    pub(super) fn forget_settled(&mut self, settled: Seq) {
        self.0.retain(|underway| underway.passage.last > settled.get());
    }

    /// A group begins.
    pub(super) fn begin(&mut self, first: Seq, last: Seq) {
        for underway in self.0.iter_mut().filter(|underway| is_within(&underway.passage, first, last)) {
            underway.began.get_or_insert_with(SystemTime::now);
        }
    }

    /// A group has been offered to whoever it matches.
    pub(super) fn dispatched(&mut self, first: Seq, last: Seq, (matched, written): (u64, u64), tracer: &Tracer) {
        if self.0.is_empty() {
            return;
        }
        for underway in self.0.iter_mut().filter(|underway| is_within(&underway.passage, first, last)) {
            underway.matched += matched;
            underway.written += written;
        }
        for underway in self.0.extract_if(.., |underway| underway.passage.last <= last.get()) {
            underway.finish(tracer);
        }
    }
}

impl Underway {
    fn finish(self, tracer: &Tracer) {
        let Self { passage, began, matched, written } = self;
        let Passage { context, state, first, last } = &*passage;
        let ended = SystemTime::now();
        let began = began.unwrap_or(ended);
        let microseconds = ended.duration_since(began).unwrap_or_default().as_micros() as u64;
        let (first, last) = (*first, *last);
        tracing::debug!(trace_id = %context.trace, first, last, matched, written, microseconds, "dispatched");
        tracer.finish(|| Span {
            context: context.next(),
            parent: Some(context.span),
            state: state.clone(),
            name: "dispatch".into(),
            kind: Kind::Consumer,
            began,
            ended,
            attributes: vec![
                ("chaincast.events", (last - first + 1).into()),
                ("chaincast.subscriptions.matched", matched.into()),
                ("chaincast.events.written", written.into()),
                ("thread.name", thread::current().name().unwrap_or("worker").to_owned().into()),
            ],
            moments: Vec::new(),
            links: Vec::new(),
            failed: false,
        });
    }
}

fn is_within(passage: &Passage, first: Seq, last: Seq) -> bool {
    passage.first <= last.get() && passage.last >= first.get()
}
