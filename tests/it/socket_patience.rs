//! Nobody holds a connection that is no stream for longer than its deadlines, whatever they send or leave unread.

use futures::future::join_all;
use serde_json::json;

use crate::{
    bad_input::Bench,
    support::{
        publisher::large_events,
        raw::{RawConnection, request},
        sse_client::SseClient,
        wait::eventually,
    },
};

/// A service without patience.
async fn impatient() -> Bench {
    Bench::with(|settings| {
        settings.with("CHAINCAST_REQUEST_HEAD_SECONDS", 1).with("CHAINCAST_REQUEST_BODY_SECONDS", 1).with("CHAINCAST_ANSWER_SECONDS", 1)
    })
    .await
}

fn get(bench: &Bench, target: &str, headers: &str) -> Vec<u8> {
    request("GET", target, bench.service().addr(), headers, b"")
}

async fn send(bench: &Bench, bytes: impl AsRef<[u8]>) -> RawConnection {
    RawConnection::send(bench.service().addr(), bytes).await
}

#[tokio::test]
async fn a_trickled_head_is_refused_and_its_connection_closed() {
    let bench = impatient().await;
    let said = send(&bench, "GET /health/live HTTP/1.1\r\nX-Slow: ").await.trickle_to_end("x").await;
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("request_timeout"), "{said}");
    let said = send(&bench, "").await.read_to_end().await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_trickled_head_on_a_kept_connection_is_closed() {
    let bench = impatient().await;
    // the second begins on its own, in the same packet as the first, or with the empty lines that HTTP allows before it
    for (rest, piece) in [("", "G"), ("GET / HTTP/1.1\r\nX-Slow: ", "x"), ("", "\r\n")] {
        let mut raw = send(&bench, [get(&bench, "/health/live", ""), rest.into()].concat()).await;
        assert_eq!(raw.answer().await.status, 200);
        let said = raw.trickle_to_end(piece).await;
        assert!(said.starts_with("HTTP/1.1 408 ") || said.starts_with("HTTP/1.1 400 "), "{said}");
    }
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_trickled_body_is_refused_and_its_connection_closed() {
    let bench = impatient().await;
    let addr = bench.service().addr();
    let framings = [("Content-Length: 100000", " "), ("Transfer-Encoding: chunked", "1\r\n \r\n")];
    let asks = framings.iter().flat_map(|&(framing, piece)| ["", "Expect: 100-continue\r\n"].map(|expect| (framing, piece, expect)));
    join_all(asks.map(async |(framing, piece, expect)| {
        let headers = format!("Content-Type: application/json\r\n{expect}{framing}\r\n");
        let said = send(&bench, request("POST", "/events", addr, &headers, b"")).await.trickle_to_end(piece).await;
        assert!(said.contains("HTTP/1.1 408 ") && said.contains("request_timeout"), "{said}");
    }))
    .await;
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_closes_its_connection_soon() {
    let bench = impatient().await;
    let addr = bench.service().addr();
    let cases = [
        ("POST", "/events", "Content-Type: text/plain\r\n"),
        ("POST", "/nothing", ""),
        ("GET", "/health/live", ""),
        ("TRACE", "/events", ""),
        ("GET", "/health/live", "Expect: 100-continue\r\n"),
    ];
    let framings = [("Content-Length: 100000\r\n", "x"), ("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n")];
    let asks = cases.iter().flat_map(|&(method, target, headers)| {
        framings.map(|(framing, piece)| (request(method, target, addr, &format!("{headers}{framing}"), b""), piece))
    });
    join_all(asks.map(async |(ask, piece)| {
        let silent = async { send(&bench, &ask).await.read_to_end().await };
        let trickling = async { send(&bench, &ask).await.trickle_to_end(piece).await };
        for said in <[String; 2]>::from(tokio::join!(silent, trickling)) {
            assert!(said.to_ascii_lowercase().contains("connection: close"), "{:?}: {said}", String::from_utf8_lossy(&ask));
        }
    }))
    .await;
    bench.end_unharmed().await;
}

#[tokio::test]
async fn an_upgrade_or_a_tunnel_is_answered_and_closed() {
    let bench = impatient().await;
    let addr = bench.service().addr();
    for ask in [
        get(&bench, "/health/live", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        format!("CONNECT {addr} HTTP/1.1\r\nHost: {addr}\r\n\r\n").into_bytes(),
    ] {
        let said = send(&bench, ask).await.trickle_to_end("x").await;
        assert!(said.starts_with("HTTP/1.1 ") && !said.starts_with("HTTP/1.1 101"), "{said}");
    }
    bench.end_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_taken_closes_its_connection() {
    let bench = impatient().await;
    for batch in large_events("large", 200).chunks(50) {
        bench.http().publish_ok(&json!(batch)).await;
    }
    let asks = get(&bench, "/events?all=true&limit=1000", "").repeat(3);
    let raw = send(&bench, asks).await;
    raw.shrink_receive_buffer();
    eventually("closed", async || if raw.is_held_by_the_service() { Err("held".to_owned()) } else { Ok(()) }).await;
    assert_eq!(bench.http().stat("/log/head").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_answered_in_order_and_one_without_an_end_is_closed() {
    let bench = impatient().await;
    let ask = get(&bench, "/health/live", "");
    let mut raw = send(&bench, [ask.repeat(500), get(&bench, "/nothing", "")].concat()).await;
    for _ in 0..500 {
        assert_eq!(raw.answer().await.status, 200);
    }
    assert_eq!(raw.answer().await.status, 404);
    let mut follower = SseClient::live(bench.service().addr(), "all=true").await;
    let pages = get(&bench, "/docs/swagger-ui-bundle.js", "").repeat(2000);
    let mut endless = send(&bench, "").await;
    endless.shrink_receive_buffer();
    tokio::join!(endless.write(&pages), async {
        bench.http().publish_ok(&json!({"id": "meanwhile", "type": "a.b", "data": null})).await;
        follower.next_event().await;
    });
    eventually("closed", async || if endless.is_held_by_the_service() { Err("held".to_owned()) } else { Ok(()) }).await;
}

#[tokio::test]
async fn what_is_no_request_is_told_so_and_closed() {
    let bench = impatient().await;
    for bytes in ["GET\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        for before in [Vec::new(), get(&bench, "/health/live", "")] {
            let mut raw = send(&bench, &before).await;
            if !before.is_empty() {
                assert_eq!(raw.answer().await.status, 200);
            }
            raw.write(bytes).await;
            assert_eq!(raw.answer().await.problem(400), "bad_request", "{bytes:?}");
            assert_eq!(raw.read_to_end().await, "", "{bytes:?}");
        }
    }
    assert!(!bench.service().output().iter().any(|line| line.contains("stream error")), "whoever likes could fill the log");
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_head_has_room_for_tokens_and_cookies_and_no_more() {
    let bench = impatient().await;
    let with_cookie = |bytes: usize| get(&bench, "/health/live", &format!("Cookie: a={}\r\n", "x".repeat(bytes)));
    assert_eq!(send(&bench, with_cookie(24 * 1024)).await.answer().await.status, 200);
    for ask in [
        with_cookie(64 * 1024),
        with_cookie(4 * 1024 * 1024),
        get(&bench, &format!("/health/live?{}", "x".repeat(200_000)), ""),
        get(&bench, "/health/live", &(0..200).map(|n| format!("X-{n}: x\r\n")).collect::<String>()),
    ] {
        let mut raw = send(&bench, ask).await;
        assert_eq!(raw.answer().await.problem(431), "head_too_large");
    }
    bench.end_unharmed().await;
}
