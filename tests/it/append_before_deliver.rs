//! **Append before deliver**: between the publisher's request and the commit nobody sees anything, however long that takes; after it
//! everybody does, once, whether the publisher was told of it or not.

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::support::{
    fault_proxy::{FaultProxy, Mode},
    http::Http,
    model::Model,
    process::{Service, Settings},
    sse_client::SseClient,
    sse_parser::Frame,
    store::Store,
    wait::eventually,
};

fn ids(client: &SseClient) -> Vec<String> {
    let events = client.transcript().iter().filter(|frame| frame.is_event());
    events.map(|frame: &Frame| frame.json()["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_commit_waits_nobody_sees_its_events_and_the_queue_of_publishers_is_told() {
    let store = Store::postgres().await;
    let settings = || Settings::on(&store).with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 60).with("CHAINCAST_HEARTBEAT_SECONDS", 1);
    let (one, two) = (Service::start(settings()).await, Service::start(settings()).await);
    let http = Http::new(one.addr());
    let mut clients = [SseClient::live(one.addr(), "all=true").await, SseClient::live(two.addr(), "all=true").await];
    let first = json!({"id": "e0", "type": "a.b", "data": 0});
    let mut model = Model::default();
    model.acknowledged(std::slice::from_ref(&first), &http.publish_ok(&first).await);
    for client in &mut clients {
        client.next_event().await;
    }
    // whoever appends waits for this lock
    let mut holder = PgConnection::connect(&store.url()).await.expect("connects");
    let mut transaction = holder.begin().await.expect("begins");
    sqlx::query("SELECT FROM logs FOR UPDATE").execute(&mut *transaction).await.expect("locks");

    let events = [1, 2, 3].map(|n| json!({"id": format!("e{n}"), "type": "a.b", "data": n}));
    let mut publishing = Vec::new();
    for (n, event) in events.iter().enumerate() {
        let (http, event) = (http.clone(), event.clone());
        publishing.push(tokio::spawn(async move { http.publish_ok(&event).await }));
        queue_is(&Http::new(one.addr()), n as u64 + 1).await;
    }
    for client in &mut clients {
        // a heartbeat is written after everything that was there before it
        client.expect_silence_until(http.until_stat("/queues/publishRequests", |queued| queued == 3)).await;
        client.until_heartbeat().await;
        assert_eq!(ids(client), ["e0"], "{}", client.report());
    }
    assert_eq!(http.history("all=true").await.events.len(), 1, "not committed: not in history");
    assert!(publishing.iter().all(|publish| !publish.is_finished()), "not committed: not acknowledged");

    transaction.rollback().await.expect("unlocks");
    for (publish, event) in publishing.into_iter().zip(&events) {
        let items = publish.await.expect("no panic");
        assert_eq!(items[0]["status"], "stored");
        model.acknowledged(std::slice::from_ref(event), &items);
    }
    let history = model.check_log(&http).await;
    for client in &mut clients {
        client.follow_to(4).await;
        history.check_transcript("all=true", 0, client.transcript());
    }
    queue_is(&http, 0).await;
}

async fn queue_is(http: &Http, wanted: u64) {
    http.until_stat("/queues/publishRequests", |queued| queued == wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_delivered_once_and_acknowledged_as_stored() {
    let store = Store::postgres().await;
    let proxy = FaultProxy::before(&store.url()).await;
    let cut_off = Service::start(Settings::at(&proxy.url()).with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1)).await;
    let other = Service::start(Settings::on(&store)).await;
    let http = Http::new(cut_off.addr());
    let mut here = SseClient::live(cut_off.addr(), "all=true").await;
    let mut there = SseClient::live(other.addr(), "all=true").await;
    let before = json!({"id": "before", "type": "a.b", "data": 0});
    let mut model = Model::default();
    let items = http.publish_ok(&before).await;
    model.acknowledged(&[before], &items);
    here.next_event().await;

    proxy.set(Mode::Unanswered);
    let event = json!({"id": "unheard", "type": "a.b", "data": 1});
    let publishing = tokio::spawn({
        let (http, event) = (http.clone(), event.clone());
        async move { http.publish(&event).await }
    });
    // it is committed: an instance that can ask the log tells of it
    there.follow_to(2).await;
    assert_eq!(ids(&there), ["before", "unheard"]);
    assert!(!publishing.is_finished(), "nobody knows here");
    eventually("given up once", async || {
        let told = cut_off.output().iter().any(|line| line.contains("outcome is unknown; repeating"));
        if told { Ok(()) } else { Err("the first try still waits".to_owned()) }
    })
    .await;
    proxy.set(Mode::Pass);
    let answer = publishing.await.expect("no panic");
    assert_eq!(answer.status, 201, "its own earlier try is no duplicate: {answer:?}");
    assert_eq!(answer.items()[0]["status"], "stored");
    model.acknowledged(&[event], &answer.items());
    here.follow_to(2).await;
    let last = json!({"id": "after", "type": "a.b", "data": 2});
    let items = http.publish_ok(&last).await;
    model.acknowledged(&[last], &items);
    let history = model.check_log(&http).await;
    for client in [&mut here, &mut there] {
        client.follow_to(3).await;
        assert_eq!(ids(client), ["before", "unheard", "after"]);
        history.check_transcript("all=true", 0, client.transcript());
    }
}
