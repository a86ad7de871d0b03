//! An index of many filters, and one event against it.

use crate::{
    domain::{Filter, Keys},
    hub::index::{Index, SubKey},
};

/// An index, and nobody behind it.
#[derive(Debug)]
pub struct Matching {
    index: Index,
    next: SubKey,
}

impl Matching {
    /// An index of one subscription for each filter.
    pub fn of(filters: impl IntoIterator<Item = Filter>) -> Self {
        let mut this = Self { index: Index::default(), next: 0 };
        for filter in filters {
            this.index.insert(&filter, this.next);
            this.next += 1;
        }
        this
    }

    /// How many candidates an event with these keys has.
    #[must_use]
    pub fn candidates(&self, keys: &Keys) -> u64 {
        let mut found = 0;
        self.index.candidates(keys, |sub| {
            // looked at, or a long list would be counted by its length
            std::hint::black_box(sub);
            found += 1;
        });
        found
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
        hub::measure::event,
    };

    #[test]
    fn of_many_on_distinct_streams_one_is_a_candidate_whoever_visits() {
        let on = |stream: String| Filter::new(FilterParts { streams: vec![StreamId::new(stream)], ..FilterParts::default() }, 9);
        let mut matching = Matching::of((0..100).map(|n| on(n.to_string()).expect("filter")));
        matching.visit(&on("7".to_owned()).expect("filter"));
        assert_eq!(matching.candidates(&event(1, "7", 64).keys), 1);
        assert_eq!(matching.candidates(&event(1, "nobody's", 64).keys), 0);
    }
}
