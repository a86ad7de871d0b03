//! Coming back: **exactly the matching events, once each, in order**, wherever the cursor lies and however often the connection breaks.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{
    http::Http,
    model::Model,
    process::{Service, Settings},
    publisher::{EventMaker, Publisher},
    sse_client::SseClient,
    sse_parser::seq_of,
    store::{Store, for_each_store},
};

/// What the subscribers of these scenarios ask for; between them every kind of selector.
pub(crate) const QUERIES: [&str; 8] = [
    "all=true",
    "streams=3",
    "streams=1,2&streams=7",
    "users=GUSER4",
    "topics=market.price.CF5",
    "topics=market.**&types=stream.*",
    "types=*.created,pot.**",
    "streams=0&users=GUSER1&topics=*.price.CF2",
];

/// Publishes `n` events in small batches, and returns what was told of them.
pub(crate) async fn publish(http: &Http, prefix: &str, n: usize) -> Model {
    let mut model = Model::default();
    for batch in EventMaker::new(prefix).events(n).chunks(7) {
        let items = http.publish_ok(&json!(batch)).await;
        model.acknowledged(batch, &items);
    }
    model
}

/// Settings with one shard: what one client has seen by way of it, every other client finds in it.
///
/// Publishing does not wait for the fan-out. Who comes right after it may be live before its shard has heard of the last events, and gets them as live.
pub(crate) fn of_one_shard(settings: Settings) -> Settings {
    settings.with("CHAINCAST_WORKERS", 1)
}

/// Settings with which also a client to whom nothing matches is soon told how far the log has come.
fn that_tells_soon(settings: Settings) -> Settings {
    settings.with("CHAINCAST_HEARTBEAT_SECONDS", 1)
}

/// Publishes `n` events to a log that has none, on a service [`of_one_shard`], and waits until the shard has them.
pub(crate) async fn publish_and_see(http: &Http, addr: SocketAddr, prefix: &str, n: usize) -> Model {
    let mut follower = SseClient::live(addr, "all=true").await;
    let model = publish(http, prefix, n).await;
    follower.follow_to(model.head()).await;
    model
}

/// Publishes these events, a few at a time.
pub(crate) async fn publish_these(http: &Http, events: &[Value]) -> Model {
    let mut model = Model::default();
    for batch in events.chunks(20) {
        let items = http.publish_ok(&json!(batch)).await;
        model.acknowledged(batch, &items);
    }
    model
}

/// The cursor of the first frame.
fn start_of(client: &SseClient) -> u64 {
    client.transcript()[0].id_seq().expect("every client owns a cursor from its first frame")
}

