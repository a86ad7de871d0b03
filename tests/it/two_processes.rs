//! Two processes on one Postgres: one log, whoever writes it and whoever reads it.

use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::{
    resume::QUERIES,
    support::{
        http::Http,
        process::{Service, Settings},
        publisher::{EventMaker, Publisher},
        sse_client::SseClient,
        store::Store,
    },
};

fn batches(events: &[Value], size: usize) -> std::vec::IntoIter<Vec<Value>> {
    events.chunks(size).map(<[Value]>::to_vec).collect::<Vec<_>>().into_iter()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_publish_the_same_ids_at_once_make_no_hole_and_no_reorder() {
    let store = Store::postgres().await;
    let one = Service::start(Settings::on(&store)).await;
    let two = Service::start(Settings::on(&store)).await;
    let mut clients = Vec::new();
    for query in QUERIES {
        for service in [&one, &two] {
            clients.push((query, SseClient::live(service.addr(), query).await));
        }
    }
    // two thirds of each publisher's events are another's as well, cut into other batches
    let events = EventMaker::new("shared").events(900);
    let publishers = [
        Publisher::of_batches(one.addr(), batches(&events[..600], 5)),
        Publisher::of_batches(two.addr(), batches(&events[..600], 7)),
        Publisher::of_batches(one.addr(), batches(&events[300..], 3)),
        Publisher::of_batches(two.addr(), batches(&events[300..], 11)),
    ];
    let mut model = crate::support::model::Model::default();
    for publisher in publishers {
        // merging fails if two were told different seqs for one id
        model.merge(publisher.finished().await);
    }
    assert_eq!((model.len(), model.head()), (900, 900), "each id once, no hole");
    let history = model.check_log(&Http::new(one.addr())).await;
    for (query, client) in &mut clients {
        client.reconnect_if_behind(900).await;
        history.check_transcript(query, 0, client.transcript());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_who_moves_between_processes_misses_and_repeats_nothing() {
    let store = Store::postgres().await;
    let one = Service::start(Settings::on(&store)).await;
    let two = Service::start(Settings::on(&store).with("CHAINCAST_RING_EVENTS", 16)).await;
    let mut client = SseClient::live(one.addr(), "all=true").await;
    let mut publisher = Publisher::start(one.addr(), "moving");
    for round in 1..=10 {
        publisher.acknowledged(round * 30).await;
        client.follow_to(round as u64 * 25).await;
        // the other process may not have seen yet what this cursor has: that is no rewind
        let other = if round % 2 == 0 { one.addr() } else { two.addr() };
        client.reconnect_to(other).await;
    }
    let model = publisher.stop().await;
    client.follow_to(model.head()).await;
    let gaps = client.transcript().iter().filter(|frame| frame.name() == "hub.gap").count();
    assert_eq!(gaps, 0, "{}", client.report());
    model.check_log(&Http::new(two.addr())).await.check_transcript("all=true", 0, client.transcript());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_backplane_can_vanish_what_another_process_commits_is_found_by_looking_at_the_log() {
    let store = Store::postgres().await;
    let one = Service::start(Settings::on(&store).with("CHAINCAST_RING_EVENTS", 16)).await;
    let two = Service::start(Settings::on(&store)).await;
    let http = Http::new(two.addr());
    let mut clients = Vec::new();
    for query in QUERIES {
        clients.push((query, SseClient::live(one.addr(), query).await));
    }
    let mut everything = SseClient::live(one.addr(), "all=true").await;
    // nothing of this is announced to `one`: single events, and more at once than a ring or an update holds
    let mut model = crate::support::model::Model::default();
    for size in [1, 1, 2, 700, 1, 40] {
        let events = EventMaker::new(&format!("unannounced-{size}-{}", model.len())).events(size);
        let items = http.publish_ok(&json!(events)).await;
        model.acknowledged(&events, &items);
        let committed = Instant::now();
        everything.follow_to(model.head()).await;
        // a look is every 400 ms; the rest is a busy machine
        assert!(committed.elapsed() < Duration::from_secs(5), "{:?}", committed.elapsed());
    }
    let history = model.check_log(&Http::new(one.addr())).await;
    history.check_transcript("all=true", 0, everything.transcript());
    for (query, client) in &mut clients {
        client.reconnect_if_behind(model.head()).await;
        history.check_transcript(query, 0, client.transcript());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_ahead_of_an_instance_is_taken_as_it_is() {
    let store = Store::postgres().await;
    let ahead = Service::start(Settings::on(&store)).await;
    let behind = Service::start(Settings::on(&store)).await;
    let (http, other) = (Http::new(ahead.addr()), Http::new(behind.addr()));
    let mut maker = EventMaker::new("ahead");
    let mut model = crate::support::model::Model::default();
    let mut was_behind = 0;
    // which of the two comes first, the subscriber or the look, is chance; it is asked for until the subscriber has come first
    let mut client = SseClient::live(ahead.addr(), "all=true").await;
    for _ in 0..200 {
        let events = maker.events(3);
        let items = http.publish_ok(&json!(events)).await;
        model.acknowledged(&events, &items);
        let presented = items[2]["cursor"].as_str().expect("a cursor").to_owned();
        client.follow_to(model.head()).await;
        client.reconnect_to(behind.addr()).await;
        let open = client.next_frame().await;
        assert_eq!((open.name(), open.id.as_deref()), ("hub.open", Some(&presented[..])), "{}", client.report());
        was_behind += usize::from(other.stat("/log/head").await < model.head());
        // what comes while it is ahead, and what comes after
        let events = maker.events(2);
        let items = http.publish_ok(&json!(events)).await;
        model.acknowledged(&events, &items);
        client.follow_to(model.head()).await;
        client.reconnect_to(ahead.addr()).await;
        if was_behind >= 5 {
            break;
        }
    }
    assert!(was_behind >= 5, "the subscriber came first only {was_behind} times");
    client.until_live().await;
    assert!(client.transcript().iter().all(|frame| frame.name() != "hub.gap"), "{}", client.report());
    model.check_log(&http).await.check_transcript("all=true", 0, client.transcript());
}
