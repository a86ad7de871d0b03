//! **Drain, don't drop.** A restart is told to every client, over a window, and costs none of them an event.

use crate::{
    resume::QUERIES,
    support::{
        http::Http,
        process::{Service, Settings},
        publisher::Publisher,
        sse_client::SseClient,
        sse_connection::Ending,
        store::{Store, for_each_store},
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
