//! The stream as it stands on the wire (design.md §5), frame by frame.

use serde_json::json;

use crate::{
    resume::{of_one_shard, publish_these},
    support::{
        http::Http,
        process::{Service, Settings},
        publisher::large_events,
        raw::{RawConnection, request},
        sse_client::SseClient,
        sse_connection::Ending,
        sse_parser::seq_of,
        store::Store,
    },
};

async fn start(change: impl FnOnce(Settings) -> Settings) -> (Service, Http, Store) {
    let store = Store::sqlite();
    let service = Service::start(change(Settings::on(&store))).await;
    let http = Http::new(service.addr());
    (service, http, store)
}

#[tokio::test]
async fn a_stream_opens_with_a_cursor_and_says_when_it_is_live() {
    let (service, http, _store) = start(|settings| of_one_shard(settings).with("CHAINCAST_RETRY_MILLISECONDS", 2_000)).await;
    let mut follower = SseClient::live(service.addr(), "all=true").await;
    http.publish_ok(&json!([{"type": "a.b", "streams": ["1"], "data": 1}, {"type": "a.b", "streams": ["2"], "data": 2}])).await;
    follower.follow_to(2).await;
    let mut client = SseClient::connect(service.addr(), "streams=1&last_event_id=0", None).await;
    for (name, value) in [("cache-control", "no-cache, no-transform"), ("x-accel-buffering", "no"), ("transfer-encoding", "chunked")] {
        assert_eq!(client.head().header(name), Some(value));
    }
    let open = client.next_frame().await;
    assert_eq!(open.name(), "hub.open");
    assert!(open.retry.is_some_and(|retry| (500..=8_000).contains(&retry)), "{open:?}");
    let data = open.json();
    assert_eq!(data["cursor"].as_str(), open.id.as_deref());
    assert_eq!(seq_of(data["head"].as_str().expect("a head")), 2);
    assert_eq!(data["filter"]["streams"], json!(["1"]));
    assert!(data["connection"].as_str().is_some_and(|id| !id.is_empty()));
    let event = client.next_frame().await;
    assert_eq!((event.name(), event.id_seq()), ("a.b", Some(1)));
    let members = event.json();
    assert_eq!((&members["seq"], &members["source"], &members["data"]), (&json!(1), &json!("default"), &json!(1)));
    assert!(members["receivedAt"].is_string() && members["id"].is_string());
    let live = client.next_frame().await;
    assert_eq!((live.name(), live.id_seq()), ("hub.live", Some(2)));
    assert_eq!(live.json()["replayed"], 1);
    assert_eq!(live.json()["cursor"].as_str(), live.id.as_deref());
}

#[tokio::test]
async fn append_before_deliver_what_a_subscriber_sees_is_in_the_log_already() {
    let (service, http, _store) = start(|settings| settings).await;
    let mut client = SseClient::live(service.addr(), "all=true").await;
    for n in 1..=20 {
        let event = json!({"id": format!("e{n}"), "type": "a.b", "data": n});
        let seen = async {
            let event = client.next_event().await;
            (event, http.whole_history("all=true", "earliest").await)
        };
        let (published, (event, history)) = tokio::join!(http.publish(&event), seen);
        assert_eq!(published.status, 201);
        assert_eq!(history.last(), Some(&event.data));
    }
}

#[tokio::test]
async fn newlines_and_whitespace_in_a_body_never_split_a_frame() {
    let (service, http, _store) = start(|settings| settings).await;
    let mut client = SseClient::live(service.addr(), "all=true").await;
    let body = "{\r\n \"type\":\r\"a.b\",\n\n\"data\": {\n\n\"event\":\r\n\"id: 1\\n\\ndata: x\"\n}\n\n}";
    assert_eq!(http.post("application/json", body).await.status, 201);
    let event = client.next_event().await;
    assert_eq!(event.json()["data"], json!({"event": "id: 1\n\ndata: x"}));
    assert!(!event.data.contains(['\n', '\r']), "one line");
}

#[tokio::test]
async fn a_quiet_subscription_is_told_how_far_the_log_has_come() {
    let (service, http, _store) = start(|settings| settings.with("CHAINCAST_HEARTBEAT_SECONDS", 1)).await;
    let mut client = SseClient::live(service.addr(), "streams=quiet").await;
    http.publish_ok(&json!([{"type": "a.b", "data": 1}, {"type": "a.b", "data": 2}])).await;
    let cursor = client.until("hub.cursor", |frame| frame.name() == "hub.cursor").await;
    assert_eq!(cursor.id_seq(), Some(2));
    assert!(cursor.data.contains(cursor.id.as_deref().expect("an id")), "{cursor:?}");
    // and once told, an idle stream is kept alive by comments alone
    client.until_heartbeat().await;
    assert!(client.heartbeats() >= 1);
    assert_eq!(client.transcript().iter().filter(|frame| frame.name() == "hub.cursor").count(), 1);
}

