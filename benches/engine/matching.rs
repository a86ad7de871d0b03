//! Index matching: does one event cost the same however many do not want it, how much of that is deriving its keys, and what does each add that
//! might want it? And does coming and going stay cheap as the index grows? `thrpt` is events a second, or subscriptions that came and went.

use std::{hint::black_box, sync::Arc};

use chaincast::{
    domain::{Filter, FilterParts, Pattern, StreamId},
    hub::{
        Frame,
        measure::{Matching, event, frame},
    },
};
use criterion::{BenchmarkId, Criterion, Throughput};

type MakeFilter = fn(usize) -> Filter;

fn stream(number: usize) -> Filter {
    filter(FilterParts { streams: vec![StreamId::new(number.to_string())], ..FilterParts::default() })
}

fn topic(pattern: &str) -> Filter {
    filter(FilterParts { topics: vec![Pattern::parse(pattern).expect("well formed")], ..FilterParts::default() })
}

fn filter(parts: FilterParts) -> Filter {
    Filter::new(parts, Filter::DEFAULT_MAX_SELECTORS).expect("a selector or two")
}

const MANY: usize = 10_000;

/// Everyone's own stream, everyone on the same one, patterns with their own segment behind one that is literal, wild, or wild and the first, and everything.
const KINDS: [(&str, usize, MakeFilter); 6] = [
    ("own stream", MANY, stream),
    ("same stream", MANY, |_| stream(7)),
    ("market.price.N.**", MANY, |number| topic(&format!("market.price.{number}.**"))),
    ("market.*.N.**", MANY, |number| topic(&format!("market.*.{number}.**"))),
    ("*.price.N.**", MANY, |number| topic(&format!("*.price.{number}.**"))),
    ("all", MANY, |_| Filter::everything()),
];

/// An event on stream 7 and topic `market.price.7.moved`.
fn moved() -> Arc<Frame> {
    frame(event(1, "7", 64))
}

pub(crate) fn candidates(criterion: &mut Criterion) {
    let moved = moved();
    let mut group = criterion.benchmark_group("match");
    group.throughput(Throughput::Elements(1));
    group.bench_function("keys alone", |bencher| bencher.iter(|| black_box(&moved.event().keys).ids().count()));
    let smaller_and_larger = [1, 100, 100_000].map(|count| ("own stream", count, stream as MakeFilter));
    for (kind, count, filter) in smaller_and_larger.into_iter().chain(KINDS) {
        let mut matching = Matching::of((0..count).map(filter));
        group.bench_function(BenchmarkId::new(kind, count), |bencher| bencher.iter(|| matching.candidates(black_box(&moved))));
    }
    group.finish();
}

pub(crate) fn visits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("come and go");
    group.throughput(Throughput::Elements(1));
    for (kind, count, filter) in KINDS {
        let mut matching = Matching::of((0..count).map(filter));
        let visitor = filter(count);
        group.bench_function(BenchmarkId::new(kind, count), |bencher| bencher.iter(|| matching.visit(black_box(&visitor))));
    }
    group.finish();
}
