//! A publish is followed from its request to its dispatch on every instance, by ids in the log and by spans at a collector; and a collector that is
//! away is nobody's trouble.

use std::{io::ErrorKind, net::TcpListener};

use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::support::{
    access::Issuer,
    collector::{Collector, Told, hex},
    http::Http,
    process::{Service, Settings, free_port},
    raw::{RawConnection, request},
    redis::RedisServer,
    sse_client::SseClient,
    store::Store,
    wait::{PATIENCE, eventually},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// A share that takes nothing by itself.
const RARELY: &str = "0.000000001";
const SPAN: &str = "00f067aa0ba902b7";

fn settings(store: &Store, collector: &Collector, name: &str) -> Settings {
    Settings::on(store)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .with("OTEL_RESOURCE_ATTRIBUTES", format!("service.instance.id={name}"))
        .with("CHAINCAST_TRACE_RATIO", RARELY)
}

/// Headers of a request that is part of a trace.
fn part_of(trace: &str, flags: &str) -> Vec<(&'static str, String)> {
    vec![("traceparent", format!("00-{trace}-{SPAN}-{flags}")), ("tracestate", "vendor=opaque".to_owned())]
}

fn named<'a>(told: &'a [Told], name: &str) -> Vec<&'a Told> {
    told.iter().filter(|told| told.span.name == name).collect()
}

