//! The sequencer's state: how many events a second can be numbered into the ring and handed to every shard, one by one, in groups, and when
//! announcements are lost? `thrpt` is events a second, whatever the number of shards.

use chaincast::{
    domain::Event,
    hub::measure::{Following, event},
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};

const FEW: BatchSize = BatchSize::NumIterations(16);

/// The events behind `head`, which moves past them.
fn next(head: &mut u64, count: u64) -> Vec<Event> {
    let first = *head + 1;
    *head += count;
    (first..=*head).map(|seq| event(seq, "s", 256)).collect()
}

pub(crate) fn announced(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("announced");
    for shards in [1, 8, 64] {
        for count in [1, 64] {
            let mut following = Following::with_shards(shards);
            let mut head = Following::START;
            group.throughput(Throughput::Elements(count));
            group.bench_function(BenchmarkId::new(format!("{count} to shards"), shards), |bencher| {
                bencher.iter_batched(|| next(&mut head, count), |events| following.announce(events), FEW);
            });
        }
    }
    group.finish();
}

/// What was announced behind a hole waits, and goes out with the page that fills it.
pub(crate) fn holes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hole");
    for (lost, waiting) in [(1000, 64), (1, 4096)] {
        let mut following = Following::with_shards(1);
        let mut head = Following::START;
        group.throughput(Throughput::Elements(lost + waiting));
        group.bench_function(format!("{lost} read, {waiting} waiting"), |bencher| {
            bencher.iter_batched(
                || (next(&mut head, lost), next(&mut head, waiting)),
                |(page, announced)| (following.announce(announced), following.read(page)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}
