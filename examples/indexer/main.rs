//! Publishes what an indexer has read from a chain: each event once, however often it is run and whatever fails on the way.
//!
//! ```text
//! cargo run --example indexer -- http://127.0.0.1:3001 examples/data/flowfi_events.ndjson checkpoint.txt
//! ```
//!
//! Three things make that so. An event's id comes from the chain, so that publishing it again stores nothing. A batch is sent until the
//! service has answered for it, the same each time. And the checkpoint is written after that answer, never before. A credential that may
//! publish is taken from `CHAINCAST_TOKEN`. Ends with 1 at the first batch that the service refuses for good, with all before it published.

mod blockchain;
mod checkpoint;
mod publisher;

use std::process::ExitCode;

use anyhow::{Context as _, bail};

use blockchain::{BlockchainEvent, Event, NotAnEvent, handle_blockchain_event};
use checkpoint::Checkpoint;
use publisher::{Outcome, Publisher};

/// Far below the service's limits of 1000 events and 4 MiB; large enough that the commit costs next to nothing.
const BATCH: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [service, chain, checkpoint] = arguments.as_slice() else { bail!("usage: indexer SERVICE CHAIN_FILE CHECKPOINT_FILE") };
    let publisher = Publisher::new(service, std::env::var("CHAINCAST_TOKEN").ok())?;
    let checkpoint = Checkpoint::new(checkpoint);

    let text = std::fs::read_to_string(chain).with_context(|| format!("{chain} cannot be read"))?;
    let events = read(&text).with_context(|| chain.clone())?;
    let published = checkpoint.read()?;
    // an id that the file has not got, as after a change of files: from the beginning, which costs duplicates and no more
    let done = published.and_then(|id| events.iter().position(|event| event.id == id)).map_or(0, |last| last + 1);

    let mut total = Outcome::default();
    for batch in events[done..].chunks(BATCH) {
        total += publisher.publish(batch).await?;
        if let Some(last) = batch.last() {
            checkpoint.write(&last.id)?;
        }
    }
    println!("{} events: {done} done before, {} stored, {} duplicates", events.len(), total.stored, total.duplicates);
    Ok(())
}

/// In the chain's order, which is the order of the file.
fn read(text: &str) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    for (at, line) in text.lines().enumerate() {
        match BlockchainEvent::parse(line) {
            Ok(event) => events.push(handle_blockchain_event(event)),
            // what nobody subscribes to is left out; what cannot be read is not
            Err(NotAnEvent::OfAnotherKind) => {}
            Err(NotAnEvent::Malformed(error)) => return Err(error).with_context(|| format!("line {}", at + 1)),
        }
    }
    Ok(events)
}
