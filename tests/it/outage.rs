//! **The database can vanish**: refused, reset, or silent. Live connections stay, cursors within the ring are served, publishing gets 503
//! with `Retry-After`, and it heals by itself.

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::{
    resume::publish,
    support::{
        fault_proxy::{FaultProxy, Mode},
        http::Http,
        process::{Service, Settings},
        publisher::Publisher,
        sse_client::SseClient,
        sse_parser::Frame,
        store::Store,
        wait::eventually,
    },
};

struct Scene {
    service: Service,
    http: Http,
    proxy: FaultProxy,
    _store: Store,
}

async fn start() -> Scene {
    let store = Store::postgres().await;
    let proxy = FaultProxy::before(&store.url()).await;
    let settings = Settings::at(&proxy.url()).with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1).with("CHAINCAST_HEARTBEAT_SECONDS", 1);
    let service = Service::start(settings).await;
    let http = Http::new(service.addr());
    Scene { service, http, proxy, _store: store }
}

async fn is_survived(mode: Mode) {
    let Scene { service, http, proxy, _store } = start().await;
    outlives(service, http, |there| proxy.set(if there { Mode::Pass } else { mode })).await;
}

/// Takes the store away with `set(false)`, and gives it back with `set(true)`.
async fn outlives(mut service: Service, http: Http, set: impl Fn(bool)) {
    let addr = service.addr();
    let mut live = SseClient::live(addr, "all=true").await;
    let mut model = publish(&http, "before", 21).await;
    live.follow_to(21).await;
    let cursor = live.transcript().iter().find(|frame| frame.id_seq() == Some(10)).and_then(|frame| frame.id.clone()).expect("sent");

    set(false);
    let event = json!({"id": "during", "type": "a.b", "data": 1});
    model.publishing(std::slice::from_ref(&event));
    for _ in 0..3 {
        let refused = http.publish(&event).await;
        let code = refused.problem(503);
        assert!(matches!(&code[..], "unavailable" | "outcome_unknown" | "overloaded"), "{code}");
        assert!(refused.retry_after.is_some(), "{refused:?}");
    }
    // live connections stay
    live.until_heartbeat().await;
    // cursors within the ring are served, and new subscriptions too
    let mut back = SseClient::connect(addr, "all=true", Some(&cursor)).await;
    back.until_live().await;
    back.follow_to(21).await;
    let seqs: Vec<u64> = back.transcript().iter().filter(|frame| frame.is_event()).filter_map(Frame::id_seq).collect();
    assert_eq!(seqs, (11..=21).collect::<Vec<_>>());
    let mut new = SseClient::live(addr, "streams=3").await;
    // it says what is wrong, and is not wrong itself
    assert_eq!(http.get("/health/live").await.status, 200);
    eventually("not healthy", async || {
        let status = http.get("/health").await.json()["status"].clone();
        if status == "healthy" { Err(status.to_string()) } else { Ok(()) }
    })
    .await;

    set(true);
    let items = eventually("healed", async || {
        let answer = http.publish(&event).await;
        if matches!(answer.status, 200 | 201) { Ok(answer.items()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    model.acknowledged(&[event], &items);
    model.merge(publish(&http, "after", 21).await);
    let history = model.check_log(&http).await;
    assert_eq!(history.head(), 43, "what was tried often is stored once");
    for (client, query, after) in [(&mut live, "all=true", 0), (&mut back, "all=true", 10)] {
        client.until("the last event", |frame| frame.id_seq() == Some(43)).await;
        history.check_transcript(query, after, client.transcript());
    }
    new.until("the last cursor", |frame| frame.id_seq() == Some(43)).await;
    history.check_transcript("streams=3", 21, new.transcript());
    eventually("healthy", async || {
        let health: Value = http.get("/health").await.json();
        if health["status"] == "healthy" { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
    assert_eq!(http.stat("/connections/opened").await, 3, "nobody had to come back");
    assert!(service.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_can_vanish_as_a_file_that_is_moved_away_and_come_back() {
    let store = Store::sqlite();
    let (file, aside) = (store.sqlite_file(), store.sqlite_file().with_extension("aside"));
    let service =
        Service::start(Settings::on(&store).with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1).with("CHAINCAST_HEARTBEAT_SECONDS", 1)).await;
    let http = Http::new(service.addr());
    outlives(service, http, |there| {
        let (from, to) = if there { (&aside, &file) } else { (&file, &aside) };
        std::fs::rename(from, to).expect("a file of this test's own");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_program_keeps_locked_refuses_publishing_until_it_is_let_go() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store).with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1)).await;
    let http = Http::new(service.addr());
    let mut model = publish(&http, "before", 3).await;
    let mut live = SseClient::live(service.addr(), "all=true").await;

    let mut other = SqliteConnection::connect(&store.url()).await.expect("the same file");
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("nobody writes");
    let event = json!({"id": "during", "type": "a.b", "data": 1});
    model.publishing(std::slice::from_ref(&event));
    let refused = http.publish(&event).await;
    refused.problem(503);
    assert!(refused.retry_after.is_some(), "{refused:?}");
    assert_eq!(http.history("all=true").await.events.len(), 3, "readers are not locked out");

    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("its own transaction");
    let items = http.publish_ok(&event).await;
    model.acknowledged(&[event], &items);
    live.follow_to(4).await;
    model.check_log(&http).await.check_transcript("all=true", 3, live.transcript());
}

/// The one line of the log about a request.
async fn line_about(service: &Service, id: &str) -> Value {
    let lines = eventually("a line about the request", async || {
        let about: Vec<String> = service.output().into_iter().filter(|line| line.contains(id)).collect();
        if about.is_empty() { Err("none".to_owned()) } else { Ok(about) }
    })
    .await;
    let [line] = &lines[..] else { panic!("one line: {lines:?}") };
    serde_json::from_str(line).expect("an object")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_that_the_store_did_not_take_is_found_in_the_log_by_the_id_that_its_client_was_told() {
    let store = Store::postgres().await;
    let proxy = FaultProxy::before(&store.url()).await;
    let settings = Settings::at(&proxy.url()).with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1).with("CHAINCAST_LOG_FORMAT", "json");
    let service = Service::start(settings).await;
    let http = Http::new(service.addr());
    http.publish_ok(&json!({"type": "a.b", "data": 1})).await;
    proxy.set(Mode::Silent);
    let refused = http.publish(&json!({"id": "during", "type": "a.b", "data": 1})).await;
    let (code, body) = (refused.problem(503), refused.json());
    let line = line_about(&service, body["requestId"].as_str().expect("told")).await;
    let said = json!({
        "level": "WARN", "message": "request not served", "method": "POST", "route": "/events", "status": 503, "code": code,
        "request_id": body["requestId"], "trace_id": body["traceId"],
    });
    for (name, value) in said.as_object().expect("an object") {
        assert_eq!(&line[name], value, "{name} of {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_setting_that_shows_every_request_says_what_its_client_did_wrong() {
    let store = Store::sqlite();
    let settings = Settings::on(&store).with("CHAINCAST_LOG_FORMAT", "json").with("CHAINCAST_LOG", "info,chaincast::http::observe=debug");
    let service = Service::start(settings).await;
    let refused = Http::new(service.addr()).get("/events?streems=1").await;
    let code = refused.problem(400);
    let line = line_about(&service, refused.json()["requestId"].as_str().expect("told")).await;
    assert_eq!((&line["code"], &line["status"], &line["route"]), (&code.into(), &400.into(), &"/events".into()), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_can_vanish_by_refusing_and_come_back() {
    is_survived(Mode::Refuse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_can_vanish_by_resetting_and_come_back() {
    is_survived(Mode::Reset).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_can_vanish_silently_and_come_back() {
    is_survived(Mode::Silent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_in_quick_succession_under_load_lose_repeat_and_reorder_nothing() {
    let scene = start().await;
    let addr = scene.service.addr();
    let mut client = SseClient::live(addr, "all=true").await;
    let mut publisher = Publisher::start(addr, "storm");
    let faults = [Mode::Reset, Mode::Delay(std::time::Duration::from_millis(20)), Mode::Silent, Mode::Refuse, Mode::Reset, Mode::Silent];
    for fault in faults {
        let wanted = publisher.count() + 20;
        publisher.acknowledged(wanted).await;
        scene.proxy.set(fault);
        // until the fault has been felt
        eventually("felt", async || {
            let health = scene.http.get("/health").await.json();
            let felt = matches!(fault, Mode::Delay(_)) || health["status"] != "healthy";
            if felt { Ok(()) } else { Err(health.to_string()) }
        })
        .await;
        scene.proxy.set(Mode::Pass);
    }
    let wanted = publisher.count() + 20;
    publisher.acknowledged(wanted).await;
    let model = publisher.stop().await;
    client.follow_to(model.head()).await;
    model.check_log(&scene.http).await.check_transcript("all=true", 0, client.transcript());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_behind_the_ring_waits_out_the_outage_and_misses_nothing() {
    let store = Store::postgres().await;
    let proxy = FaultProxy::before(&store.url()).await;
    let settings = Settings::at(&proxy.url())
        .with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1)
        .with("CHAINCAST_RING_EVENTS", 16)
        .with("CHAINCAST_HEARTBEAT_SECONDS", 1);
    let service = Service::start(settings).await;
    let http = Http::new(service.addr());
    let model = publish(&http, "deep", 300).await;
    proxy.set(Mode::Refuse);
    http.publish(&json!({"type": "a.b", "data": 1})).await.problem(503);
    // refused for now or held: both are answered with a stream, and both end in replay
    let mut client = SseClient::connect(service.addr(), "all=true&last_event_id=1", None).await;
    client.next_frame().await;
    // what is said to keep the connection alive must not take its cursor past what it still has to get
    client.until_heartbeat().await;
    proxy.set(Mode::Pass);
    client.follow_until("the last event", |frame| frame.id_seq() == Some(300)).await;
    let history = model.check_log(&http).await;
    history.check_transcript("all=true", 1, client.transcript());
}
