//! Two processes on one Postgres: one log, whoever writes it and whoever reads it.

use serde_json::Value;

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
