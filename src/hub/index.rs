//! From an event to the subscriptions it may match, without looking at the others.
//!
//! Terms are interned: a term that a thousand subscriptions share is tested once for each event. A term is found by the key of one of the
//! event's postings ([`Term::anchor`]); terms that start with a wild segment are tested for every event.
//!
//! A dispatch goes through terms and their subscriptions in steps, while subscriptions come and go. So it holds [`TermId`]s and copies of lists
//! of keys, never a place in a list: an id or a key may then lead to a newcomer, which its floor protects, but nobody is passed over.

use std::collections::HashMap;

use slab::Slab;
use smallvec::SmallVec;

use super::{Frame, stats::SELECTORS};
use crate::domain::{Anchor, Filter, Keys, SelectorKey, Term};

/// A subscription's key in its shard.
pub(crate) type SubKey = u32;
/// An interned term's key.
pub(crate) type TermId = u32;

#[derive(Debug)]
struct Interned {
    term: Term,
    subs: SmallVec<[SubKey; 4]>,
    /// Frames of the group under dispatch that it matches.
    mask: u64,
}

/// Who wants what.
#[derive(Debug, Default)]
pub(crate) struct Index {
    terms: Slab<Interned>,
    anchored: HashMap<SelectorKey, SmallVec<[TermId; 2]>>,
    wild: Vec<TermId>,
    everything: Vec<SubKey>,
    by_selector: [usize; SELECTORS.len()],
}

impl Index {
    pub(crate) fn insert(&mut self, filter: &Filter, sub: SubKey) {
        for (count, follows) in self.by_selector.iter_mut().zip(filter.follows()) {
            *count += usize::from(follows);
        }
        if filter.is_everything() {
            self.everything.push(sub);
        }
        for term in filter.terms() {
            match term.anchor() {
                Anchor::Key(key) => {
                    let ids = self.anchored.entry(key).or_default();
                    ids.extend(join(&mut self.terms, ids, term, sub));
                }
                Anchor::Everywhere => self.wild.extend(join(&mut self.terms, &self.wild, term, sub)),
            }
        }
    }

    pub(crate) fn remove(&mut self, filter: &Filter, sub: SubKey) {
        for (count, follows) in self.by_selector.iter_mut().zip(filter.follows()) {
            *count -= usize::from(follows);
        }
        if filter.is_everything() {
            if let Some(at) = self.everything.iter().position(|&s| s == sub) {
                self.everything.swap_remove(at);
            }
            // what ten thousand followed once must not hold their room for ever
            if self.everything.capacity() > 64 && self.everything.len() < self.everything.capacity() / 4 {
                self.everything.shrink_to(self.everything.len() * 2);
            }
        }
        for term in filter.terms() {
            match term.anchor() {
                Anchor::Key(key) => {
                    if let Some(ids) = self.anchored.get_mut(&key)
                        && let Some(at) = leave(&mut self.terms, ids, term, sub)
                    {
                        ids.swap_remove(at);
                        if ids.is_empty() {
                            self.anchored.remove(&key);
                        }
                    }
                }
                Anchor::Everywhere => {
                    if let Some(at) = leave(&mut self.terms, &self.wild, term, sub) {
                        self.wild.swap_remove(at);
                    }
                }
            }
        }
    }

    /// Adds the terms that the event of this frame may match to `tests`.
    pub(crate) fn candidates(&self, frame: &Frame, tests: &mut Vec<TermId>) {
        if !self.anchored.is_empty() {
            for key in frame.postings() {
                tests.extend(self.anchored.get(key).into_iter().flatten());
            }
        }
        tests.extend(&self.wild);
    }

    /// Tests a term against frame `bit` of a group, and marks it if it matches; says whether that is its first mark.
    pub(crate) fn mark(&mut self, id: TermId, keys: &Keys, bit: usize) -> bool {
        match self.terms.get_mut(id as usize) {
            Some(interned) if interned.term.matches(keys) => {
                interned.mask |= 1 << bit;
                interned.mask == 1 << bit
            }
            _ => false,
        }
    }

