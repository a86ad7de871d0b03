//! The reverse proxies of `deploy/` before a real service: streams pass as they come, and end as a browser needs it.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{
    http::Http,
    process::{Service, Settings},
    proxy::{Kind, Proxy},
    store::Store,
    wait::eventually,
};

const SECRET: &str = "SECRETMARK";
const STREAM: &str = "/v1/events/subscribe?all=true";
const EVENT_STREAM: [&str; 2] = ["-H", "Accept: text/event-stream"];

async fn publish(http: &Http, id: &str) {
    http.publish_ok(&json!({"id": id, "type": "a.b", "data": null})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_passes_streams_on_as_they_come_and_says_nothing_of_tokens() {
    behaves(Kind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_passes_streams_on_as_they_come_and_says_nothing_of_tokens() {
    behaves(Kind::Caddy).await;
}

async fn behaves(kind: Kind) {
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store).with("CHAINCAST_INSECURE_OPEN", 1)).await;
    let http = Http::new(service.addr());
    let proxy = Proxy::start(kind, service.addr()).await;
    passes_on(&proxy, &http).await;
    keeps_to_limits(&proxy);
    service.kill_9();
    bears_a_lost_instance(&proxy).await;
    replaces_what_a_client_says_of_itself(&proxy, service.addr()).await;
    eventually("logged", async || if proxy.logs().contains("/events/subscribe") { Ok(()) } else { Err(proxy.logs()) }).await;
    assert!(!proxy.logs().contains(SECRET), "{}", proxy.logs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_makes_a_stream_of_every_refusal_that_will_pass_and_goes_on_publishing() {
    let store = Store::sqlite();
    for (setting, reason, status, asked) in [
        ("CHAINCAST_MAX_CONNECTIONS_PER_TENANT", "limited", "HTTP/2 429", true),
        ("CHAINCAST_MAX_CONNECTIONS", "unavailable", "HTTP/2 503", false),
    ] {
        let service = Service::start(Settings::on(&store).with("CHAINCAST_INSECURE_OPEN", 1).with(setting, 1)).await;
        let proxy = Proxy::start(Kind::Nginx, service.addr()).await;
        let only = proxy.follow(STREAM, &EVENT_STREAM);
        only.until("event: hub.live").await;
        let refused = proxy.curl(STREAM, &EVENT_STREAM).replace("\r\n", "\n");
        let (head, body) = refused.split_once("\n\n").expect("a body");
        assert!(head.starts_with("HTTP/2 200") && head.contains("text/event-stream"), "{refused}");
        let (retry, rest) = body.split_once('\n').expect("lines");
        assert!(retry.strip_prefix("retry: ").is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number >= 1000)), "{body:?}");
        assert_eq!(rest, format!("event: hub.closing\ndata: {{\"reason\":\"{reason}\"}}\n\n"));
        let refused = proxy.curl(STREAM, &[]).to_ascii_lowercase();
        assert!(refused.starts_with(&status.to_ascii_lowercase()), "{refused}");
        assert_eq!(refused.contains("\nretry-after: "), asked, "{refused}");
        let bad = proxy.curl("/events/subscribe?all=yes", &EVENT_STREAM);
        assert!(bad.starts_with("HTTP/2 400") && bad.contains("problem+json"), "what will not pass comes as it is: {bad}");
        let posted = proxy.curl("/events", &["-H", "Content-Type: application/json", "-d", r#"{"type":"a.b","data":null}"#]);
        assert!(posted.starts_with("HTTP/2 201"), "{posted}");
        only.until("event: a.b").await;
    }
}

/// Over HTTP/2, at once, and on from a cursor.
async fn passes_on(proxy: &Proxy, http: &Http) {
    let following = proxy.follow(&format!("{STREAM}&last_event_id=now"), &EVENT_STREAM);
    assert!(following.until("HTTP/").await.starts_with("HTTP/2 200"));
    following.until("event: hub.live").await;
    publish(http, "first").await;
    following.until(r#""id":"first""#).await;
    publish(http, "second").await;
    following.until(r#""id":"second""#).await;
    let cursor = following.first_id();
    let resumed = proxy.follow(STREAM, &[&EVENT_STREAM[..], &["-H", &format!("Last-Event-ID: {cursor}")]].concat());
    resumed.until("event: hub.live").await;
    assert_eq!((resumed.count(r#""id":"first""#), resumed.count(r#""id":"second""#)), (1, 1));
    let posted = proxy.curl("/events", &["-H", "Content-Type: application/json", "-d", r#"{"id":"third","type":"a.b","data":null}"#]);
    assert!(posted.starts_with("HTTP/2 201"), "{posted}");
    following.until(r#""id":"third""#).await;
}

/// Nothing for operators, nothing too large, nothing of the proxy itself.
fn keeps_to_limits(proxy: &Proxy) {
    for path in ["/metrics", "/v1/metrics", "/admin", "/admin/keys", "/v1/admin/keys", "//metrics", "/%6detrics", "/x/../admin/keys"] {
        let answer = proxy.curl(path, &["--path-as-is"]);
        assert!(answer.starts_with("HTTP/2 404") && !answer.contains("problem+json"), "{path}: {answer}");
        let server = answer.to_ascii_lowercase();
        assert!(!server.contains("nginx/") && !server.contains("caddy"), "{answer}");
    }
    let large = "x".repeat(5 * 1024 * 1024);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), large).expect("written");
    let answer = proxy.curl("/events", &["-H", "Content-Type: application/json", "--data-binary", &format!("@{}", file.path().display())]);
    assert!(answer.contains("HTTP/2 413") || answer.contains("HTTP/2 502"), "{answer}");
    let answer = proxy.curl("/health/live", &["-H", &format!("Cookie: a={}", "x".repeat(60_000))]);
    assert!(!answer.contains("HTTP/2 200"), "{answer}");
}

/// An `EventSource` goes on trying; others are told by a status.
async fn bears_a_lost_instance(proxy: &Proxy) {
    let secret = format!("{STREAM}&token={SECRET}");
    let answer = proxy.curl(&secret, &[&EVENT_STREAM[..], &["-H", "Origin: https://app.example.com"]].concat());
    let lower = answer.to_ascii_lowercase();
    assert!(lower.starts_with("http/2 200"), "{answer}");
    assert!(lower.contains("content-type: text/event-stream"), "{answer}");
    assert!(lower.contains("access-control-allow-origin: https://app.example.com"), "{answer}");
    let (_, body) = answer.replace("\r\n", "\n").split_once("\n\n").map(|(head, body)| (head.to_owned(), body.to_owned())).expect("a body");
    let (retry, rest) = body.split_once('\n').expect("lines");
    assert!(retry.strip_prefix("retry: ").is_some_and(|number| number.parse::<u32>().is_ok()), "{body:?}");
    assert_eq!(rest, "event: hub.closing\ndata: {\"reason\":\"unavailable\"}\n\n");
    let foreign = proxy.curl(&secret, &[&EVENT_STREAM[..], &["-H", "Origin: https://elsewhere.example"]].concat());
    assert!(!foreign.to_ascii_lowercase().contains("access-control-allow-origin"), "{foreign}");
    for path in [&secret[..], "/health/live?token=SECRETMARK", "/events?token=SECRETMARK"] {
        let answer = proxy.curl(path, &[]);
        assert!(answer.starts_with("HTTP/2 502") || answer.starts_with("HTTP/2 503"), "{answer}");
    }
}

/// Shown by what arrives where the instance was.
async fn replaces_what_a_client_says_of_itself(proxy: &Proxy, upstream: std::net::SocketAddr) {
    let listener = TcpListener::bind(upstream).await.expect("the instance is gone");
    let heads = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") && socket.read_buf(&mut head).await.expect("a request") > 0 {}
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            let head = String::from_utf8(head).expect("ASCII").to_ascii_lowercase();
            if head.contains("/told") {
                break head;
            }
        }
    });
    let claims = ["X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6"];
    let arguments: Vec<&str> = claims.iter().flat_map(|claim| ["-H", claim]).collect();
    // a proxy that has just lost its only instance may not ask again at once
    eventually("asked", async || {
        let answer = proxy.curl("/told", &arguments);
        if answer.starts_with("HTTP/2 200") { Ok(()) } else { Err(answer) }
    })
    .await;
    let head = heads.await.expect("a head");
    assert!(head.contains("x-forwarded-for: 127.0.0.1\r\n"), "{head}");
    assert!(head.contains("x-forwarded-proto: https\r\n"), "{head}");
    assert!(!head.contains("6.6.6.6"), "{head}");
}
