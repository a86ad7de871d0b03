//! slowhttptest's attacks, all at once, on a service that meanwhile serves everyone else.

use std::process::Command;

use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{
    bad_input::Bench,
    support::{proxy::program, publisher::large_events, sse_client::SseClient},
};

/// Connections of each attack.
const CONNECTIONS: &str = "120";
/// When an attack ends by itself, in seconds, which means that it has succeeded.
const LONGEST: &str = "13";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_bodies_and_readers_are_closed_while_everyone_else_is_served() {
    let bench = Bench::with(|settings| {
        settings.with("CHAINCAST_REQUEST_HEAD_SECONDS", 2).with("CHAINCAST_REQUEST_BODY_SECONDS", 2).with("CHAINCAST_ANSWER_SECONDS", 2)
    })
    .await;
    bench.http().publish_ok(&json!(large_events("large", 10))).await;
    let addr = bench.service().addr();
    let url = |path: &str| format!("http://{addr}{path}");
    let heads = attack(&["-H", "-i", "1", "-u", &url("/health/live")]);
    let bodies = attack(&["-B", "-i", "1", "-s", "100000", "-f", "application/json", "-u", &url("/events")]);
    let unread = attack(&["-B", "-i", "1", "-s", "100000", "-f", "text/plain", "-u", &url("/events")]);
    // a page of 400 kB, three times, through a window of a kilobyte; what its kernel has it reads even after a reset, hence not more slowly
    let readers = attack(&["-X", "-n", "1", "-z", "512", "-w", "512", "-y", "1024", "-k", "3", "-u", &url("/events?all=true&limit=10")]);
    let attacks = tokio::spawn(async move { tokio::try_join!(heads, bodies, unread, readers).expect("slowhttptest runs") });
    let mut follower = SseClient::live(addr, "types=alive").await;
    let mut round = 0;
    while !attacks.is_finished() {
        round += 1;
        bench.http().publish_ok(&json!({"id": format!("alive-{round}"), "type": "alive", "data": round})).await;
        assert_eq!(follower.next_event().await.json()["data"], round);
    }
    let (heads, bodies, unread, readers) = attacks.await.expect("no attack panics");
    for said in [heads, bodies, unread, readers] {
        assert!(said.contains("No open connections left"), "connections outlived the attack:\n{said}");
        assert!(!said.contains("NO"), "it was out of reach:\n{said}");
    }
}

fn attack(arguments: &[&str]) -> tokio::task::JoinHandle<String> {
    let mut command = Command::new(program("slowhttptest"));
    command.args(["-c", CONNECTIONS, "-r", "100", "-l", LONGEST, "-p", "5"]).args(arguments);
    spawn_blocking(move || {
        let output = command.output().expect("slowhttptest starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}
