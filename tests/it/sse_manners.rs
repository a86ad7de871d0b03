//! Subscribers that ask in other ways than most: old versions, old paths, and more than one cursor at once.

use serde_json::json;

use crate::{
    resume::{of_one_shard, publish_and_see},
    support::{
        http::Http,
        process::{Service, Settings},
        publisher::Publisher,
        raw::{exchange, request},
        sse_client::SseClient,
        sse_connection::{Ending, Manner},
        store::Store,
    },
};

const MANNERS: [Manner; 4] = [
    Manner { version: "HTTP/1.0", ..Manner::USUAL },
    Manner { path: "/v1/events/subscribe", ..Manner::USUAL },
    Manner { path: "/v1/events/subscribe", version: "HTTP/1.0", ..Manner::USUAL },
    Manner::SLOW,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_0_and_the_old_path_follow_a_stream_across_restarts_like_any_other() {
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store).with("CHAINCAST_RING_EVENTS", 16)).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    let mut clients = Vec::new();
    for manner in MANNERS {
        let mut client = SseClient::connect_as(manner, addr, "all=true", None).await;
        assert_eq!(client.head().is_chunked(), manner.version == "HTTP/1.1", "{:?}", client.head());
        client.until_live().await;
        clients.push(client);
    }
    let mut publisher = Publisher::start(addr, "manners");
    for is_told in [true, false, true] {
        let wanted = publisher.count() + 60;
        publisher.acknowledged(wanted).await;
        if is_told {
            service.ask_to_end();
            for (client, manner) in clients.iter_mut().zip(MANNERS) {
                // who takes nothing until the window is over cannot be told, and learns by the cut
                if manner.receive_buffer.is_none() {
                    client.until("hub.closing", |frame| frame.name() == "hub.closing").await;
                }
                assert_eq!(client.until_end().await, Ending::Cut);
            }
            assert!(service.ended().await.success());
        } else {
            service.kill_9();
        }
        service.restart_same_port().await;
        for client in &mut clients {
            client.until_end().await;
            client.reconnect().await;
            client.until_live().await;
        }
    }
    let model = publisher.stop().await;
    let history = model.check_log(&http).await;
    for client in &mut clients {
        client.follow_to(history.head()).await;
        history.check_transcript("all=true", 0, client.transcript());
    }
}

#[tokio::test]
async fn of_several_cursors_the_header_wins_and_two_headers_are_refused() {
    let store = Store::sqlite();
    let service = Service::start(of_one_shard(Settings::on(&store))).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    publish_and_see(&http, addr, "cursors", 30).await;
    // EventSource repeats its first URL when it comes back, so the header is the newer of the two
    for (query, header, after) in [
        ("all=true&last_event_id=5", "20", 20),
        ("all=true&last_event_id=20", "5", 5),
        ("all=true&last_event_id=now", "12", 12),
        ("all=true&last_event_id=earliest&since=2020-01-01T00:00:00Z", "12", 12),
        // what some libraries send when they have none
        ("all=true&last_event_id=7", "", 7),
    ] {
        let mut client = SseClient::connect(addr, query, Some(header)).await;
        assert_eq!(client.next_frame().await.id_seq(), Some(after), "{query} {header:?}");
        assert_eq!(client.until_live().await.json()["replayed"], 30 - after);
    }
    // what loses is checked all the same
    assert_eq!(SseClient::refused(addr, "all=true&last_event_id=x", Some("3")).await.problem(400), "invalid_parameter");
    assert_eq!(SseClient::refused(addr, "all=true&last_event_id=1&lastEventId=2", None).await.problem(400), "invalid_parameter");
    for two in [["3", "4"], ["3", "3"], ["3", ""], ["", "3"], ["", ""]] {
        let headers = two.map(|id| format!("Last-Event-ID: {id}\r\n")).concat();
        let ask = request("GET", "/events/subscribe?all=true", addr, &format!("Accept: text/event-stream\r\n{headers}"), b"");
        let answer = exchange(addr, ask).await;
        assert_eq!(answer.problem(400), "invalid_parameter", "{two:?}");
        assert_eq!(answer.json()["parameter"], json!("Last-Event-ID"));
    }
    assert_eq!(http.until_stat("/connections/now", |now| now == 0).await, 0);
}