for_each_store! {
    async fn exactly_the_matching_events_once_each_in_order_across_every_reconnect(store: Store) {
        let service = Service::start(that_tells_soon(Settings::on(&store)).with("CHAINCAST_RING_EVENTS", 64)).await;
        let http = Http::new(service.addr());
        let mut publisher = Publisher::start(service.addr(), "many");
        let mut clients = Vec::new();
        for query in QUERIES {
            clients.push(SseClient::connect(service.addr(), query, None).await);
        }
        let mut random = fastrand::Rng::with_seed(11);
        for round in 1..=12 {
            publisher.acknowledged(round * 60).await;
            for client in &mut clients {
                // some are left behind the ring, some break in the middle of what they are sent
                if random.bool() {
                    let wanted = client.last_id().map_or(0, seq_of) + random.u64(0..8);
                    client.follow_to(wanted).await;
                    client.reconnect().await;
                }
            }
        }
        let model = publisher.stop().await;
        let history = model.check_log(&http).await;
        for (client, query) in clients.iter_mut().zip(QUERIES) {
            client.reconnect().await;
            client.until_live().await;
            client.follow_to(history.head()).await;
            let start = start_of(client);
            history.check_transcript(query, start, client.transcript());
            let end = client.transcript().last().and_then(|frame| frame.id_seq());
            assert_eq!(end, Some(history.head()), "{query}");
        }
    }

    async fn a_reconnect_within_the_ring_misses_and_repeats_nothing(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        let mut client = SseClient::live(service.addr(), "all=true").await;
        let mut model = publish(&http, "before", 20).await;
        client.follow_to(20).await;
        let cursor = client.last_id().expect("a cursor").to_owned();
        drop(client);
        model.merge(publish(&http, "meanwhile", 20).await);
        let mut client = SseClient::connect(service.addr(), "all=true", Some(&cursor)).await;
        client.until_live().await;
        // publishing does not wait for the fan-out, so the last of them may come as live
        client.follow_to(40).await;
        model.check_log(&http).await.check_transcript("all=true", 20, client.transcript());
    }

    async fn a_reconnect_far_behind_the_ring_reads_the_log_and_gets_the_same_bytes(store: Store) {
        let service = Service::start(of_one_shard(Settings::on(&store)).with("CHAINCAST_RING_EVENTS", 16)).await;
        let http = Http::new(service.addr());
        let mut live = SseClient::live(service.addr(), "all=true").await;
        let model = publish(&http, "deep", 2_000).await;
        live.follow_to(2_000).await;
        let history = model.check_log(&http).await;
        history.check_transcript("all=true", 0, live.transcript());
        for query in QUERIES {
            let mut client = SseClient::connect(service.addr(), &format!("{query}&last_event_id=earliest"), None).await;
            client.until_live().await;
            history.check_transcript(query, 0, client.transcript());
            assert_eq!(client.transcript().last().and_then(|frame| frame.id_seq()), Some(2_000));
        }
    }

    async fn a_reconnect_after_a_restart_misses_and_repeats_nothing(store: Store) {
        let mut service = Service::start(that_tells_soon(Settings::on(&store))).await;
        let http = Http::new(service.addr());
        let mut clients = Vec::new();
        for query in QUERIES {
            clients.push(SseClient::live(service.addr(), query).await);
        }
        let mut model = publish(&http, "first", 50).await;
        for round in ["second", "third"] {
            service.terminate().await;
            service.restart_same_port().await;
            model.merge(publish(&http, round, 50).await);
        }
        let history = model.check_log(&http).await;
        assert_eq!(history.head(), 150);
        for (client, query) in clients.iter_mut().zip(QUERIES) {
            client.follow_to(150).await;
            history.check_transcript(query, 0, client.transcript());
        }
    }

    async fn a_start_can_be_a_bare_seq_earliest_now_or_a_time(store: Store) {
        let service = Service::start(of_one_shard(Settings::on(&store))).await;
        let (http, addr) = (Http::new(service.addr()), service.addr());
        let model = publish_and_see(&http, addr, "starts", 30).await;
        let history = model.check_log(&http).await;
        let received = |seq: u64| -> String {
            let event: serde_json::Value = serde_json::from_str(history.at(seq)).expect("JSON");
            event["receivedAt"].as_str().expect("a time").to_owned()
        };
        // a batch is received at once, so the first of those with the same time is where `since` begins
        let time = received(15);
        let first = (1..=30).find(|&seq| received(seq) == time).expect("15 at the latest");
        for (query, header, after) in [
            ("all=true&last_event_id=12".to_owned(), None, 12),
            ("all=true&lastEventId=12".to_owned(), None, 12),
            ("all=true&last_event_id=earliest".to_owned(), None, 0),
            (format!("all=true&since={time}"), None, first - 1),
            ("all=true&since=2020-01-01T00:00:00%2B01:00".to_owned(), None, 0),
            ("all=true&last_event_id=now".to_owned(), None, 30),
            ("all=true".to_owned(), None, 30),
            ("all=true&last_event_id=5".to_owned(), Some("20"), 20),
            (format!("all=true&last_event_id=25&since={time}"), None, 25),
        ] {
            let mut client = SseClient::connect(addr, &query, header).await;
            let live = client.until_live().await;
            assert_eq!(live.json()["replayed"], 30 - after, "{query}");
            assert_eq!(client.transcript()[0].id_seq(), Some(after), "{query}");
            history.check_transcript("all=true", after, client.transcript());
        }
    }

    async fn history_pages_move_even_when_nothing_matches(store: Store) {
        let service = Service::start(of_one_shard(Settings::on(&store))).await;
        let http = Http::new(service.addr());
        let model = publish_and_see(&http, service.addr(), "pages", 100).await;
        let history = model.check_log(&http).await;
        let empty = http.history("streams=nobody&last_event_id=earliest&limit=10").await;
        assert!(empty.events.is_empty() && empty.gap.is_none());
        assert_eq!(seq_of(&empty.next_event_id), 100);
        for query in QUERIES {
            let paged = http.whole_history(query, "earliest").await;
            let mut client = SseClient::connect(service.addr(), &format!("{query}&last_event_id=0"), None).await;
            client.until_live().await;
            history.check_transcript(query, 0, client.transcript());
            let streamed: Vec<_> = client.transcript().iter().filter(|frame| frame.is_event()).map(|frame| frame.data.clone()).collect();
            assert_eq!(paged, streamed, "{query}: polling and streaming are one log");
        }
    }
}