    /// Adds a term's subscriptions to `subs`, and returns its marks, which end.
    pub(crate) fn take_marked(&mut self, id: TermId, subs: &mut Vec<SubKey>) -> u64 {
        let Some(interned) = self.terms.get_mut(id as usize) else { return 0 };
        subs.extend(&interned.subs);
        std::mem::take(&mut interned.mask)
    }

    /// Who follows everything.
    pub(crate) fn everything(&self) -> &[SubKey] {
        &self.everything
    }

    /// How many distinct terms are followed.
    pub(crate) fn terms(&self) -> usize {
        self.terms.len()
    }

    /// Subscriptions by what they follow, in the order of [`SELECTORS`].
    pub(crate) fn by_selector(&self) -> [usize; SELECTORS.len()] {
        self.by_selector
    }

    /// Whether nobody follows anything: what dropping every subscription must lead to.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
            && self.anchored.is_empty()
            && self.wild.is_empty()
            && self.everything.is_empty()
            && self.by_selector == [0; SELECTORS.len()]
    }
}

/// The place among `ids` of a term.
fn find(terms: &Slab<Interned>, ids: &[TermId], term: &Term) -> Option<usize> {
    ids.iter().position(|&id| terms.get(id as usize).is_some_and(|interned| interned.term == *term))
}

/// Adds a subscription to a term; a term that is not among `ids` is interned, and its id returned.
fn join(terms: &mut Slab<Interned>, ids: &[TermId], term: &Term, sub: SubKey) -> Option<TermId> {
    if let Some(interned) = find(terms, ids, term).and_then(|at| terms.get_mut(ids[at] as usize)) {
        interned.subs.push(sub);
        return None;
    }
    let id = terms.insert(Interned { term: term.clone(), subs: SmallVec::from_slice(&[sub]), mask: 0 });
    Some(u32::try_from(id).expect("connections times selectors stay below 2^32"))
}

/// Takes a subscription from a term; one that nobody follows any more is forgotten, and its place among `ids` returned.
fn leave(terms: &mut Slab<Interned>, ids: &[TermId], term: &Term, sub: SubKey) -> Option<usize> {
    let at = find(terms, ids, term)?;
    let interned = terms.get_mut(ids[at] as usize)?;
    if let Some(at) = interned.subs.iter().position(|&s| s == sub) {
        interned.subs.swap_remove(at);
    }
    if interned.subs.is_empty() {
        terms.remove(ids[at] as usize);
        return Some(at);
    }
    if interned.subs.capacity() > 64 && interned.subs.len() < interned.subs.capacity() / 4 {
        interned.subs.shrink_to_fit();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Envelope, Epoch, Event, EventType, FilterParts, Pattern, Seq, StreamId, Timestamp, Topic, UserId};

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

    fn frame(keys: &Keys) -> Arc<Frame> {
        let envelope = Envelope::assemble("{", "null");
        Frame::new(Event { seq: Seq::new(1), received_at: Timestamp::from_micros(0), envelope, keys: keys.clone() }, Epoch::new(1), None)
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
                let (mut tests, mut found) = (Vec::new(), index.everything().to_vec());
                index.candidates(&frame(keys), &mut tests);
                tests.retain(|&id| index.mark(id, keys, 3));
                for id in tests {
                    prop_assert_eq!(index.take_marked(id, &mut found), 1 << 3);
                }
                let mut found: BTreeSet<SubKey> = found.into_iter().collect();
                found.retain(|&sub| filters[sub as usize].keeps_type(keys));
                let expected: BTreeSet<SubKey> = (0..filters.len()).filter(|&key| !gone[key] && filters[key].matches(keys)).map(|key| key as SubKey).collect();
                prop_assert_eq!(found, expected);
            }
            for (key, filter) in filters.iter().enumerate().filter(|(key, _)| !gone[*key]) {
                index.remove(filter, key as SubKey);
            }
            prop_assert!(index.is_empty());
        }
    }
}