/// Publishes on one of two instances, and returns what is told of it.
async fn publish_on_one_of_two(one: Settings, two: Settings, collector: &Collector) -> Vec<Told> {
    let (one, two) = (Service::start(one).await, Service::start(two).await);
    for service in [&one, &two] {
        Http::new(service.addr()).until_stat("/backplane/peers", |peers| peers == 1).await;
    }
    let mut clients = Vec::new();
    for service in [&one, &two, &two, &two] {
        clients.push(SseClient::live(service.addr(), "streams=secret-stream").await);
    }
    let events = json!([
        {"id": "secret-id", "type": "secret.type", "streams": ["secret-stream"], "data": {"secret": 1}},
        {"id": "secret-id-2", "type": "secret.type", "streams": ["secret-stream"], "topics": ["secret.topic"], "users": ["secret-user"], "data": 1},
    ]);
    let answer = Http::new(one.addr()).post_with("/events", &part_of(TRACE, "01"), &events.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    for client in &mut clients {
        let frames = client.next_events(2).await;
        assert!(frames.iter().all(|frame| !format!("{frame:?}").contains(TRACE)), "what subscribers get has not changed");
    }
    let is_by = |told: &[Told], name: &str, by: &str| named(told, name).iter().any(|told| told.by == by);
    collector
        .until_trace(TRACE, "told of the request and both dispatches", |told| {
            is_by(told, "POST /events", "one") && is_by(told, "dispatch", "one") && is_by(told, "dispatch", "two")
        })
        .await
}

fn check(told: &[Told]) {
    let [server] = named(told, "POST /events")[..] else { panic!("{told:?}") };
    let [commit] = named(told, "commit")[..] else { panic!("{told:?}") };
    let [append] = named(told, "append")[..] else { panic!("{told:?}") };
    assert_eq!((hex(&server.span.parent_span_id), &*server.by, server.span.kind), (SPAN.to_owned(), "one", 2));
    assert_eq!((&commit.span.parent_span_id, &append.span.parent_span_id), (&server.span.span_id, &commit.span.span_id));
    assert_eq!((&commit.span.links[0].span_id, &server.span.links[0].span_id), (&server.span.span_id, &commit.span.span_id));
    assert_eq!(commit.span.events[0].name, "announced");
    let dispatches = named(told, "dispatch");
    assert!(dispatches.len() <= 4, "one a shard, not one a connection: {dispatches:?}");
    for dispatch in dispatches {
        assert_eq!(dispatch.span.parent_span_id, commit.span.span_id);
        assert!(dispatch.span.start_time_unix_nano <= dispatch.span.end_time_unix_nano);
    }
    assert!(told.iter().all(|told| told.span.trace_state == "vendor=opaque"), "{told:?}");
    assert!(!format!("{told:?}").contains("secret"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_is_one_trace_from_its_request_to_its_dispatch_on_every_instance_over_redis() {
    let (store, redis, collector) = (Store::postgres().await, RedisServer::start().await, Collector::start());
    let settings = |name| settings(&store, &collector, name).with("REDIS_URL", redis.url());
    check(&publish_on_one_of_two(settings("one"), settings("two"), &collector).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_is_one_trace_from_its_request_to_its_dispatch_on_every_instance_over_postgres() {
    let (store, collector) = (Store::postgres().await, Collector::start());
    let settings = |name| settings(&store, &collector, name).with("CHAINCAST_BACKPLANE", "postgres");
    check(&publish_on_one_of_two(settings("one"), settings("two"), &collector).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sampled_is_not_exported_and_what_is_waits_no_longer_than_the_end() {
    let (store, collector) = (Store::sqlite(), Collector::start());
    let mut service = Service::start(settings(&store, &collector, "one").with("CHAINCAST_OTLP_HEADERS", "api-key=hunter%202")).await;
    let http = Http::new(service.addr());
    let _client = SseClient::live(service.addr(), "all=true").await;
    http.publish_ok(&json!({"type": "a.b"})).await;
    let unsampled = TRACE.replace('4', "5");
    http.post_with("/events", &part_of(&unsampled, "00"), r#"{"type":"a.b"}"#).await;
    http.post_with("/events", &part_of("not-a-trace", "01"), r#"{"type":"a.b"}"#).await;
    http.post_with("/events", &part_of(TRACE, "01"), r#"{"type":"a.b"}"#).await;
    assert!(service.terminate().await.success());
    let told = collector.told();
    assert!(!named(&told, "POST /events").is_empty() && !named(&told, "commit").is_empty(), "{told:?}");
    assert!(told.iter().all(|told| hex(&told.span.trace_id) == TRACE), "{told:?}");
    assert!(collector.heads().iter().all(|head| head.contains("api-key: hunter 2\r\n")));
    assert!(service.output().iter().all(|line| !line.contains("hunter")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_on_this_machine_is_reached_without_the_proxy_of_the_environment() {
    let (store, collector) = (Store::sqlite(), Collector::start());
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    proxy.set_nonblocking(true).expect("can be asked");
    let url = format!("http://{}", proxy.local_addr().expect("bound"));
    let settings = ["http_proxy", "HTTP_PROXY", "ALL_PROXY"]
        .into_iter()
        .fold(settings(&store, &collector, "one"), |settings, name| settings.with(name, &url));
    let mut service = Service::start(settings.with("NO_PROXY", "").with("CHAINCAST_TRACE_RATIO", 1)).await;
    Http::new(service.addr()).publish_ok(&json!({"type": "a.b"})).await;
    assert!(service.terminate().await.success());
    assert!(!collector.told().is_empty());
    assert_eq!(proxy.accept().expect_err("not asked").kind(), ErrorKind::WouldBlock);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_credential_gets_no_spans_for_the_asking_and_nothing_gets_any_where_the_share_is_none() {
    let issuer = Issuer::new();
    let token = issuer.rights("default", "root", &json!({"publish": {"types": ["**"]}, "source": "default"}));
    for (ratio, routes) in [(RARELY, &["POST /events"][..]), ("0", &[])] {
        let (store, collector) = (Store::sqlite(), Collector::start());
        let settings = settings(&store, &collector, "one").with("CHAINCAST_TRACE_RATIO", ratio);
        let mut service = Service::start(issuer.trusted_by(settings)).await;
        let http = Http::new(service.addr());
        let with = |token: &str| {
            let mut headers = part_of(TRACE, "01");
            headers.push(("authorization", format!("Bearer {token}")));
            headers
        };
        for (path, headers, status) in [
            ("/events", part_of(TRACE, "01"), 401),
            ("/events", with("no-token"), 401),
            ("/nothing", with("no-token"), 404),
            ("/nothing", with(&token), 404),
            ("/events", with(&token), 201),
        ] {
            let answer = http.post_with(path, &headers, r#"{"type":"a.b"}"#).await;
            assert_eq!(answer.status, status, "{path} {answer:?}");
        }
        assert!(service.terminate().await.success());
        let told = collector.told();
        let requests: Vec<_> = told.iter().map(|told| &told.span.name[..]).filter(|name| name.contains('/')).collect();
        assert_eq!(requests, routes, "{ratio}: {told:?}");
        assert_eq!(told.is_empty(), routes.is_empty(), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_without_a_collector_makes_nothing_of_a_trace_but_its_id_in_lines() {
    let (store, collector) = (Store::postgres().await, Collector::start());
    let alone = Settings::on(&store).with("CHAINCAST_BACKPLANE", "postgres").with("CHAINCAST_LOG", "debug,sqlx=warn");
    let with = settings(&store, &collector, "two").with("CHAINCAST_BACKPLANE", "postgres");
    let (one, mut two) = (Service::start(alone).await, Service::start(with).await);
    let http = Http::new(one.addr());
    http.until_stat("/backplane/peers", |peers| peers == 1).await;
    let mut client = SseClient::live(two.addr(), "all=true").await;
    let sent = http.stat("/backplane/sent").await;
    let answer = http.post_with("/events", &part_of(TRACE, "01"), r#"{"type":"a.b"}"#).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    client.next_event().await;
    let messages = http.until_stat("/backplane/sent", |now| now > sent).await - sent;
    assert!(two.terminate().await.success());
    assert_eq!((messages, collector.told().len()), (1, 0));
    assert!(one.output().iter().any(|line| line.contains("\"committed\"") && line.contains(TRACE)));
}

/// A publish goes on, and an end comes, whatever the collector does.
async fn goes_on_without(endpoint: &str) -> Vec<String> {
    let store = Store::sqlite();
    let settings = Settings::on(&store).with("CHAINCAST_OTLP_ENDPOINT", endpoint).with("CHAINCAST_DRAIN_SECONDS", 0);
    let mut service = Service::start(settings).await;
    let http = Http::new(service.addr());
    let mut client = SseClient::live(service.addr(), "all=true").await;
    for n in 0..50 {
        http.publish_ok(&json!({"type": "a.b", "data": n})).await;
    }
    client.next_events(50).await;
    assert!(service.terminate().await.success());
    service.output()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_delays_nothing() {
    let lines = goes_on_without(&format!("http://127.0.0.1:{}", free_port())).await;
    let said: Vec<&String> = lines.iter().filter(|line| line.contains("the collector of traces does not take them")).collect();
    let [said] = said[..] else { panic!("said once, and not once a message: {lines:?}") };
    let said: Value = serde_json::from_str(said).expect("an object");
    assert!(said["held"].as_u64() > Some(0) && said["dropped"] == 0, "nothing is lost yet: {said}");
    let last = lines.iter().find(|line| line.contains("no more traces are sent")).expect("told");
    let last: Value = serde_json::from_str(last).expect("an object");
    assert!(last["dropped"].as_u64() >= Some(100) && last["exported"] == 0, "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_delays_no_more_than_the_last_moment() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let lines = goes_on_without(&format!("http://{}", silent.local_addr().expect("bound"))).await;
    assert!(lines.iter().any(|line| line.contains("\"stopped\"")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_about_a_request_have_its_id_and_its_traces_and_cannot_be_forged() {
    let store = Store::sqlite();
    let collector = Collector::start();
    let service = Service::start(settings(&store, &collector, "one").with("CHAINCAST_LOG", "debug,sqlx=warn,ureq=warn")).await;
    let mut client = SseClient::live(service.addr(), "all=true").await;
    let http = Http::new(service.addr());
    let mut headers = part_of(TRACE, "01");
    headers.push(("x-request-id", "req-7".to_owned()));
    let refused = http.post_with("/events", &headers, "{").await;
    let problem = refused.json();
    assert_eq!((refused.status, &problem["requestId"], &problem["traceId"]), (400, &json!("req-7"), &json!(TRACE)));
    http.post_with("/events", &headers, r#"{"type":"a.b"}"#).await;
    client.next_event().await;
    // what is no id is replaced, so that nothing of it reaches a line
    let forged = "X-Request-Id: x\",\"level\":\"ERROR\r\nTraceparent: 00-\u{1b}[31m\r\n";
    RawConnection::send(service.addr(), request("GET", "/events?forged", service.addr(), forged, b"")).await.answer().await;
    let lines = eventually("told of", async || {
        let lines = service.output();
        let is_told = |what: &str| lines.iter().any(|line| line.contains(what));
        if is_told("\"dispatched\"") && is_told("\"status\":400") { Ok(lines.clone()) } else { Err(format!("{lines:?}")) }
    })
    .await;
    let objects: Vec<Map<String, Value>> = lines.iter().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    assert!(objects.iter().flat_map(Map::values).all(|value| !value.is_object() && !value.is_array()), "{objects:?}");
    let about: Vec<_> = objects.iter().filter(|object| object.get("request_id") == Some(&json!("req-7"))).collect();
    assert!(about.len() >= 2 && about.iter().all(|object| object["trace_id"] == TRACE), "{about:?}");
    assert!(about.iter().any(|object| object.get("status") == Some(&json!(400))), "{about:?}");
    let said = |message: &'static str| objects.iter().filter(move |object| object.get("message") == Some(&json!(message)));
    assert!(said("committed").any(|object| object["trace_ids"] == TRACE), "{lines:?}");
    assert!(said("dispatched").all(|object| object["trace_id"] == TRACE && object.contains_key("matched")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains('\u{1b}') || line.contains("x\\\"")), "{lines:?}");
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_ends_the_start_and_is_not_repeated() {
    let store = Store::sqlite();
    for (name, value) in [("OTLP_ENDPOINT", "http://user:hunter2@collector:4318"), ("OTLP_HEADERS", "hunter2"), ("TRACE_RATIO", "2")] {
        let settings =
            Settings::on(&store).with("CHAINCAST_OTLP_ENDPOINT", "http://localhost:4318").with(&format!("CHAINCAST_{name}"), value);
        let home = tempfile::TempDir::new().expect("a temporary directory");
        let mut command = settings.command();
        command.current_dir(home.path()).env("CHAINCAST_LISTEN", "127.0.0.1:0");
        let run = tokio::task::spawn_blocking(move || command.output());
        let output = timeout(PATIENCE, run).await.expect("ends").expect("no panic").expect("starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !said.contains("hunter2"), "{said}");
        assert!(said.contains(name) || said.contains("trace-ratio"), "{said}");
    }
}
