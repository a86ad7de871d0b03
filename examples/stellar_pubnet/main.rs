//! Publishes 718 real events of Stellar's public network while a subscriber follows one account.
//!
//! ```text
//! cargo run --release                               # in one terminal
//! cargo run --release --example stellar_pubnet      # in another; takes another base URL as its argument
//! ```
//!
//! It checks that the subscriber receives exactly that account's events, once each and in the chain's order, and that publishing everything
//! again changes nothing: 718 duplicates, none delivered. It may be run again on the same log: ids come from the chain, so the first round
//! then consists of duplicates too, and the account's events are replayed instead of live. Ends with 1 when a check fails.

mod mapping;
mod subscriber;

use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use reqwest::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use mapping::{BUSIEST_ACCOUNT, Event};
use subscriber::{Received, Subscriber};

const DEFAULT_URL: &str = "http://127.0.0.1:3001";
const BATCH: usize = 100;

/// Concerns the account and comes last: whoever has received it has received all before it.
const END_MARKER: &str = "example.finished";

#[derive(Deserialize)]
struct Answer {
    events: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    status: String,
}

#[derive(Default)]
struct Outcome {
    stored: usize,
    duplicates: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let base = std::env::args().nth(1).unwrap_or_else(|| DEFAULT_URL.to_owned());
    match run(base.trim_end_matches('/')).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(base: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let pubnet = mapping::events(mapping::PUBNET, mapping::PUBNET_CHAIN)?;
    let flowfi = mapping::events(mapping::FLOWFI, mapping::FLOWFI_CHAIN)?;
    let expected: Vec<&str> = of_account(&pubnet).chain(of_account(&flowfi)).collect();

    let url = format!("{base}/events/subscribe?users={BUSIEST_ACCOUNT}&last_event_id=earliest");
    let mut subscriber = Subscriber::open(&client, &url).await.context("is the service running?")?;
    println!("subscribed to {BUSIEST_ACCOUNT}");

    let first = publish(&client, base, &pubnet).await?;
    println!("published {} pubnet events: {} stored, {} duplicates", pubnet.len(), first.stored, first.duplicates);
    if first.stored < pubnet.len() {
        println!("  (this log has seen them before: the subscriber gets those by replay)");
    }
    let constructed = publish(&client, base, &flowfi).await?;
    println!("published {} FlowFi events: {} stored, {} duplicates", flowfi.len(), constructed.stored, constructed.duplicates);

    let again = publish(&client, base, &pubnet).await?;
    println!("published the pubnet events again: {} stored, {} duplicates", again.stored, again.duplicates);
    ensure!(again.stored == 0 && again.duplicates == pubnet.len(), "every event of the second round must be a duplicate");

    let marker = publish_marker(&client, base).await?;
    let received = receive_until(&mut subscriber, &marker).await?;
    ensure!(received == expected, "the account's events differ.\nexpected {expected:#?}\nreceived {received:#?}");
    println!("received exactly the account's {} events, once each and in order", received.len());
    Ok(())
}

fn of_account(events: &[Event]) -> impl Iterator<Item = &str> {
    events.iter().filter(|event| event.users.iter().any(|user| user == BUSIEST_ACCOUNT)).map(|event| event.id.as_str())
}

/// Publishes in batches, and checks that each answer speaks of the batch's events, in their order.
async fn publish(client: &reqwest::Client, base: &str, events: &[Event]) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    for batch in events.chunks(BATCH) {
        let (status, answer) = post(client, base, &serde_json::to_value(batch)?).await?;
        ensure!(answer.events.iter().map(|item| &item.id).eq(batch.iter().map(|event| &event.id)), "the answer lists other events");
        let stored = answer.events.iter().filter(|item| item.status == "stored").count();
        let duplicates = answer.events.iter().filter(|item| item.status == "duplicate").count();
        ensure!(stored + duplicates == batch.len(), "an event was neither stored nor a duplicate");
        let due = if stored == 0 { StatusCode::OK } else { StatusCode::CREATED };
        ensure!(status == due, "{stored} stored and {duplicates} duplicates are {due}, not {status}");
        outcome.stored += stored;
        outcome.duplicates += duplicates;
    }
    Ok(outcome)
}

/// Publishes the end marker and answers the id that the service gave it.
async fn publish_marker(client: &reqwest::Client, base: &str) -> anyhow::Result<String> {
    let marker = json!({"type": END_MARKER, "users": [BUSIEST_ACCOUNT], "data": null});
    let (_, answer) = post(client, base, &marker).await?;
    answer.events.into_iter().next().map(|item| item.id).context("the answer lists no event")
}

async fn post(client: &reqwest::Client, base: &str, body: &Value) -> anyhow::Result<(StatusCode, Answer)> {
    let request = client.post(format!("{base}/events")).header(header::CONTENT_TYPE, "application/json").body(body.to_string());
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    ensure!(status.is_success(), "publishing answered {status}: {text}");
    Ok((status, serde_json::from_str(&text)?))
}

/// The ids of all events up to the marker, without the markers of earlier runs.
async fn receive_until(subscriber: &mut Subscriber, marker: &str) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    let mut last = 0;
    loop {
        let frame = subscriber.next().await?;
        match frame.name.as_str() {
            "hub.gap" | "hub.closing" => bail!("the service said {}: {}", frame.name, frame.data),
            name if name.starts_with("hub.") => {}
            _ => {
                let event: Received = serde_json::from_str(&frame.data)?;
                ensure!(event.seq > last, "seq {} came after {last}", event.seq);
                last = event.seq;
                if event.id == marker {
                    return Ok(ids);
                }
                if event.event_type != END_MARKER {
                    ids.push(event.id);
                }
            }
        }
    }
}
