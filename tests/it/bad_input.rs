//! What bad requests get: a problem with a stable code, nothing stored, nothing lost, the process up.

use serde_json::{Value, json};

use crate::support::{
    http::{Answer, Http},
    process::{Service, Settings},
    raw::{RawConnection, exchange, request},
    sse_client::SseClient,
    store::Store,
};

/// A service that has stored nothing.
pub(crate) struct Bench {
    service: Service,
    http: Http,
    _store: Store,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(|settings| settings).await
    }

    pub(crate) async fn with(change: impl FnOnce(Settings) -> Settings) -> Self {
        let store = Store::sqlite();
        let service = Service::start(change(Settings::on(&store))).await;
        let http = Http::new(service.addr());
        Self { service, http, _store: store }
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    async fn post_json(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.http.post("application/json", body.into()).await
    }

    /// Nothing was stored, and the service works: what is published next is the first event, and reaches a subscriber.
    pub(crate) async fn end_unharmed(mut self) {
        assert!(self.service.is_running());
        assert_eq!(self.http.stat("/log/head").await, 0, "something was stored");
        let mut client = SseClient::live(self.service.addr(), "all=true").await;
        let items = self.http.publish_ok(&json!({"id": "next", "type": "a.b", "data": null})).await;
        assert_eq!(items[0]["seq"], 1);
        assert_eq!(client.next_event().await.id_seq(), Some(1));
    }
}

/// Whether the problem points at this place of the body.
fn points_at(answer: &Answer, pointer: &str) -> bool {
    answer.json()["errors"].as_array().is_some_and(|errors| errors.iter().any(|error| error["pointer"] == pointer))
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let bench = Bench::start().await;
    let bodies: [&[u8]; 8] = [
        b"",
        b" ",
        b"nul",
        br#"{"type":"a.b","data":"#,
        br#"[{"type":"a.b","data":1},"#,
        br#"{"type":"a.b","data":1}{"#,
        b"{\"type\":\"a.b\",\"data\":\"\xff\xfe\"}",
        b"{\"type\":\"a.b\",\"data\":\"line\nbreak\"}",
    ];
    for body in bodies {
        let answer = bench.post_json(body).await;
        assert!(matches!(answer.status, 400 | 422), "{:?}: {answer:?}", String::from_utf8_lossy(body));
        answer.problem(answer.status);
    }
    bench.end_unharmed().await;
}

