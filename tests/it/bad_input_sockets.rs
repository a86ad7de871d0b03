//! What clients get that break not the rules of a request but those of a conversation: none of them may cost anyone else anything.

use serde_json::{Value, json};

use crate::{
    bad_input::Bench,
    support::{
        model::Model,
        publisher::{Publisher, large_events},
        raw::{RawConnection, request},
        sse_client::SseClient,
    },
};

async fn subscribe(bench: &Bench) -> RawConnection {
    let addr = bench.service().addr();
    let ask = request("GET", "/events/subscribe?all=true", addr, "Accept: text/event-stream\r\n", b"");
    let raw = RawConnection::send(addr, ask).await;
    raw.shrink_receive_buffer();
    bench.http().until_stat("/connections/now", |now| now > 0).await;
    raw
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_does_not_wait_for_a_client_that_never_reads() {
    let bench = Bench::with(|settings| settings.with("CHAINCAST_NO_PROGRESS_SECONDS", 2)).await;
    let idle = subscribe(&bench).await;
    let mut reader = SseClient::live(bench.service().addr(), "all=true").await;
    let batches: Vec<Vec<Value>> = large_events("large", 400).chunks(20).map(<[Value]>::to_vec).collect();
    let publisher = Publisher::of_batches(bench.service().addr(), batches.into_iter());
    reader.follow_to(400).await;
    let model: Model = publisher.finished().await;
    let history = model.check_log(bench.http()).await;
    history.check_transcript("all=true", 0, reader.transcript());
    // it is not kept for ever, and nobody else is closed with it
    bench.http().until_stat("/connections/now", |now| now == 1).await;
    assert_eq!(bench.http().stat("/connections/opened").await, 2);
    drop(idle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_and_goes_on_has_missed_nothing() {
    let bench = Bench::with(|settings| settings.with("CHAINCAST_RING_EVENTS", 16)).await;
    let mut slow = SseClient::live(bench.service().addr(), "all=true").await;
    let events = large_events("large", 400);
    let mut model = Model::default();
    for batch in events.chunks(50) {
        let items = bench.http().publish_ok(&json!(batch)).await;
        model.acknowledged(batch, &items);
    }
    bench.http().until_stat("/connections/lagging", |lagging| lagging == 1).await;
    slow.until("the last event", |frame| frame.id_seq() == Some(400)).await;
    model.check_log(bench.http()).await.check_transcript("all=true", 0, slow.transcript());
    assert_eq!(bench.http().stat("/connections/opened").await, 1, "it was never closed");
}

#[tokio::test]
async fn a_client_that_resets_in_the_middle_of_a_frame_is_gone_at_once() {
    let bench = Bench::start().await;
    let mut other = SseClient::live(bench.service().addr(), "all=true").await;
    let mut raw = subscribe(&bench).await;
    bench.http().until_stat("/connections/now", |now| now == 2).await;
    bench.http().publish_ok(&json!(large_events("large", 50))).await;
    raw.read_until(b"xxxxxxxx").await;
    raw.reset();
    bench.http().until_stat("/connections/now", |now| now == 1).await;
    assert_eq!(other.next_events(50).await.len(), 50);
}

#[tokio::test]
async fn a_publisher_that_resets_in_the_middle_of_its_body_has_stored_nothing() {
    let bench = Bench::start().await;
    let addr = bench.service().addr();
    let ask = request("POST", "/events", addr, "Content-Type: application/json\r\nContent-Length: 1000\r\n", b"");
    let mut raw = RawConnection::send(addr, ask).await;
    raw.write(r#"{"type":"a.b","data":1}"#).await;
    raw.reset();
    let mut raw = RawConnection::send(
        addr,
        request("POST", "/events", addr, "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n", b""),
    )
    .await;
    raw.write("18\r\n{\"type\":\"a.b\",\"data\":1}\n\r\n").await;
    raw.half_close().await;
    let left = raw.read_to_end().await;
    assert!(!left.contains(" 201 ") && !left.contains(" 200 "), "{left}");
    bench.end_unharmed().await;
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused() {
    let bench = Bench::start().await;
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        let mut raw = RawConnection::send(bench.service().addr(), bytes).await;
        raw.half_close().await;
        let left = raw.read_to_end().await;
        assert!(!left.contains(" 200 "), "{left}");
    }
    bench.end_unharmed().await;
}
