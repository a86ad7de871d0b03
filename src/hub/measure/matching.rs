//! An index of many filters, and one event against it.

use crate::{
    domain::Filter,
    hub::{
        Frame,
        index::{Index, SubKey, TermId},
    },
};

/// An index, and nobody behind it.
#[derive(Debug)]
pub struct Matching {
    index: Index,
    tests: Vec<TermId>,
    marked: Vec<TermId>,
    subs: Vec<SubKey>,
    next: SubKey,
}

impl Matching {
    /// An index of one subscription for each filter.
    pub fn of(filters: impl IntoIterator<Item = Filter>) -> Self {
        let mut this = Self { index: Index::default(), tests: Vec::new(), marked: Vec::new(), subs: Vec::new(), next: 0 };
        for filter in filters {
            this.index.insert(&filter, this.next);
            this.next += 1;
        }
        this
    }

    /// How many subscriptions an event may have to be offered to.
    pub fn candidates(&mut self, frame: &Frame) -> usize {
        self.index.candidates(frame, &mut self.tests);
        while let Some(term) = self.tests.pop() {
            if self.index.mark(term, &frame.event().keys, 0) {
                self.marked.push(term);
            }
        }
        self.subs.clear();
        while let Some(term) = self.marked.pop() {
            self.index.take_marked(term, &mut self.subs);
        }
        self.subs.extend(self.index.everything());
        std::hint::black_box(&self.subs).len()
    }

    /// One more subscription comes, and goes again.
    pub fn visit(&mut self, filter: &Filter) {
        self.index.insert(filter, self.next);
        self.index.remove(filter, self.next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{FilterParts, StreamId},
        hub::measure::{event, frame},
    };

    #[test]
    fn of_many_on_distinct_streams_one_is_a_candidate_whoever_visits() {
        let on = |stream: String| Filter::new(FilterParts { streams: vec![StreamId::new(stream)], ..FilterParts::default() }, 9);
        let mut matching = Matching::of((0..100).map(|n| on(n.to_string()).expect("filter")));
        matching.visit(&on("7".to_owned()).expect("filter"));
        assert_eq!(matching.candidates(&frame(event(1, "7", 64))), 1);
        assert_eq!(matching.candidates(&frame(event(1, "nobody's", 64))), 0);
    }
}