#[tokio::test]
async fn what_does_not_match_is_not_sent() {
    let (service, http, _store) = start(|settings| settings).await;
    let mut client = SseClient::live(service.addr(), "streams=1&types=stream.*").await;
    client
        .expect_silence_until(async {
            let missed = [("stream.created", "2"), ("pot.created", "1"), ("streams.created", "1"), ("stream.a.b", "1")];
            for (kind, stream) in missed {
                http.publish_ok(&json!({"type": kind, "streams": [stream], "data": null})).await;
            }
        })
        .await;
    http.publish_ok(&json!({"type": "stream.created", "streams": ["1"], "data": "match"})).await;
    assert_eq!(client.next_event().await.id_seq(), Some(5));
}

#[tokio::test]
async fn shape_data_sends_the_data_alone_and_names_off_leaves_the_name_out() {
    let (service, http, _store) = start(|settings| settings).await;
    let mut flat = SseClient::live(service.addr(), "all=true&shape=data").await;
    let mut unnamed = SseClient::connect(service.addr(), "all=true&names=off", None).await;
    unnamed.until("to be live", |frame| frame.data.contains("\"replayed\"")).await;
    http.publish_ok(&json!({"type": "a.b", "data": {"streamId": "1"}})).await;
    let event = flat.next_event().await;
    assert_eq!((event.name(), &event.data[..], event.id_seq()), ("a.b", r#"{"streamId":"1"}"#, Some(1)));
    let event = unnamed.until("the event", |frame| frame.data.contains("streamId")).await;
    assert_eq!((event.event.as_deref(), event.id_seq()), (None, Some(1)));
    assert!(unnamed.transcript().iter().all(|frame| frame.event.is_none()), "everything reaches onmessage");
}

#[tokio::test]
async fn every_route_is_also_served_under_v1() {
    let (service, http, _store) = start(|settings| settings).await;
    let event = json!({"type": "a.b", "data": 1}).to_string();
    assert_eq!(http.try_post("/v1/events", "application/json", event).await.expect("reached").status, 201);
    assert_eq!(http.get("/v1/events?all=true&last_event_id=earliest").await.json()["events"][0]["seq"], 1);
    let ask = request("GET", "/v1/events/subscribe?all=true&last_event_id=0", service.addr(), "Accept: text/event-stream\r\n", b"");
    let mut raw = RawConnection::send(service.addr(), ask).await;
    assert_eq!(raw.head().await.status, 200);
    raw.read_until(b"hub.live").await;
}

#[tokio::test]
async fn http_1_0_is_answered_without_chunks() {
    let (service, http, _store) = start(|settings| settings).await;
    let ask = format!("GET /events/subscribe?all=true HTTP/1.0\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n", service.addr());
    let mut raw = RawConnection::send(service.addr(), ask).await;
    let head = raw.head().await;
    assert_eq!(head.status, 200, "{head:?}");
    assert!(!head.is_chunked() && head.header("content-length").is_none(), "{} {head:?}", head.version);
    raw.read_until(b"event: hub.live\n").await;
    http.publish_ok(&json!({"type": "a.b", "data": 1})).await;
    raw.read_until(b"\nevent: a.b\ndata: {\"seq\":1,").await;
    raw.read_until(b"-1\n\n").await;
}

#[tokio::test]
async fn head_answers_the_head_and_keeps_the_connection_for_the_next_request() {
    let (service, http, _store) = start(|settings| settings).await;
    let accept = "Accept: text/event-stream\r\n";
    let ask = request("HEAD", "/events/subscribe?all=true", service.addr(), accept, b"");
    let mut raw = RawConnection::send(service.addr(), ask).await;
    let head = raw.head().await;
    assert_eq!(head.status, 200);
    assert!(head.header("content-type").is_some_and(|value| value.starts_with("text/event-stream")), "{head:?}");
    raw.write(request("GET", "/health/live", service.addr(), "", b"")).await;
    assert_eq!(raw.answer().await.status, 200);
    assert_eq!(http.stat("/connections/opened").await, 0);
}

#[tokio::test]
async fn a_refusal_that_will_pass_is_a_stream_to_eventsource_and_a_status_to_others() {
    let (service, http, _store) = start(|settings| settings.with("CHAINCAST_MAX_CONNECTIONS", 1)).await;
    let held = SseClient::live(service.addr(), "all=true").await;
    let mut refused = SseClient::connect(service.addr(), "all=true", None).await;
    let closing = refused.next_frame().await;
    assert_eq!(closing.name(), "hub.closing");
    assert!(matches!(closing.json()["reason"].as_str(), Some("limited" | "overloaded")), "{closing:?}");
    assert!(refused.retry().is_some());
    refused.until_end().await;
    let other = http.get("/events/subscribe?all=true").await;
    assert!(matches!(other.status, 429 | 503), "{other:?}");
    other.problem(other.status);
    assert!(other.retry_after.is_some());
    drop(held);
    http.until_stat("/connections/now", |now| now == 0).await;
    SseClient::live(service.addr(), "all=true").await;
}

#[tokio::test]
async fn every_ring_is_bounded_and_its_fill_is_told() {
    let (service, http, _store) = start(|settings| settings.with("CHAINCAST_RING_EVENTS", 16)).await;
    let mut client = SseClient::live(service.addr(), "all=true").await;
    let events: Vec<_> = (0..500).map(|n| json!({"type": "a.b", "data": n})).collect();
    http.publish_ok(&json!(events)).await;
    client.follow_to(500).await;
    // one ring for each of the two workers
    http.until_stat("/ring/frames", |frames| (1..=32).contains(&frames)).await;
}

#[tokio::test]
async fn every_ring_is_bounded_in_bytes_and_what_it_let_go_is_replayed_from_the_log() {
    let (service, http, _store) =
        start(|settings| settings.with("CHAINCAST_RING_BYTES", 20_000).with("CHAINCAST_WORKERS", 1).with("CHAINCAST_RING_EVENTS", 1_000))
            .await;
    let mut client = SseClient::live(service.addr(), "all=true").await;
    let model = publish_these(&http, &large_events("large", 3)).await;
    client.follow_to(3).await;
    // the newest always stays, however large
    http.until_stat("/ring/frames", |frames| frames == 1).await;
    let small: Vec<_> = (0..200).map(|n| json!({"id": format!("small-{n}"), "type": "a.b", "data": "x".repeat(900)})).collect();
    let mut all = publish_these(&http, &small).await;
    all.merge(model);
    client.follow_to(203).await;
    http.until_stat("/ring/frames", |frames| (10..=22).contains(&frames)).await;
    assert!(http.stat("/ring/bytes").await <= 20_000);
    let mut back = SseClient::connect(service.addr(), "all=true&last_event_id=0", None).await;
    back.until_live().await;
    let history = all.check_log(&http).await;
    for client in [&client, &back] {
        history.check_transcript("all=true", 0, client.transcript());
        assert_eq!(client.last_id().map(seq_of), Some(203));
    }
}

#[tokio::test]
async fn room_for_connections_is_limited_counted_and_given_back() {
    let (service, http, _store) = start(|settings| settings.with("CHAINCAST_MAX_CONNECTIONS", 8)).await;
    for round in 1..=3 {
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(SseClient::live(service.addr(), "all=true").await);
        }
        let mut refused = SseClient::connect(service.addr(), "all=true", Some("0")).await;
        let closing = refused.next_frame().await;
        assert_eq!((closing.name(), closing.json()["reason"].as_str(), closing.id.as_deref()), ("hub.closing", Some("overloaded"), None));
        assert_eq!(refused.last_id(), Some("0"), "it has lost nothing by asking");
        refused.until_end().await;
        assert_eq!(http.stat("/connections/refused").await, round);
        // held connections are never evicted to make room
        http.publish_ok(&json!({"type": "a.b", "data": round})).await;
        for client in &mut held {
            assert_eq!(client.next_event().await.id_seq(), Some(round));
        }
        drop(held);
        http.until_stat("/connections/now", |now| now == 0).await;
        assert_eq!(http.stat("/connections/peak").await, 8);
    }
}

#[tokio::test]
async fn a_stream_that_is_to_be_resumed_ends_without_the_last_chunk() {
    let (service, _http, _store) = start(|settings| settings).await;
    let mut client = SseClient::live(service.addr(), "all=true").await;
    service.ask_to_end();
    client.until("hub.closing", |frame| frame.name() == "hub.closing").await;
    assert_eq!(client.until_end().await, Ending::Cut, "some fetch clients take a clean end as finished");
}
