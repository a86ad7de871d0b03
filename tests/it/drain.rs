//! **Drain, don't drop.** A restart is told to every client, over a window, and costs none of them an event.

use std::io::ErrorKind;

use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    resume::QUERIES,
    support::{
        http::Http,
        model::Model,
        process::{Service, Settings},
        publisher::Publisher,
        raw::RawConnection,
        sse_client::SseClient,
        sse_connection::Ending,
        sse_parser::Frame,
        store::{Store, for_each_store},
        wait::eventually,
    },
};

for_each_store! {
    async fn drain_dont_drop_a_restart_is_told_and_resumed_without_loss(store: Store) {
        let mut service = Service::start(Settings::on(&store)).await;
        let (http, addr) = (Http::new(service.addr()), service.addr());
        let mut clients = Vec::new();
        for query in QUERIES {
            clients.push(SseClient::live(addr, query).await);
        }
        let mut publisher = Publisher::start(addr, "drained");
        for round in 1..=3 {
            publisher.acknowledged(round * 50).await;
            service.ask_to_end();
            for client in &mut clients {
                let closing = client.until("hub.closing", |frame| frame.name() == "hub.closing").await;
                assert_eq!(closing.json()["reason"], "draining");
                assert_eq!(client.until_end().await, Ending::Cut);
            }
            let status = service.ended().await;
            assert!(status.success(), "{status}: {:?}", service.output());
            service.restart_same_port().await;
            for client in &mut clients {
                client.reconnect().await;
            }
        }
        let model = publisher.stop().await;
        let history = model.check_log(&http).await;
        for (client, query) in clients.iter_mut().zip(QUERIES) {
            client.reconnect_if_behind(history.head()).await;
            history.check_transcript(query, 0, client.transcript());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_is_spread_over_its_window_and_ends_when_the_last_has_gone() {
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store).with("CHAINCAST_DRAIN_SECONDS", 2)).await;
    let addr = service.addr();
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(SseClient::live(addr, "all=true").await);
    }
    service.ask_to_end();
    let mut retries = Vec::new();
    for client in &mut clients {
        client.until("hub.closing", |frame| frame.name() == "hub.closing").await;
        retries.extend(client.retry());
        assert_eq!(client.until_end().await, Ending::Cut);
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 1, "clients come back at different times: {retries:?}");
    assert!(service.ended().await.success());
}

#[tokio::test]
async fn without_clients_a_service_ends_at_once() {
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store).with("CHAINCAST_DRAIN_SECONDS", 600)).await;
    assert!(service.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_some_are_moved_elsewhere_the_others_go_on_and_new_ones_are_refused() {
    const CLIENTS: usize = 480;
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store).with("CHAINCAST_DRAIN_SECONDS", 5).with("CHAINCAST_WORKERS", 1)).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    assert_eq!(http.get("/health/ready").await.status, 200);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(SseClient::live(addr, "all=true").await);
    }
    let is_closing = |frame: &Frame| frame.name() == "hub.closing";
    service.ask_to_end();
    // whoever is the first: all wait at once
    let first = clients.iter_mut().map(|client| Box::pin(client.until("hub.closing", is_closing)));
    drop(futures::future::select_all(first).await);
    let event = json!({"id": "late", "type": "a.b", "data": 1});
    let items = http.publish_ok(&event).await;
    let ready = http.get("/health/ready").await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("draining")));
    assert_eq!(http.get("/health/live").await.status, 200, "nobody is to kill it");
    let mut new = SseClient::connect(addr, "all=true", None).await;
    assert_eq!(new.until("hub.closing", is_closing).await.json()["reason"], "draining");
    assert_eq!(new.transcript().len(), 1, "it was never subscribed");
    let refused = http.get("/events/subscribe?all=true").await;
    assert_eq!(refused.problem(503), "draining");
    assert!(refused.retry_after.is_some());

    let mut still_served = 0;
    for client in &mut clients {
        assert_eq!(client.until_end().await, Ending::Cut);
        let frames = client.transcript();
        assert!(frames.last().is_some_and(is_closing), "{}", client.report());
        assert_eq!(frames.iter().filter(|frame| is_closing(frame)).count(), 1);
        still_served += usize::from(frames.iter().any(Frame::is_event));
    }
    assert!((1..CLIENTS).contains(&still_served), "{still_served} of {CLIENTS} were served after the first was closed");
    assert!(service.ended().await.success());

    service.restart_same_port().await;
    let mut model = Model::default();
    model.acknowledged(&[event], &items);
    let history = model.check_log(&http).await;
    for client in &mut clients {
        client.reconnect_if_behind(1).await;
        history.check_transcript("all=true", 0, client.transcript());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_drain_delay_it_is_not_ready_and_serves_as_before_unless_it_is_told_to_stop_again() {
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store).with("CHAINCAST_DRAIN_DELAY_SECONDS", 600)).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    let mut before = SseClient::live(addr, "all=true").await;
    // as one does who signals the process and its group
    service.ask_to_end();
    service.ask_to_end();
    eventually("draining", async || {
        let ready = http.get("/health/ready").await;
        if (ready.status, ready.json()["status"].as_str()) == (503, Some("draining")) { Ok(()) } else { Err(ready.body) }
    })
    .await;
    let health = http.get("/health").await.json();
    assert_eq!((health["status"].as_str(), health["services"]["hub"]["detail"].as_str()), (Some("degraded"), Some("draining")));
    assert_eq!(http.get("/health/live").await.status, 200, "nobody is to kill it");
    let mut during = SseClient::live(addr, "all=true").await;
    let event = json!({"id": "during", "type": "a.b", "data": 1});
    let items = http.publish_ok(&event).await;
    for client in [&mut before, &mut during] {
        assert_eq!(client.next_event().await.json()["id"], "during", "no hub.closing came first");
    }
    assert_eq!(http.stat("/connections/now").await, 2);
    assert_eq!(service.insist().await.code(), Some(130), "whoever insists does not wait");
    service.restart_same_port().await;
    let mut model = Model::default();
    model.acknowledged(&[event], &items);
    model.check_log(&http).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_drain_delay_clients_are_moved() {
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store).with("CHAINCAST_DRAIN_DELAY_SECONDS", 1)).await;
    let mut client = SseClient::live(service.addr(), "all=true").await;
    service.ask_to_end();
    let closing = client.until("hub.closing", |frame| frame.name() == "hub.closing").await;
    assert_eq!(closing.json()["reason"], "draining");
    assert_eq!(client.until_end().await, Ending::Cut);
    assert!(service.ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_port_is_closed_before_what_is_under_way_is_answered() {
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store).with("CHAINCAST_LOG", "info,actix_server=info")).await;
    let said = |service: &Service, words: &str| service.output().iter().any(|line| line.contains(words));
    let (http, addr) = (Http::new(service.addr()), service.addr());
    let event = json!({"id": "slow", "type": "a.b", "data": 1});
    let body = event.to_string();
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut slow = RawConnection::send(addr, head).await;
    assert_eq!(slow.head().await.status, 100, "it is being handled");
    service.ask_to_end();
    // a proxy that is refused asks another instance; one that is left to wait does not
    let connects = async || match TcpStream::connect(addr).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("refused", connects).await;
    assert!(!said(&service, "accept thread stopped"), "the server still waits for what is under way");
    slow.write(body).await;
    let answer = slow.answer().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(service.ended().await.success());
    assert!(said(&service, "accept thread stopped") && !said(&service, r#""level":"ERROR""#), "{:?}", service.output());
    service.restart_same_port().await;
    let mut model = Model::default();
    model.acknowledged(&[event], &answer.items());
    model.check_log(&http).await;
}
