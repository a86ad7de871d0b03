//! What a subscription asks for.

use smallvec::SmallVec;

use super::{Keys, NameError, Pattern, SelectorKey, StreamId, Term, UserId};

/// Any of the selectors, narrowed by the types; types alone select by themselves; `all` is everything, narrowed by the types.
///
/// Kept in a normal form (sorted, each once), so that equal questions are equal values and identical reads can be shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    all: bool,
    terms: Box<[Term]>,
    types: Box<[Pattern]>,
}

/// Why a filter can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Neither streams, users, topics, types nor all.
    #[error("ask for at least one of streams, users, topics, types, or all=true")]
    Empty,
    /// More selectors than the limit.
    #[error("at most {max} selectors are allowed, {found} were given")]
    TooMany {
        /// The limit.
        max: usize,
        /// What was asked.
        found: usize,
    },
    /// A selector that breaks the grammar.
    #[error("{parameter}: {error}")]
    Selector {
        /// The query parameter.
        parameter: &'static str,
        /// The rule.
        error: NameError,
    },
}

/// A filter's parts before they are one; what the query parameters of the same names hold.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Streams to follow.
    pub streams: Vec<StreamId>,
    /// Users to follow.
    pub users: Vec<UserId>,
    /// Topics to follow.
    pub topics: Vec<Pattern>,
    /// Types to keep.
    pub types: Vec<Pattern>,
    /// Everything.
    pub all: bool,
}

impl Filter {
    /// The most selectors of a filter unless configured otherwise.
    pub const DEFAULT_MAX_SELECTORS: usize = 100;

    /// Every event.
    #[must_use]
    pub fn everything() -> Self {
        Self { all: true, terms: Box::default(), types: Box::default() }
    }

    /// Builds a filter of at most `max` selectors.
    ///
    /// # Errors
    /// [`FilterError::Empty`] when nothing is asked for, [`FilterError::TooMany`] above `max`.
    pub fn new(parts: Parts, max: usize) -> Result<Self, FilterError> {
        let Parts { streams, users, topics, mut types, all } = parts;
        let found = streams.len() + users.len() + topics.len() + types.len();
        if found > max {
            return Err(FilterError::TooMany { max, found });
        }
        types.sort_unstable();
        types.dedup();
        let mut terms: Vec<Term> = Vec::new();
        if !all {
            terms.extend(streams.into_iter().map(Term::Stream));
            terms.extend(users.into_iter().map(Term::User));
            terms.extend(topics.into_iter().map(Term::Topic));
        }
        if terms.is_empty() {
            match (all, types.is_empty()) {
                (false, true) => return Err(FilterError::Empty),
                (true, true) => return Ok(Self::everything()),
                // types alone, or `all` narrowed by types: the types are the selectors
                (_, false) => terms.extend(types.drain(..).map(Term::Type)),
            }
        }
        terms.sort_unstable();
        terms.dedup();
        Ok(Self { all: false, terms: terms.into(), types: types.into() })
    }

