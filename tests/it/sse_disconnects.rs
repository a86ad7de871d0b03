//! Clients that go, in every way there is: noticed at once, also when nothing is being sent, and nothing they left behind is executed.

use serde_json::json;

use crate::{
    bad_input::Bench,
    support::{
        raw::{RawConnection, request},
        sse_client::SseClient,
    },
};

/// A live subscription to which nothing will be sent for far longer than the test takes.
async fn idle(bench: &Bench) -> RawConnection {
    let addr = bench.service().addr();
    let ask = request("GET", "/events/subscribe?all=true", addr, "Accept: text/event-stream\r\n", b"");
    let mut raw = RawConnection::send(addr, ask).await;
    raw.read_until(b"hub.live").await;
    raw
}

async fn quiet_bench() -> Bench {
    Bench::with(|settings| settings.with("CHAINCAST_HEARTBEAT_SECONDS", 600)).await
}

#[tokio::test]
async fn a_closed_connection_is_noticed_at_once_though_idle() {
    let bench = quiet_bench().await;
    let raw = idle(&bench).await;
    bench.http().until_stat("/connections/now", |now| now == 1).await;
    drop(raw);
    bench.http().until_stat("/connections/now", |now| now == 0).await;
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_reset_connection_is_noticed_at_once_though_idle() {
    let bench = quiet_bench().await;
    idle(&bench).await.reset();
    bench.http().until_stat("/connections/opened", |opened| opened == 1).await;
    bench.http().until_stat("/connections/now", |now| now == 0).await;
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_half_closed_connection_is_ended() {
    let bench = quiet_bench().await;
    let mut raw = idle(&bench).await;
    raw.half_close().await;
    bench.http().until_stat("/connections/now", |now| now == 0).await;
    // the service has closed its side as well: the stream has an end
    raw.read_to_end().await;
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_request_pipelined_behind_a_subscribe_is_never_executed() {
    let bench = quiet_bench().await;
    let addr = bench.service().addr();
    let body = br#"{"id":"smuggled","type":"a.b","data":1}"#;
    let publish = request("POST", "/events", addr, "Content-Type: application/json\r\n", body);
    for apart in [false, true] {
        let mut bytes = request("GET", "/events/subscribe?all=true", addr, "Accept: text/event-stream\r\n", b"");
        let mut raw = if apart {
            let mut raw = RawConnection::send(addr, bytes).await;
            raw.read_until(b"hub.live").await;
            raw.write(publish.repeat(50)).await;
            raw
        } else {
            bytes.extend(publish.repeat(50));
            RawConnection::send(addr, bytes).await
        };
        assert_eq!(raw.head().await.status, 200);
        raw.half_close().await;
        // all that was sent lies before the end, which the service has now seen
        let left = raw.read_to_end().await;
        assert!(!left.contains("HTTP/1.1") && !left.contains("smuggled"), "{left}");
        bench.http().until_stat("/connections/now", |now| now == 0).await;
    }
    bench.end_unharmed().await;
}

#[tokio::test]
async fn clients_that_come_and_go_leave_nothing() {
    let bench = quiet_bench().await;
    for _ in 0..10 {
        let mut held = Vec::new();
        for n in 0..20 {
            held.push(SseClient::connect(bench.service().addr(), &format!("streams={n}"), None).await);
        }
        drop(held);
    }
    bench.http().until_stat("/connections/now", |now| now == 0).await;
    assert_eq!(bench.http().stat("/connections/opened").await, 200);
    let mut client = SseClient::live(bench.service().addr(), "all=true").await;
    client.expect_silence_until(bench.http().publish(&json!({"type": "hub.no", "data": 1}))).await.problem(422);
    bench.end_unharmed().await;
}
