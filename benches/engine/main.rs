//! What one step of each of the engine's parts costs, with nothing around it.
//!
//! `cargo bench --features bench-internals` runs all of it in about two minutes; a word behind `--` picks those whose name holds it. `thrpt` reads
//! as events, frames or deliveries a second, as each file says. Fixtures are built outside the clock. The figures compare two states of the code on
//! one quiet machine; what the service does with sockets and a log is for load tests to say.

mod encoding;
mod matching;
mod sequencer;
mod shard;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// Short, because there are many: a change of a tenth still shows.
fn brief() -> Criterion {
    Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).without_plots()
}

criterion_group! {
    name = engine;
    config = brief();
    targets = encoding::events, encoding::notices, matching::candidates, matching::visits, shard::live, shard::behind, shard::quiet,
        sequencer::announced, sequencer::holes
}
criterion_main!(engine);
