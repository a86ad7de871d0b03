//! **Publishing does not wait for subscribers**, and neither do subscribers for each other: a slow consumer is a cursor, not a queue.

use serde_json::json;

use crate::{
    resume::{publish, publish_these},
    support::{
        http::Http,
        process::{Service, Settings},
        publisher::large_events,
        sse_client::SseClient,
        sse_connection::Manner,
        store::Store,
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_reads_nothing_others_get_each_event_before_the_next_is_published() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store).with("CHAINCAST_WORKERS", 1).with("CHAINCAST_RING_EVENTS", 64)).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    let mut slow = SseClient::connect_as(Manner::SLOW, addr, "all=true", None).await;
    slow.until_live().await;
    let mut others = [SseClient::live(addr, "all=true").await, SseClient::live(addr, "types=a.*").await];
    let events = large_events("large", 40);
    let [one, two] = &mut others;
    let (mut model, ..) = tokio::join!(publish_these(&http, &events), one.follow_to(40), two.follow_to(40));
    http.until_stat("/connections/lagging", |lagging| lagging == 1).await;
    for n in 41..=140 {
        let event = json!({"id": format!("e{n}"), "type": "a.b", "data": n});
        let items = http.publish_ok(&event).await;
        model.acknowledged(&[event], &items);
        for other in &mut others {
            assert_eq!(other.next_event().await.id_seq(), Some(n));
        }
    }
    assert_eq!(http.until_stat("/connections/lagging", |lagging| lagging == 1).await, 1, "it still lags");
    slow.until("the last event", |frame| frame.id_seq() == Some(140)).await;
    let history = model.check_log(&http).await;
    for client in others.iter().chain([&slow]) {
        history.check_transcript("all=true", 0, client.transcript());
    }
    // caught up, it is like any other: told at once
    http.until_stat("/connections/lagging", |lagging| lagging == 0).await;
    http.publish_ok(&json!({"type": "a.b", "data": 1})).await;
    assert_eq!(slow.next_event().await.id_seq(), Some(141));
    assert_eq!(http.stat("/connections/opened").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_nothing_for_too_long_is_closed_as_lagging_and_misses_nothing_when_it_comes_back() {
    let store = Store::sqlite();
    let settings = Settings::on(&store).with("CHAINCAST_NO_PROGRESS_SECONDS", 2).with("CHAINCAST_HEARTBEAT_SECONDS", 1);
    let service = Service::start(settings).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    let mut slow = SseClient::connect_as(Manner::SLOW, addr, "all=true", None).await;
    slow.until_live().await;
    let mut other = SseClient::live(addr, "all=true").await;
    let events = large_events("large", 60);
    let (mut model, ()) = tokio::join!(publish_these(&http, &events), other.follow_to(60));
    http.until_stat("/connections/closed/lagging", |closed| closed == 1).await;
    assert_eq!(http.stat("/connections/now").await, 1, "its room is given back");
    model.merge(publish(&http, "after", 20).await);
    other.follow_to(80).await;
    slow.follow_to(80).await;
    let history = model.check_log(&http).await;
    for client in [&slow, &other] {
        history.check_transcript("all=true", 0, client.transcript());
    }
    assert_eq!(http.stat("/connections/opened").await, 3, "one came back, once");
}