    /// Whether it asks for every event.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.all
    }

    /// The alternatives; empty when it asks for everything.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The one predicate: whether an event with these keys is asked for.
    #[must_use]
    pub fn matches(&self, keys: &Keys) -> bool {
        (self.all || self.terms.iter().any(|term| term.matches(keys))) && self.keeps_type(keys)
    }

    /// How many patterns and names [`Filter::matches`] compares at most for an event with these keys: what a test costs.
    #[must_use]
    pub fn comparisons(&self, keys: &Keys) -> usize {
        1 + self.terms.len() * keys.topics.len().max(1) + self.types.len()
    }

    /// How many patterns narrow by type.
    #[must_use]
    pub fn narrowing(&self) -> usize {
        self.types.len()
    }

    /// Whether the narrowing by type, if any, lets the event through.
    #[must_use]
    pub fn keeps_type(&self, keys: &Keys) -> bool {
        self.types.is_empty() || self.types.iter().any(|pattern| pattern.matches(keys.event_type.as_str()))
    }

    /// The keys among whose postings every match is found, sorted, each once; `None` when a match can be anywhere.
    #[must_use]
    pub fn anchors(&self) -> Option<SmallVec<[SelectorKey; 4]>> {
        if self.all {
            return None;
        }
        let mut keys: SmallVec<[SelectorKey; 4]> = self.terms.iter().map(Term::anchor).collect::<Option<_>>()?;
        keys.sort_unstable();
        keys.dedup();
        Some(keys)
    }

    /// Whether it follows all, streams, users, topics, types, in this order.
    #[must_use]
    pub fn follows(&self) -> [bool; 5] {
        let any = |kind: fn(&Term) -> bool| self.terms.iter().any(kind);
        [
            self.all,
            any(|term| matches!(term, Term::Stream(_))),
            any(|term| matches!(term, Term::User(_))),
            any(|term| matches!(term, Term::Topic(_))),
            !self.types.is_empty() || any(|term| matches!(term, Term::Type(_))),
        ]
    }

    /// The part of it that lies within `visible`: everything, and types alone, become the visible terms, narrowed by the types.
    ///
    /// # Errors
    /// The first term that none of `visible` covers; `None` when nothing is visible at all.
    pub fn within(self, visible: &[Term]) -> Result<Self, Option<Term>> {
        if visible.is_empty() && self.all {
            return Err(None);
        }
        let types_alone = self.terms.iter().all(|term| matches!(term, Term::Type(_)));
        if types_alone && !visible.is_empty() {
            let types = self.terms.iter().filter_map(|term| if let Term::Type(pattern) = term { Some(pattern.clone()) } else { None });
            let mut terms = visible.to_vec();
            terms.sort_unstable();
            terms.dedup();
            return Ok(Self { all: false, terms: terms.into(), types: types.collect() });
        }
        match self.terms.iter().find(|term| !visible.iter().any(|seen| seen.covers(term))) {
            Some(term) => Err(Some(term.clone())),
            None => Ok(self),
        }
    }

    /// The filter as it is told to its owner: lists by parameter name.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let mut parts = Parts { all: self.all, types: self.types.to_vec(), ..Parts::default() };
        for term in &self.terms {
            match term {
                Term::Stream(id) => parts.streams.push(id.clone()),
                Term::User(id) => parts.users.push(id.clone()),
                Term::Topic(pattern) => parts.topics.push(pattern.clone()),
                Term::Type(pattern) => parts.types.push(pattern.clone()),
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EventType, Topic};

    fn keys(event_type: &str, streams: &[&str], topics: &[&str]) -> Keys {
        Keys {
            event_type: EventType::new(event_type),
            streams: streams.iter().map(|s| StreamId::new(*s)).collect(),
            users: Box::default(),
            topics: topics.iter().map(|s| Topic::new(*s)).collect(),
        }
    }

    fn types(patterns: &[&str]) -> Vec<Pattern> {
        patterns.iter().map(|p| Pattern::parse(p).expect("pattern")).collect()
    }

    #[test]
    fn types_narrow_selectors_and_select_when_they_stand_alone() {
        let narrowed =
            Filter::new(Parts { streams: vec![StreamId::new("1")], types: types(&["stream.*"]), ..Parts::default() }, 9).expect("filter");
        assert!(narrowed.matches(&keys("stream.created", &["1"], &[])));
        assert!(!narrowed.matches(&keys("stream.created", &["2"], &[])));
        assert!(!narrowed.matches(&keys("pot.created", &["1"], &[])));
        let alone = Filter::new(Parts { types: types(&["stream.*"]), ..Parts::default() }, 9).expect("filter");
        assert!(alone.matches(&keys("stream.created", &["2"], &[])));
        assert!(!alone.matches(&keys("pot.created", &["2"], &[])));
        let all = Filter::new(Parts { all: true, types: types(&["stream.*"]), ..Parts::default() }, 9).expect("filter");
        assert_eq!(all, alone);
    }

    #[test]
    fn every_match_is_posted_under_one_of_the_anchors() {
        let event = keys("market.price.moved", &["1"], &["market.price.CF1-001"]);
        for topic in ["market.price.CF1-001", "market.**", "market.*.CF1-001", "market.price.*"] {
            let filter = Filter::new(Parts { topics: types(&[topic]), ..Parts::default() }, 9).expect("filter");
            assert!(filter.matches(&event), "{topic}");
            let anchors = filter.anchors().expect("anchored");
            assert!(anchors.iter().any(|key| event.postings().contains(key)), "{topic}");
        }
        let wild = Filter::new(Parts { topics: types(&["*.price.CF1-001"]), ..Parts::default() }, 9).expect("filter");
        assert!(wild.matches(&event));
        assert_eq!(wild.anchors(), None);
    }

    #[test]
    fn equal_questions_are_equal_filters() {
        let ab = Filter::new(Parts { streams: vec![StreamId::new("a"), StreamId::new("b")], ..Parts::default() }, 9);
        let bab = Filter::new(Parts { streams: vec![StreamId::new("b"), StreamId::new("a"), StreamId::new("b")], ..Parts::default() }, 9);
        assert_eq!(ab, bab);
        assert_eq!(Filter::new(Parts::default(), 9), Err(FilterError::Empty));
    }
}
