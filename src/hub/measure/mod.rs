//! The door of `benches/`: the hub's parts with nothing around them, one step at a time.
//!
//! Compiled for tests and with the feature `bench-internals` only, and no part of the library's interface. Each fixture is built outside the
//! clock and makes one step inside it, through the same calls as the sequencer's and the worker's tasks make; there are no sockets, clocks or
//! tasks. The tests here hold the fixtures to what the benchmarks say that they count.

mod audience;
mod following;
mod matching;
mod tally;

pub use audience::{Audience, Latecomer, Newcomer, News, Newsroom};
pub use following::Following;
pub use matching::Matching;

use std::{sync::Arc, time::Instant};

use super::Frame;
use crate::domain::{Epoch, EpochChain, EpochStart, Event, Seq, Timestamp};

const EPOCH: Epoch = Epoch::new(1);

fn chain() -> EpochChain {
    EpochChain::new(vec![EpochStart { epoch: EPOCH, first: Seq::new(1) }]).expect("one link")
}

/// An event of a payment stream with two accounts, as an indexer publishes it, and with `data` of about so many bytes.
#[must_use]
pub fn event(seq: u64, stream: &str, bytes: usize) -> Event {
    let data = "x".repeat(bytes.saturating_sub(r#"{"memo":""}"#.len()));
    let envelope = format!(
        r#"{{"id":"stellar:pubnet:{seq}","type":"stream.withdrawn","streams":["{stream}"],"users":["GCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYOJR","GDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435DIAG"],"topics":["market.price.{stream}.moved"],"data":{{"memo":"{data}"}}}}"#
    );
    Event::from_row(Seq::new(seq), Timestamp::from_micros(1_771_754_400_000_000), envelope).expect("well formed")
}

/// The event as shards share it.
#[must_use]
pub fn frame(event: Event) -> Arc<Frame> {
    Frame::new(event, EPOCH, Some(Instant::now()))
}
