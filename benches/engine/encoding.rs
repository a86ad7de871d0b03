//! Frame encoding: how long does the first connection of each style wait for an event's bytes, which the others then share, and what does a
//! notice cost that every connection has made for itself? `thrpt` is events, or notices, a second.

use std::hint::black_box;

use chaincast::{
    domain::{Cursor, Epoch, Seq},
    hub::{
        Notice,
        measure::{event, frame},
    },
    sse::{
        Names, Shape, Style,
        measure::{encode, encode_notice},
    },
};
use criterion::{BenchmarkId, Criterion, Throughput};

const STYLES: [(&str, Style); 4] = [
    ("envelope", Style { shape: Shape::Envelope, names: Names::On }),
    ("envelope, no names", Style { shape: Shape::Envelope, names: Names::Off }),
    ("data", Style { shape: Shape::Data, names: Names::On }),
    ("data, no names", Style { shape: Shape::Data, names: Names::Off }),
];

/// Bytes of `data`: the smallest, usual ones, and the largest that is published.
const SIZES: [usize; 4] = [64, 512, 4 * 1024, 47 * 1024];

pub(crate) fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    for size in SIZES {
        let frame = frame(event(1_234_567, "4711", size));
        // the other two differ by a field that does not depend on the size
        let styles = if size == 512 { &STYLES[..] } else { &STYLES[..1] };
        for (name, style) in styles {
            group.bench_function(BenchmarkId::new(*name, size), |bencher| bencher.iter(|| encode(black_box(&frame), *style)));
        }
    }
    group.finish();
}

pub(crate) fn notices(criterion: &mut Criterion) {
    let cursor = Cursor { epoch: Epoch::new(0x7c1f_9a02), seq: Seq::new(1_234_567) };
    let mut group = criterion.benchmark_group("notice");
    group.throughput(Throughput::Elements(1));
    for (name, notice) in
        [("heartbeat", Notice::Heartbeat), ("cursor", Notice::Moved(cursor)), ("live", Notice::Live { cursor, replayed: 25 })]
    {
        group.bench_function(name, |bencher| bencher.iter(|| encode_notice(black_box(&notice), Style::default())));
    }
    group.finish();
}
