//! What a shard tells of sampled commits, when the log is not what it was.

use std::sync::Arc;

use super::{
    super::{Frame, Settings, shard::Update},
    crowd::Crowd,
};
use crate::{
    domain::Seq,
    trace::{Passage, Ratio, Spans, TraceContext, Tracer},
};

/// A crowd that was told of the first half of a sampled commit of ten events.
fn halfway(ratio: Ratio) -> (Crowd, Spans) {
    let (tracer, spans) = Tracer::new(ratio, 10);
    let mut crowd = Crowd::with(Settings { tracer, ..Settings::default() });
    crowd.update(None);
    crowd.publish(5);
    let epoch = crowd.model.chain().current();
    let frames = crowd.model.events.iter().map(|event| Frame::new(event.clone(), epoch, None)).collect();
    let passage = Passage { context: TraceContext::begin(|_| true), state: None, first: 1, last: 10 };
    crowd.shard.on_update(Update {
        chain: Arc::new(crowd.model.chain()),
        earliest: Seq::new(1),
        fork: None,
        before: Seq::new(0),
        frames,
        passages: vec![Arc::new(passage)],
    });
    crowd.told = 5;
    crowd.rest();
    assert!(spans.try_recv().is_err(), "not over yet");
    (crowd, spans)
}

#[test]
fn a_commit_is_told_of_when_its_last_event_was_dispatched() {
    let (mut crowd, spans) = halfway(Ratio::ALL);
    crowd.publish(5);
    crowd.update(None);
    crowd.rest();
    assert_eq!(spans.try_iter().count(), 1);
}

#[test]
fn the_events_of_another_numbering_are_no_part_of_an_old_commit() {
    let (mut crowd, spans) = halfway(Ratio::ALL);
    crowd.model.events.truncate(2);
    crowd.model.open_epoch();
    crowd.publish(10);
    crowd.update(Some(2));
    crowd.rest();
    assert_eq!((crowd.model.head().get(), spans.try_iter().count()), (12, 0));
}

#[test]
fn nobody_follows_a_commit_where_no_spans_are_wanted() {
    let (mut crowd, spans) = halfway(Ratio::NONE);
    crowd.publish(5);
    crowd.update(None);
    crowd.rest();
    assert_eq!(spans.try_iter().count(), 0);
}
