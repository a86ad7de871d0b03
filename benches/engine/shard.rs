//! A shard with connections that only count: what does it add to each write? Live delivery of one frame and of a full group; a walk of a full
//! ring, by someone who wants all of it and by someone who wants little; a page of replay; heartbeats. `thrpt` is deliveries a second, but for a
//! walk, where it is frames looked at, and for heartbeats, where it is connections.

use std::{hint::black_box, sync::Arc, time::Duration};

use chaincast::{
    domain::{Filter, FilterParts, StreamId},
    hub::{
        Frame,
        measure::{Audience, Latecomer, Newcomer, Newsroom, event, frame},
    },
    log::PageRequest,
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};

const HEAD: u64 = 1_000_000;
/// What a ring holds by default.
const RING: u64 = 8192;
const STREAMS: u64 = 64;

/// Steps that share a reading of the clock; their input is built before.
const FEW: BatchSize = BatchSize::NumIterations(16);

fn on(stream: u64) -> Arc<Filter> {
    let parts = FilterParts { streams: vec![StreamId::new(stream.to_string())], ..FilterParts::default() };
    Arc::new(Filter::new(parts, Filter::DEFAULT_MAX_SELECTORS).expect("one selector"))
}

/// Consecutive frames from seq 1, on each stream in turn.
fn frames(count: u64) -> Vec<Arc<Frame>> {
    (1..=count).map(|seq| frame(event(seq, &(seq % STREAMS).to_string(), 256))).collect()
}

pub(crate) fn live(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("live");
    for subscriptions in [1, 100, 10_000] {
        let mut newsroom = Newsroom::behind(HEAD);
        let mut audience = Audience::at(HEAD).followed_by(subscriptions, |_| on(7));
        for frames in [1, 64] {
            group.throughput(Throughput::Elements((subscriptions * frames) as u64));
            group.bench_function(BenchmarkId::new(format!("{frames} to all of"), subscriptions), |bencher| {
                bencher.iter_batched(|| newsroom.next(frames, |seq| event(seq, "7", 256)), |news| audience.hear(news), FEW);
            });
        }
    }
    let subscriptions = 10_000;
    let mut newsroom = Newsroom::behind(HEAD);
    let mut audience = Audience::at(HEAD).followed_by(subscriptions, |number| on(number as u64));
    for frames in [1, 64] {
        group.throughput(Throughput::Elements(frames as u64));
        group.bench_function(BenchmarkId::new(format!("{frames} to one each of"), subscriptions), |bencher| {
            let news = || newsroom.next(frames, |seq| event(seq, &(seq % subscriptions as u64).to_string(), 256));
            bencher.iter_batched(news, |news| audience.hear(news), FEW);
        });
    }
    group.finish();
}

pub(crate) fn behind(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("behind");
    let ring = frames(RING);
    for (name, filter) in [("walk, all of", Arc::new(Filter::everything())), ("walk, one in 64 of", on(7))] {
        group.throughput(Throughput::Elements(RING));
        group.bench_function(BenchmarkId::new(name, RING), |bencher| {
            bencher.iter_batched_ref(|| Newcomer::before(ring.clone(), filter.clone()), |newcomer| black_box(newcomer.walk()), FEW);
        });
    }
    let page = frames(PageRequest::REPLAY_EVENTS as u64);
    group.throughput(Throughput::Elements(page.len() as u64));
    group.bench_function(BenchmarkId::new("page of", page.len()), |bencher| {
        bencher.iter_batched_ref(|| Latecomer::reading(page.clone()), |latecomer| black_box(latecomer.write()), FEW);
    });
    group.finish();
}

pub(crate) fn quiet(criterion: &mut Criterion) {
    let subscriptions = 10_000;
    let mut audience = Audience::at(HEAD).followed_by(subscriptions, |number| on(number as u64));
    let mut group = criterion.benchmark_group("quiet");
    group.throughput(Throughput::Elements(subscriptions as u64));
    group.bench_function(BenchmarkId::new("heartbeats to", subscriptions), |bencher| {
        // longer than the interval of heartbeats: everyone is due
        bencher.iter(|| audience.stay_quiet(Duration::from_secs(20)));
    });
    group.finish();
}