#[tokio::test]
async fn deeply_nested_json_is_refused_and_does_not_exhaust_the_stack() {
    let bench = Bench::start().await;
    for depth in [1_000, 20_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for whole in [true, false] {
                let close = if whole { close } else { "" };
                let data = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                for body in [format!(r#"{{"type":"a.b","data":{data}}}"#), data] {
                    // one above the size limit may be answered before it has been read, and then the connection breaks
                    if let Ok(answer) = bench.http().try_post("/events", "application/json", body).await {
                        assert!(matches!(answer.status, 400 | 413 | 422), "{depth} {answer:?}");
                        answer.problem(answer.status);
                    }
                }
            }
        }
    }
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_too_large_whether_announced_or_chunked() {
    let bench = Bench::start().await;
    let addr = bench.service().addr();
    let announced = "Content-Type: application/json\r\nContent-Length: 10485760\r\n";
    let answer = exchange(addr, request("POST", "/events", addr, announced, b"")).await;
    assert_eq!(answer.problem(413), "too_large");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let head = request("POST", "/events", addr, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", b"");
    let mut raw = RawConnection::send(addr, head).await;
    for _ in 0..160 {
        raw.write(&chunk).await;
    }
    raw.write("0\r\n\r\n").await;
    let head = raw.head().await;
    assert_eq!(head.status, 413);
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_batch_of_too_many_events_or_with_one_too_large_is_refused_whole() {
    let bench = Bench::start().await;
    let many: Vec<Value> = (0..1001).map(|n| json!({"id": n.to_string(), "type": "a.b", "data": n})).collect();
    assert_eq!(bench.post_json(json!(many).to_string()).await.problem(413), "too_large");
    let large = json!([{"type": "a.b", "data": 1}, {"type": "a.b", "data": "x".repeat(49 * 1024)}]);
    bench.post_json(large.to_string()).await.problem(413);
    bench.end_unharmed().await;
}

#[tokio::test]
async fn control_characters_in_names_are_refused_with_a_pointer_and_never_reach_a_frame() {
    let bench = Bench::start().await;
    for injected in ["x\r\ndata: y", "x\ny", "x\ry", "x\0y", "x y", "x\u{2028}y", "\u{feff}x", ""] {
        for (member, value) in [
            ("type", json!(injected)),
            ("id", json!(injected)),
            ("streams", json!(["fine", injected])),
            ("users", json!(["fine", injected])),
            ("topics", json!(["fine", injected])),
        ] {
            let mut event = json!({"id": "an-id", "type": "a.b", "data": null});
            event[member] = value;
            let answer = bench.post_json(json!([{"type": "a.b", "data": 1}, event]).to_string()).await;
            answer.problem(422);
            let pointer = if event[member].is_array() { format!("/1/{member}/1") } else { format!("/1/{member}") };
            assert!(points_at(&answer, &pointer), "{injected:?}: {answer:?}");
        }
    }
    bench.end_unharmed().await;
}

#[tokio::test]
async fn an_event_that_breaks_a_rule_is_refused_with_a_pointer_to_the_fault() {
    let bench = Bench::start().await;
    for (event, pointer) in [
        (r#"{"data":1}"#, "/type"),
        (r#"{"type":7,"data":1}"#, "/type"),
        (r#"{"type":"open","data":1}"#, "/type"),
        (r#"{"type":"error","data":1}"#, "/type"),
        (r#"{"type":"message","data":1}"#, "/type"),
        (r#"{"type":"hub.gap","data":1}"#, "/type"),
        (r#"{"type":"a.*","data":1}"#, "/type"),
        (r#"{"type":"a.b","data":1,"surprise":1}"#, "/surprise"),
        (r#"{"type":"a.b","data":1,"data":2}"#, "/data"),
        (r#"{"type":"a.b","data":1,"streams":"1"}"#, "/streams"),
        (r#"{"type":"a.b","data":1,"streams":[1]}"#, "/streams/0"),
        (r#"{"type":"a.b","data":1,"streams":["1,2"]}"#, "/streams/0"),
        (r#"{"type":"a.b","data":1,"time":"yesterday"}"#, "/time"),
        (r#"{"type":"a.b","data":1,"status":"maybe"}"#, "/status"),
        (r#"{"type":"a.b","data":1,"block":{"height":-1}}"#, "/block/height"),
    ] {
        let answer = bench.post_json(event).await;
        answer.problem(422);
        assert!(points_at(&answer, pointer), "{event}: {answer:?}");
    }
    let line = bench.http().post("application/x-ndjson", "{\"type\":\"a.b\",\"data\":1}\n{\"type\":\"open\",\"data\":1}\n").await;
    line.problem(422);
    assert!(points_at(&line, "/1/type"), "{line:?}");
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_post_without_a_content_type_or_with_another_one_is_refused() {
    let bench = Bench::start().await;
    let addr = bench.service().addr();
    for headers in ["", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: ???\r\n"] {
        let answer = exchange(addr, request("POST", "/events", addr, headers, br#"{"type":"a.b","data":1}"#)).await;
        assert_eq!(answer.problem(415), "unsupported_media_type", "{headers:?}");
    }
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_foreign_host_or_origin_or_a_forwarded_request_is_refused_before_its_body_is_read() {
    let bench = Bench::start().await;
    let addr = bench.service().addr();
    let asks = |host: &str, more: &str| {
        // the body is announced and never sent
        format!("POST /events HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n{more}\r\n")
    };
    let own = addr.to_string();
    for (host, more, status, code) in [
        ("evil.example", "", 421, "host_refused"),
        ("localhost.evil.example:3001", "", 421, "host_refused"),
        (&own, "Origin: https://evil.example\r\n", 403, "origin_refused"),
        (&own, "Origin: null\r\n", 403, "origin_refused"),
        (&own, "X-Forwarded-For: 10.0.0.1\r\n", 403, "forwarded_refused"),
        (&own, "Forwarded: for=10.0.0.1\r\n", 403, "forwarded_refused"),
    ] {
        assert_eq!(exchange(addr, asks(host, more)).await.problem(status), code, "{host} {more}");
    }
    let subscribe =
        request("GET", "/events/subscribe?all=true", addr, "Accept: text/event-stream\r\nOrigin: https://evil.example\r\n", b"");
    assert_eq!(exchange(addr, subscribe).await.problem(403), "origin_refused");
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_filter_that_breaks_a_rule_is_refused_and_its_parameter_named() {
    let bench = Bench::start().await;
    let thousands = format!("streams={}", (0..5_000).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    let long = format!("streams={}", "x".repeat(129));
    for (query, parameter) in [
        ("streams=a%0D%0Adata:%20x", "streams"),
        ("users=a%0Ab", "users"),
        ("topics=a%00b", "topics"),
        ("types=a%0Db", "types"),
        ("streams=%FF%FE", "streams"),
        ("streams=", "streams"),
        ("streams=1,,2", "streams"),
        ("topics=a..b", "topics"),
        ("topics=a*", "topics"),
        ("topics=**.a", "topics"),
        ("all=maybe", "all"),
        ("all=true&surprise=1", "surprise"),
        ("all=true&since=yesterday", "since"),
        ("all=true&on_gap=perhaps", "on_gap"),
        ("all=true&shape=round", "shape"),
        ("all=true&names=maybe", "names"),
        (&long, "streams"),
    ] {
        let answer = SseClient::refused(bench.service().addr(), query, None).await;
        assert_eq!(answer.problem(400), "invalid_parameter", "{query}");
        assert_eq!(answer.json()["parameter"], parameter, "{query}: {answer:?}");
    }
    for query in ["", &thousands[..]] {
        SseClient::refused(bench.service().addr(), query, None).await.problem(400);
    }
    bench.end_unharmed().await;
}

#[tokio::test]
async fn a_malformed_cursor_is_refused_in_the_header_and_in_the_query() {
    let bench = Bench::start().await;
    let addr = bench.service().addr();
    for cursor in ["-1", "7c1f9a02--1", "7C1F9A02-1", "7c1f9a02-", "99999999999999999999", "7c1f9a02-9223372036854775808", "latest", "1e3"]
    {
        let by_header = SseClient::refused(addr, "all=true", Some(cursor)).await;
        assert_eq!(by_header.problem(400), "invalid_parameter", "{cursor}");
        for parameter in ["last_event_id", "lastEventId"] {
            let by_query = SseClient::refused(addr, &format!("all=true&{parameter}={cursor}"), None).await;
            assert_eq!(by_query.problem(400), "invalid_parameter", "{cursor}");
        }
        assert_eq!(bench.http().get(&format!("/events?all=true&last_event_id={cursor}")).await.problem(400), "invalid_parameter");
    }
    for limit in ["0", "-1", "1001", "x", "99999999999999999999"] {
        assert_eq!(bench.http().get(&format!("/events?all=true&limit={limit}")).await.problem(400), "invalid_parameter", "{limit}");
    }
    bench.end_unharmed().await;
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems_too() {
    let bench = Bench::start().await;
    let addr = bench.service().addr();
    assert_eq!(bench.http().get("/nothing/here").await.problem(404), "not_found");
    assert_eq!(exchange(addr, request("DELETE", "/events", addr, "", b"")).await.problem(405), "method_not_allowed");
    assert_eq!(exchange(addr, request("POST", "/events/subscribe?all=true", addr, "", b"")).await.problem(405), "method_not_allowed");
    bench.end_unharmed().await;
}
