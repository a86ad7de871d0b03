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

    /// The log was rewound: their seqs are others' now.
    pub(super) fn clear(&mut self) {
        self.0.clear();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Ratio, TraceContext, Value};

    fn passage(first: u64, last: u64) -> Arc<Passage> {
        Arc::new(Passage { context: TraceContext::begin(|_| true), state: None, first, last })
    }

    fn count(span: &Span, name: &str) -> u64 {
        match span.attributes.iter().find(|(known, _)| *known == name) {
            Some((_, Value::Number(count))) => *count,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn a_commit_is_told_of_once_after_the_group_with_its_last_event() {
        let (tracer, spans) = Tracer::new(Ratio::ALL, 10);
        let (seq, mut passages) = (Seq::new, Passages::default());
        let (one, two) = (passage(1, 100), passage(101, 101));
        passages.add(vec![one.clone(), two.clone()]);
        passages.begin(seq(1), seq(64));
        passages.dispatched(seq(1), seq(64), (3, 100), &tracer);
        assert!(spans.try_recv().is_err(), "not over yet");
        // the rest comes with another update
        passages.add(vec![one.clone(), two.clone()]);
        passages.begin(seq(65), seq(101));
        passages.dispatched(seq(65), seq(101), (2, 10), &tracer);
        let told: Vec<Span> = spans.try_iter().collect();
        let facts = |span: &Span| {
            let counts = ["chaincast.events", "chaincast.subscriptions.matched", "chaincast.events.written"].map(|name| count(span, name));
            (span.parent, counts)
        };
        let expected = [(Some(one.context.span), [100, 5, 110]), (Some(two.context.span), [1, 2, 10])];
        assert_eq!(told.iter().map(facts).collect::<Vec<_>>(), expected);
        assert!(passages.0.is_empty());
    }

    #[test]
    fn what_is_not_sampled_is_not_told_of() {
        let (tracer, spans) = Tracer::new(Ratio::ALL, 10);
        let mut passages = Passages::default();
        passages.begin(Seq::new(1), Seq::new(64));
        passages.dispatched(Seq::new(1), Seq::new(64), (3, 100), &tracer);
        assert!(spans.try_recv().is_err() && passages.0.capacity() == 0, "nothing was allocated");
    }

    #[test]
    fn what_was_passed_over_is_not_told_of() {
        let (tracer, spans) = Tracer::new(Ratio::ALL, 10);
        let mut passages = Passages::default();
        passages.add(vec![passage(1, 5), passage(6, 9)]);
        passages.forget_settled(Seq::new(5));
        passages.dispatched(Seq::new(6), Seq::new(9), (1, 4), &tracer);
        assert_eq!(spans.try_iter().count(), 1);
    }
}
