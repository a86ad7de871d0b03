//! Patterns by segment: which of them select a name, without looking at the others.
//!
//! A name takes at most two ways on at each segment, the literal one and `*`. So what a look-up visits is bounded by the name's length, however
//! many patterns there are, and it finds those that select the name and no other. Nothing is as deep as the recursion here but a pattern, and
//! a pattern has at most [`MAX_SEGMENTS`](crate::domain::MAX_SEGMENTS).

use std::collections::HashMap;

use super::{TermId, is_mostly_room};
use crate::domain::Pattern;

/// The terms of one kind of name.
#[derive(Debug, Default)]
pub(super) struct Trie(Node);

/// What follows one way to get here. Most are leaves, and small.
#[derive(Debug, Default)]
struct Node {
    /// The term that ends here.
    exact: Option<TermId>,
    /// The term that ends here with `**`.
    rest: Option<TermId>,
    below: Option<Box<Below>>,
}

/// The next segment; never empty for longer than a call.
#[derive(Debug, Default)]
struct Below {
    literal: HashMap<Box<str>, Node>,
    /// Behind `*`.
    any: Node,
}

impl Trie {
    /// The term of a pattern.
    pub(super) fn get(&self, pattern: &Pattern) -> Option<TermId> {
        let mut node = &self.0;
        for segment in pattern.segments() {
            if segment == "**" {
                return node.rest;
            }
            let below = node.below.as_deref()?;
            node = if segment == "*" { &below.any } else { below.literal.get(segment)? };
        }
        node.exact
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, id: TermId) {
        let mut node = &mut self.0;
        for segment in pattern.segments() {
            if segment == "**" {
                node.rest = Some(id);
                return;
            }
            let below = node.below.get_or_insert_default();
            node = if segment == "*" { &mut below.any } else { below.literal.entry(segment.into()).or_default() };
        }
        node.exact = Some(id);
    }

    pub(super) fn remove(&mut self, pattern: &Pattern) {
        self.0.remove(pattern.segments());
    }

    /// Adds the terms that select a name to `found`, each once; returns how many nodes it looked at.
    pub(super) fn select(&self, name: &str, found: &mut Vec<TermId>) -> usize {
        self.0.select(name.split('.'), found)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.exact.is_none() && self.rest.is_none() && self.below.is_none()
    }

    fn select<'a>(&self, mut segments: impl Iterator<Item = &'a str> + Clone, found: &mut Vec<TermId>) -> usize {
        if self.is_empty() {
            return 0;
        }
        let Some(segment) = segments.next() else {
            found.extend(self.exact);
            return 1;
        };
        found.extend(self.rest);
        let Some(below) = &self.below else { return 1 };
        let literal = below.literal.get(segment).map_or(0, |node| node.select(segments.clone(), found));
        1 + literal + below.any.select(segments, found)
    }

    /// Forgets the term of a pattern, and the ways that led to nothing else.
    fn remove<'a>(&mut self, mut segments: impl Iterator<Item = &'a str>) {
        let segment = match segments.next() {
            None => return self.exact = None,
            Some("**") => return self.rest = None,
            Some(segment) => segment,
        };
        let Some(below) = &mut self.below else { return };
        if segment == "*" {
            below.any.remove(segments);
        } else if let Some(node) = below.literal.get_mut(segment) {
            node.remove(segments);
            if node.is_empty() {
                below.literal.remove(segment);
                // as with everything else that many followed once
                if is_mostly_room(below.literal.len(), below.literal.capacity()) {
                    below.literal.shrink_to(below.literal.len() * 2);
                }
            }
        }
        if below.literal.is_empty() && below.any.is_empty() {
            self.below = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(patterns: impl IntoIterator<Item = String>) -> Trie {
        let mut trie = Trie::default();
        for (id, pattern) in patterns.into_iter().enumerate() {
            trie.insert(&Pattern::parse(&pattern).expect("well formed"), id as TermId);
        }
        trie
    }

    fn looks(trie: &Trie, name: &str) -> (usize, usize) {
        let mut found = Vec::new();
        (trie.select(name, &mut found), found.len())
    }

    #[test]
    fn patterns_that_do_not_select_a_name_do_not_lengthen_its_way() {
        let shapes = ["market.*.N.**", "market.*.N", "*.price.N.**", "*.*.N", "*.*.*.N", "market.price.N.**", "N.**", "*.N"];
        let of = |count: usize| trie((0..count).flat_map(|n| shapes.map(|shape| shape.replace('N', &format!("other-{n}")))));
        assert_eq!(looks(&of(1), "market.price.mine.moved"), looks(&of(10_000), "market.price.mine.moved"));
        assert_eq!(looks(&of(10_000), "market.price.other-7.moved").1, 3);
    }

    #[test]
    fn whatever_patterns_there_are_the_longest_name_visits_at_most_511_nodes() {
        let shape = |bits: usize| (0..8).map(|bit| if bits >> bit & 1 == 0 { "a" } else { "*" }).collect::<Vec<_>>().join(".");
        let others = (0..10_000).map(|n| format!("*.a.*.a.*.a.*.other-{n}"));
        assert_eq!(looks(&trie((0..256).map(shape).chain(others)), "a.a.a.a.a.a.a.a"), (511, 256));
    }
}
