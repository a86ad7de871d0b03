//! From an event to the subscriptions it may match, without looking at the others.
//!
//! Terms are interned: a term that a thousand subscriptions share is tested once for each event. A term is found by the key of one of the
//! event's postings ([`Term::anchor`]); terms that start with a wild segment are tested for every event.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::domain::{Anchor, Filter, Keys, SelectorKey, Term};

/// A subscription's key in its shard.
pub(crate) type SubKey = u32;

#[derive(Debug)]
struct Interned {
    term: Term,
    subs: Vec<SubKey>,
}

/// Who wants what.
#[derive(Debug, Default)]
pub(crate) struct Index {
    anchored: HashMap<SelectorKey, SmallVec<[Interned; 1]>>,
    wild: Vec<Interned>,
    everything: Vec<SubKey>,
}

impl Index {
    pub(crate) fn insert(&mut self, filter: &Filter, sub: SubKey) {
        if filter.is_everything() {
            self.everything.push(sub);
        }
        for term in filter.terms() {
            match term.anchor() {
                Anchor::Key(key) => {
                    let terms = self.anchored.entry(key).or_default();
                    match terms.iter_mut().find(|interned| interned.term == *term) {
                        Some(interned) => interned.subs.push(sub),
                        None => terms.push(Interned { term: term.clone(), subs: vec![sub] }),
                    }
                }
                Anchor::Everywhere => match self.wild.iter_mut().find(|interned| interned.term == *term) {
                    Some(interned) => interned.subs.push(sub),
                    None => self.wild.push(Interned { term: term.clone(), subs: vec![sub] }),
                },
            }
        }
    }

    pub(crate) fn remove(&mut self, filter: &Filter, sub: SubKey) {
        fn forget(subs: &mut Vec<SubKey>, sub: SubKey) {
            if let Some(at) = subs.iter().position(|&s| s == sub) {
                subs.swap_remove(at);
            }
            // a filter that ten thousand had once must not hold their room for ever
            if subs.capacity() > 64 && subs.len() < subs.capacity() / 4 {
                subs.shrink_to(subs.len() * 2);
            }
        }
        if filter.is_everything() {
            forget(&mut self.everything, sub);
        }
        for term in filter.terms() {
            match term.anchor() {
                Anchor::Key(key) => {
                    if let Some(terms) = self.anchored.get_mut(&key) {
                        terms.iter_mut().filter(|interned| interned.term == *term).for_each(|interned| forget(&mut interned.subs, sub));
                        terms.retain(|interned| !interned.subs.is_empty());
                        if terms.is_empty() {
                            self.anchored.remove(&key);
                        }
                    }
                }
                Anchor::Everywhere => {
                    self.wild.iter_mut().filter(|interned| interned.term == *term).for_each(|interned| forget(&mut interned.subs, sub));
                    self.wild.retain(|interned| !interned.subs.is_empty());
                }
            }
        }
    }

    /// Calls `found` for each subscription that has a term which the event matches, once for each such term.
    pub(crate) fn candidates(&self, keys: &Keys, mut found: impl FnMut(SubKey)) {
        self.everything.iter().copied().for_each(&mut found);
        let mut hit = |interned: &Interned| {
            if interned.term.matches(keys) {
                interned.subs.iter().copied().for_each(&mut found);
            }
        };
        if !self.anchored.is_empty() {
            for key in keys.postings() {
                self.anchored.get(&key).into_iter().flatten().for_each(&mut hit);
            }
        }
        self.wild.iter().for_each(&mut hit);
    }

    /// How many distinct terms are followed.
    pub(crate) fn terms(&self) -> usize {
        self.anchored.values().map(SmallVec::len).sum::<usize>() + self.wild.len()
    }

    /// Whether nobody follows anything: what dropping every subscription must lead to.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.anchored.is_empty() && self.wild.is_empty() && self.everything.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{EventType, FilterParts, Pattern, StreamId, Topic, UserId};

    const SEGMENTS: [&str; 3] = ["a", "b", "c"];

    fn name() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(SEGMENTS.to_vec()), 1..4).prop_map(|s| s.join("."))
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        let segment = prop::sample::select(vec!["a", "b", "c", "*"]);
        (prop::collection::vec(segment, 1..3), any::<bool>()).prop_map(|(mut segments, rest)| {
            if rest {
                segments.push("**");
            }
            Pattern::parse(&segments.join(".")).expect("well formed")
        })
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let ids = || prop::collection::vec(prop::sample::select(SEGMENTS.to_vec()), 0..2);
        (ids(), ids(), prop::collection::vec(pattern(), 0..2), prop::collection::vec(pattern(), 0..2), prop::bool::weighted(0.2)).prop_map(
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

    proptest! {
        #[test]
        fn the_index_finds_exactly_what_a_naive_matcher_finds(filters in prop::collection::vec(filter(), 1..8), events in prop::collection::vec(keys(), 1..8), gone in prop::collection::vec(any::<bool>(), 8)) {
            let mut index = Index::default();
            for (key, filter) in filters.iter().enumerate() {
                index.insert(filter, key as SubKey);
            }
            for (key, filter) in filters.iter().enumerate().filter(|(key, _)| gone[*key]) {
                index.remove(filter, key as SubKey);
            }
            for keys in &events {
                let mut found = BTreeSet::new();
                index.candidates(keys, |sub| { found.insert(sub); });
                found.retain(|&sub| filters[sub as usize].keeps_type(keys));
                let expected: BTreeSet<SubKey> = (0..filters.len()).filter(|&key| !gone[key] && filters[key].matches(keys)).map(|key| key as SubKey).collect();
                prop_assert_eq!(found, expected);
            }
            for (key, filter) in filters.iter().enumerate() {
                index.remove(filter, key as SubKey);
            }
            prop_assert!(index.is_empty());
        }
    }
}
