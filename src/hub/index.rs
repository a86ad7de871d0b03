//! From an event to the subscriptions it may match, without looking at the others.
//!
//! Terms are interned: a term that a thousand subscriptions share is tested once for each event. Streams and users are found by key, patterns
//! by the segments of the event's topics and type. **An event costs what its own names and its matches cost, however many terms do not match**
//! (`an_event_among_patterns_that_do_not_match_costs_what_it_does_among_few`). Whatever is found is tested: keys are digests, and
//! [`Term::matches`] alone decides.
//!
//! A dispatch goes through terms and their subscriptions in steps, while subscriptions come and go. So it holds [`TermId`]s and copies of lists
//! of keys, never a place in a list: an id or a key may then lead to a newcomer, which its floor protects, but nobody is passed over.

#[cfg(test)]
mod tests;
mod trie;

use std::collections::HashMap;

use slab::Slab;
use smallvec::SmallVec;

use self::trie::Trie;
use super::{Frame, stats::SELECTORS};
use crate::domain::{Filter, Keys, Pattern, SelectorKey, Term};

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

/// Where a term is found.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    Id(SelectorKey),
    Topic(&'a Pattern),
    Type(&'a Pattern),
}

impl<'a> Place<'a> {
    fn of(term: &'a Term) -> Self {
        match term {
            Term::Stream(id) => Self::Id(SelectorKey::stream(id)),
            Term::User(id) => Self::Id(SelectorKey::user(id)),
            Term::Topic(pattern) => Self::Topic(pattern),
            Term::Type(pattern) => Self::Type(pattern),
        }
    }
}

/// Who wants what.
#[derive(Debug, Default)]
pub(crate) struct Index {
    terms: Slab<Interned>,
    /// Streams and users. Two may share a key.
    ids: HashMap<SelectorKey, SmallVec<[TermId; 2]>>,
    topics: Trie,
    types: Trie,
    everything: SmallVec<[SubKey; 4]>,
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
            let place = Place::of(term);
            let known = self.find(place, term);
            if let Some(interned) = known.and_then(|id| self.terms.get_mut(id as usize)) {
                interned.subs.push(sub);
                continue;
            }
            let id = self.terms.insert(Interned { term: term.clone(), subs: SmallVec::from_slice(&[sub]), mask: 0 });
            let id = u32::try_from(id).expect("connections times selectors stay below 2^32");
            match place {
                Place::Id(key) => self.ids.entry(key).or_default().push(id),
                Place::Topic(pattern) => self.topics.insert(pattern, id),
                Place::Type(pattern) => self.types.insert(pattern, id),
            }
        }
    }

    /// Returns how many places it looked at.
    pub(crate) fn remove(&mut self, filter: &Filter, sub: SubKey) -> usize {
        let mut looks = filter.terms().len();
        for (count, follows) in self.by_selector.iter_mut().zip(filter.follows()) {
            *count -= usize::from(follows);
        }
        if filter.is_everything() {
            looks += leave(&mut self.everything, sub);
        }
        for term in filter.terms() {
            let place = Place::of(term);
            let Some(id) = self.find(place, term) else { continue };
            let Some(interned) = self.terms.get_mut(id as usize) else { continue };
            looks += leave(&mut interned.subs, sub);
            if !interned.subs.is_empty() {
                continue;
            }
            self.terms.remove(id as usize);
            match place {
                Place::Id(key) => self.forget(key, id),
                Place::Topic(pattern) => self.topics.remove(pattern),
                Place::Type(pattern) => self.types.remove(pattern),
            }
        }
        if self.terms.is_empty() {
            // its room as well
            self.terms = Slab::new();
        }
        looks
    }

    fn find(&self, place: Place<'_>, term: &Term) -> Option<TermId> {
        match place {
            Place::Id(key) => {
                let is_it = |id: &&TermId| self.terms.get(**id as usize).is_some_and(|interned| interned.term == *term);
                self.ids.get(&key)?.iter().find(is_it).copied()
            }
            Place::Topic(pattern) => self.topics.get(pattern),
            Place::Type(pattern) => self.types.get(pattern),
        }
    }

    fn forget(&mut self, key: SelectorKey, id: TermId) {
        if let Some(ids) = self.ids.get_mut(&key) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.ids.remove(&key);
            }
        }
        if is_mostly_room(self.ids.len(), self.ids.capacity()) {
            self.ids.shrink_to(self.ids.len() * 2);
        }
    }

    /// Adds the terms that the event of this frame may match to `tests`, some more than once; returns how many nodes of patterns it looked at.
    pub(crate) fn candidates(&self, frame: &Frame, tests: &mut Vec<TermId>) -> usize {
        if !self.ids.is_empty() {
            for key in frame.ids() {
                tests.extend(self.ids.get(key).into_iter().flatten());
            }
        }
        let keys = &frame.event().keys;
        let looks: usize = keys.topics.iter().map(|topic| self.topics.select(topic.as_str(), tests)).sum();
        looks + self.types.select(keys.event_type.as_str(), tests)
    }

    /// Tests a term against frame `bit` of a group, and marks it if it matches; says whether that is its first mark.
    pub(crate) fn mark(&mut self, id: TermId, keys: &Keys, bit: usize) -> bool {
        match self.terms.get_mut(id as usize) {
            // a pattern may select several of the event's topics: it is tested once
            Some(interned) if interned.mask & 1 << bit == 0 && interned.term.matches(keys) => {
                let is_first = interned.mask == 0;
                interned.mask |= 1 << bit;
                is_first
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
            && self.ids.is_empty()
            && self.topics.is_empty()
            && self.types.is_empty()
            && self.everything.is_empty()
            && self.by_selector == [0; SELECTORS.len()]
    }
}

/// Takes a subscription from a list of them; how many entries it looked at, sixteen at a time.
fn leave(subs: &mut SmallVec<[SubKey; 4]>, sub: SubKey) -> usize {
    let at = subs.iter().position(|&s| s == sub);
    if let Some(at) = at {
        subs.swap_remove(at);
    }
    if is_mostly_room(subs.len(), subs.capacity()) {
        subs.shrink_to_fit();
    }
    at.unwrap_or(subs.len()) / 16
}

/// What ten thousand followed once must not hold their room for ever.
fn is_mostly_room(len: usize, capacity: usize) -> bool {
    capacity > 64 && len < capacity / 4
}
