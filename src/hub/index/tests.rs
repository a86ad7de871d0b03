//! The index against a matcher that looks at everything.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::domain::{Envelope, Epoch, Event, EventType, FilterParts, MAX_SEGMENTS, Seq, StreamId, Timestamp, Topic, UserId};

const SEGMENTS: [&str; 3] = ["a", "b", "c"];

/// Most are short, so that many match; some are as deep as they may be.
fn depth() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 1..4usize, 1 => 4..=MAX_SEGMENTS]
}

fn name() -> impl Strategy<Value = String> {
    depth().prop_flat_map(|depth| prop::collection::vec(prop::sample::select(vec!["a", "a", "b", "c"]), depth).prop_map(|s| s.join(".")))
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let segments = |depth| prop::collection::vec(prop::sample::select(vec!["a", "a", "b", "c", "*", "*", "*"]), depth);
    (depth().prop_flat_map(segments), any::<bool>()).prop_map(|(mut segments, rest)| {
        if rest {
            segments.pop();
            segments.push("**");
        }
        Pattern::parse(&segments.join(".")).expect("well formed")
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let ids = || prop::collection::vec(prop::sample::select(SEGMENTS.to_vec()), 0..2);
    (ids(), ids(), prop::collection::vec(pattern(), 0..4), prop::collection::vec(pattern(), 0..3), prop::bool::weighted(0.1)).prop_map(
        |(streams, users, topics, types, all)| {
            let parts = FilterParts {
                streams: streams.into_iter().map(StreamId::new).collect(),
                users: users.into_iter().map(UserId::new).collect(),
                topics,
                types,
                all,
            };
            Filter::new(parts, 100).unwrap_or_else(|_| Filter::everything())
        },
    )
}

fn keys() -> impl Strategy<Value = Keys> {
    let ids = || prop::collection::vec(prop::sample::select(SEGMENTS.to_vec()), 0..3);
    (name(), ids(), ids(), prop::collection::vec(name(), 0..3)).prop_map(|(event_type, streams, users, topics)| Keys {
        event_type: EventType::new(event_type),
        streams: streams.into_iter().map(StreamId::new).collect(),
        users: users.into_iter().map(UserId::new).collect(),
        topics: topics.into_iter().map(Topic::new).collect(),
    })
}

fn frame(keys: &Keys) -> Arc<Frame> {
    let envelope = Envelope::assemble("{", "null");
    Frame::new(Event { seq: Seq::new(1), received_at: Timestamp::from_micros(0), envelope, keys: keys.clone() }, Epoch::new(1), None)
}

/// Filters, the order in which they leave, and how many have left when the events come.
fn audience() -> impl Strategy<Value = (Vec<Filter>, Vec<usize>, usize)> {
    prop::collection::vec(filter(), 1..16).prop_flat_map(|filters| {
        let order: Vec<usize> = (0..filters.len()).collect();
        let gone = 0..filters.len();
        (Just(filters), Just(order).prop_shuffle(), gone)
    })
}

proptest! {
    #[test]
    fn the_index_finds_exactly_what_a_naive_matcher_finds((filters, order, gone) in audience(), events in prop::collection::vec(keys(), 1..8)) {
        let mut index = Index::default();
        for (key, filter) in filters.iter().enumerate() {
            index.insert(filter, key as SubKey);
        }
        let (gone, stay) = order.split_at(gone);
        for &key in gone {
            index.remove(&filters[key], key as SubKey);
        }
        for keys in &events {
            let (mut tests, mut found) = (Vec::new(), index.everything().to_vec());
            index.candidates(&frame(keys), &mut tests);
            let candidates: BTreeSet<TermId> = tests.iter().copied().collect();
            tests.retain(|&id| index.mark(id, keys, 3));
            prop_assert_eq!(tests.len(), candidates.len(), "each is marked, and once");
            for id in tests {
                prop_assert_eq!(index.take_marked(id, &mut found), 1 << 3);
            }
            let mut found: BTreeSet<SubKey> = found.into_iter().collect();
            found.retain(|&sub| filters[sub as usize].keeps_type(keys));
            let expected: BTreeSet<SubKey> = stay.iter().filter(|&&key| filters[key].matches(keys)).map(|&key| key as SubKey).collect();
            prop_assert_eq!(found, expected);
        }
        for &key in stay {
            index.remove(&filters[key], key as SubKey);
        }
        prop_assert!(index.is_empty());
    }
}
