//! The service as a client sees it: real routes and middleware, with a log and a publisher that do as they are told.

mod access;
mod authority;
mod cors;
mod exchange;
pub(super) mod fake;
mod stream;

use std::sync::Arc;

use actix_web::{
    body::MessageBody,
    dev::{Service, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap},
    },
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use serde_json::Value;

use super::{Guard, InFlight, Openness, Origins, app, problem::PROBLEM_JSON};
use crate::ingest::PublishError;
use fake::Fakes;

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// The code of a problem, after a look at what all problems have.
    pub(super) fn code(&self) -> String {
        let body = self.json();
        assert_eq!(self.header("content-type"), PROBLEM_JSON);
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(body["requestId"].as_str(), Some(self.header("x-request-id")));
        body["code"].as_str().expect("a code").to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }
}

async fn ask(fakes: &Fakes, request: TestRequest) -> Answer {
    ask_of(fakes, &[], request).await
}

/// As the service itself decides it.
fn openness(fakes: &Fakes) -> Openness {
    if fakes.authority.open { Openness::Loopback } else { Openness::Network }
}

/// Asks a service that pages of these origins may use.
async fn ask_of(fakes: &Fakes, origins: &[&str], request: TestRequest) -> Answer {
    let guard = Guard::new::<&str>(openness(fakes), &[], Origins::new(origins));
    let service = init_service(app(web::Data::new(fakes.state()), None, guard, InFlight::default())).await;
    send(&service, request).await
}

pub(super) async fn send<S, B>(service: &S, request: TestRequest) -> Answer
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    match service.call(request.to_request()).await {
        Ok(response) => answer(response).await,
        Err(error) => {
            let request = TestRequest::default().to_http_request();
            answer(ServiceResponse::new(request, error.error_response())).await
        }
    }
}

async fn answer<B: MessageBody>(response: ServiceResponse<B>) -> Answer {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = String::from_utf8(read_body(response).await.to_vec()).expect("UTF-8");
    Answer { status, headers, text }
}

fn get(uri: &str) -> TestRequest {
    TestRequest::with_uri(uri).insert_header((header::HOST, "localhost:3001"))
}

fn post(uri: &str) -> TestRequest {
    get(uri).method(Method::POST).insert_header((header::CONTENT_TYPE, "application/json"))
}

#[actix_web::test]
async fn an_unknown_path_and_an_unknown_method_are_problems() {
    let fakes = Fakes::default();
    for uri in ["/nothing", "/v1/nothing", "/v1"] {
        assert_eq!(ask(&fakes, get(uri)).await.code(), "not_found", "{uri}");
    }
    for uri in ["/events", "/v1/events"] {
        let refusal = ask(&fakes, get(uri).method(Method::DELETE)).await;
        assert_eq!(refusal.code(), "method_not_allowed");
        assert_eq!(refusal.header("allow"), "GET, HEAD, POST");
    }
}

#[actix_web::test]
async fn every_route_answers_under_both_prefixes() {
    let fakes = Fakes::default();
    for path in ["/events?all=true", "/events/stats", "/health", "/health/live", "/health/ready", "/openapi.json", "/docs/", "/"] {
        for uri in [path.to_owned(), format!("/v1{path}")] {
            let found = ask(&fakes, get(&uri)).await;
            assert_eq!(found.status, StatusCode::OK, "{uri}: {}", found.text);
            assert_eq!(found.header("x-content-type-options"), "nosniff");
        }
    }
}

#[actix_web::test]
async fn an_invalid_parameter_is_named() {
    let refusal = ask(&Fakes::default(), get("/events?all=true&limit=0")).await;
    assert_eq!(refusal.code(), "invalid_parameter");
    assert_eq!(refusal.json()["parameter"], "limit");
}

#[actix_web::test]
async fn statistics_are_of_the_instance_unless_the_cluster_is_asked_for() {
    let fakes = Fakes::default();
    for uri in ["/events/stats", "/events/stats?scope=instance"] {
        let found = ask(&fakes, get(uri)).await.json();
        assert_eq!((&found["scope"], found.get("missing")), (&Value::from("instance"), None));
    }
    let found = ask(&fakes, get("/events/stats?scope=cluster")).await.json();
    assert_eq!((&found["scope"], &found["missing"]), (&Value::from("cluster"), &Value::from(1)));
    for uri in
        ["/events/stats?scope=", "/events/stats?scope=all", "/events/stats?scope=Cluster", "/events/stats?scope=cluster&scope=cluster"]
    {
        let refusal = ask(&fakes, get(uri)).await;
        assert_eq!((refusal.code().as_str(), &refusal.json()["parameter"]), ("invalid_parameter", &Value::from("scope")), "{uri}");
    }
}

#[actix_web::test]
async fn the_id_of_a_request_is_echoed_when_it_is_sane_and_made_when_not() {
    let fakes = Fakes::default();
    let given = ask(&fakes, get("/health").insert_header(("x-request-id", "trace-7"))).await;
    assert_eq!(given.header("x-request-id"), "trace-7");
    let made = ask(&fakes, get("/health").insert_header(("x-request-id", "a b"))).await;
    assert_eq!(made.header("x-request-id").len(), 36);
}

#[actix_web::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let failure =
        ask(&Fakes { panics: true, ..Fakes::default() }, get("/events/stats").insert_header((header::ORIGIN, "http://localhost:5173")))
            .await;
    assert_eq!(failure.code(), "internal");
    assert!(!failure.text.contains("on purpose"));
    assert_eq!(failure.header("access-control-allow-origin"), "http://localhost:5173");
}

#[actix_web::test]
async fn errors_carry_cors_headers_for_pages_that_may_read_them() {
    let refusal = ask(&Fakes::default(), get("/events?limit=0").insert_header((header::ORIGIN, "http://localhost:5173"))).await;
    assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal.header("access-control-allow-origin"), "http://localhost:5173");
    assert!(refusal.header("access-control-expose-headers").contains("retry-after"));
    assert_eq!(refusal.header("access-control-allow-credentials"), "");
}

#[actix_web::test]
async fn a_preflight_grants_what_is_needed_and_nothing_to_strangers() {
    let preflight = |origin: &'static str, wanted: &'static str| {
        get("/events")
            .method(Method::OPTIONS)
            .insert_header((header::ORIGIN, origin))
            .insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "POST"))
            .insert_header((header::ACCESS_CONTROL_REQUEST_HEADERS, wanted))
    };
    let fakes = Fakes::default();
    let granted = ask(&fakes, preflight("http://localhost:5173", "authorization,content-type,last-event-id")).await;
    assert_eq!(granted.status, StatusCode::OK);
    assert_eq!(granted.header("access-control-allow-origin"), "http://localhost:5173");
    assert_eq!(ask(&fakes, preflight("https://evil.example", "content-type")).await.code(), "origin_refused");
    assert_eq!(ask(&fakes, preflight("http://localhost:5173", "x-evil")).await.code(), "bad_request");
}

#[actix_web::test]
async fn strangers_are_refused_before_a_body_is_read() {
    let fakes = Fakes::default();
    let foreign = post("/events").insert_header((header::ORIGIN, "https://evil.example")).set_payload("{}");
    assert_eq!(ask(&fakes, foreign).await.code(), "origin_refused");
    let rebound = post("/events").insert_header((header::HOST, "evil.example")).set_payload("{}");
    let refusal = ask(&fakes, rebound).await;
    assert_eq!((refusal.code().as_str(), refusal.status), ("host_refused", StatusCode::MISDIRECTED_REQUEST));
    let forwarded = post("/events").insert_header(("x-forwarded-for", "10.0.0.1")).set_payload("{}");
    assert_eq!(ask(&fakes, forwarded).await.code(), "forwarded_refused");
    assert_eq!(fakes.publisher.requests(), 0);
}

#[actix_web::test]
async fn what_is_published_is_answered_with_its_place() {
    let fakes = Fakes::default();
    let stored = ask(&fakes, post("/events").set_payload(fake::EVENT)).await;
    assert_eq!(stored.status, StatusCode::CREATED, "{}", stored.text);
    assert_eq!(stored.json()["events"][0]["cursor"], "00000001-4");
    assert_eq!(stored.json()["events"][0]["status"], "stored");
    let again = ask(&fakes, post("/events?on_conflict=keep").set_payload(fake::EVENT)).await;
    assert_eq!((again.status, again.json()["events"][0]["status"].as_str()), (StatusCode::OK, Some("duplicate")));
}

#[actix_web::test]
async fn bodies_of_other_types_are_refused() {
    let fakes = Fakes::default();
    let missing = get("/events").method(Method::POST).set_payload(fake::EVENT);
    assert_eq!(ask(&fakes, missing).await.code(), "unsupported_media_type");
    let text = post("/events").insert_header((header::CONTENT_TYPE, "text/plain")).set_payload(fake::EVENT);
    assert_eq!(ask(&fakes, text).await.code(), "unsupported_media_type");
    let packed = post("/events").insert_header((header::CONTENT_ENCODING, "gzip")).set_payload(fake::EVENT);
    assert_eq!(ask(&fakes, packed).await.code(), "unsupported_media_type");
}

#[actix_web::test]
async fn a_body_above_the_limit_is_refused_whether_announced_or_not() {
    let fakes = Fakes::default();
    let body = "x".repeat(fake::BATCH_BYTES + 1);
    assert_eq!(ask(&fakes, post("/events").set_payload(body.clone())).await.code(), "too_large");
    let announced = post("/events").insert_header((header::CONTENT_LENGTH, body.len())).set_payload(body);
    assert_eq!(ask(&fakes, announced).await.code(), "too_large");
}

#[actix_web::test]
async fn what_is_wrong_with_a_body_is_told() {
    let fakes = Fakes::default();
    assert_eq!(ask(&fakes, post("/events").set_payload("]")).await.code(), "malformed");
    let invalid = ask(&fakes, post("/events").set_payload(r#"{"data":1}"#)).await;
    assert_eq!(invalid.code(), "invalid");
    assert!(invalid.json()["errors"][0]["pointer"].is_string(), "{}", invalid.text);
    let unknown = ask(&fakes, post("/events?on_conflicts=keep").set_payload(fake::EVENT)).await;
    assert_eq!(unknown.json()["parameter"], "on_conflicts");
}

#[actix_web::test]
async fn each_way_to_fail_a_publish_has_its_code() {
    let conflict = vec![fake::conflict(2)];
    for (error, status, code) in [
        (PublishError::Conflict(conflict), 409, "id_conflict"),
        (PublishError::Unavailable, 503, "unavailable"),
        (PublishError::OutcomeUnknown, 503, "outcome_unknown"),
        (PublishError::Overloaded, 503, "overloaded"),
        (PublishError::Stopping, 503, "draining"),
        (PublishError::Refused("secret".into()), 422, "refused"),
        (PublishError::Internal, 500, "internal"),
    ] {
        let refusal = ask(&Fakes::publishing(Err(error)), post("/events").set_payload(fake::EVENT)).await;
        assert_eq!((refusal.code().as_str(), refusal.status.as_u16()), (code, status));
        assert_eq!(refusal.header("retry-after").is_empty(), status != 503, "{code}");
        assert!(!refusal.text.contains("secret"));
        assert_eq!(refusal.json()["conflicts"][0]["index"] == 2, status == 409);
    }
}

#[actix_web::test]
async fn history_is_paged_by_cursor() {
    let fakes = Fakes::default();
    let first = ask(&fakes, get("/events?all=true&limit=2")).await.json();
    assert_eq!(first["events"][1]["seq"], 2);
    assert_eq!((&first["hasMore"], &first["nextEventId"], &first["gap"]), (&true.into(), &"00000001-2".into(), &Value::Null));
    let last = ask(&fakes, get("/events?all=true&last_event_id=00000001-2")).await.json();
    assert_eq!(
        (last["events"].as_array().map(Vec::len), &last["hasMore"], &last["nextEventId"]),
        (Some(1), &false.into(), &"00000001-3".into())
    );
    let none = ask(&fakes, get("/events?streams=none")).await.json();
    assert_eq!((none["events"].as_array().map(Vec::len), &none["nextEventId"]), (Some(0), &"00000001-3".into()));
}

#[actix_web::test]
async fn history_tells_of_a_gap_or_fails_on_it() {
    let fakes = Fakes::trimmed_below(3);
    let told = ask(&fakes, get("/events?all=true").insert_header(("last-event-id", "00000001-1"))).await.json();
    assert_eq!(told["gap"], serde_json::json!({"reason": "trimmed", "requested": "00000001-1", "resumed": "00000001-2", "lost": 1}));
    assert_eq!(told["events"][0]["seq"], 3);
    let failed = ask(&fakes, get("/events?all=true&on_gap=fail&last_event_id=00000009-1")).await;
    assert_eq!((failed.code().as_str(), failed.status), ("gap", StatusCode::GONE));
    assert_eq!(failed.json()["gap"]["reason"], "rewound");
}

#[actix_web::test]
async fn history_looks_again_when_the_log_is_renumbered_between_two_questions() {
    for (stale, status) in [(2, StatusCode::OK), (3, StatusCode::SERVICE_UNAVAILABLE)] {
        let fakes = Fakes { stale_chains: Arc::new(stale.into()), ..Fakes::default() };
        assert_eq!(ask(&fakes, get("/events?all=true&last_event_id=00000001-1")).await.status, status);
    }
}

#[actix_web::test]
async fn a_log_out_of_reach_is_503_for_readers() {
    let failed = ask(&Fakes { unreachable: true, ..Fakes::default() }, get("/events?all=true")).await;
    assert_eq!(failed.code(), "unavailable");
    assert_eq!(failed.header("retry-after"), "2");
    assert!(!failed.text.contains("10.0.0.9"));
}

#[actix_web::test]
async fn a_tenant_for_whom_there_is_no_room_is_told_to_come_back() {
    let fakes = Fakes { full: true, ..Fakes::default() };
    for request in [get("/events?all=true"), get("/events/stats"), post("/events").set_payload(fake::EVENT)] {
        let refusal = ask(&fakes, request).await;
        assert_eq!((refusal.code().as_str(), refusal.status), ("overloaded", StatusCode::SERVICE_UNAVAILABLE));
        assert!(!refusal.header("retry-after").is_empty());
    }
    assert_eq!(fakes.publisher.requests(), 0);
}

#[actix_web::test]
async fn whoever_may_see_the_whole_instance_is_told_of_it_with_the_statistics() {
    let stats = ask(&Fakes::default(), get("/events/stats")).await.json();
    assert!(stats["memory"].is_object(), "{stats}");
}

#[actix_web::test]
async fn probes_say_starting_ready_and_draining() {
    let ready = |ready, draining| async move { ask(&Fakes { ready, draining, ..Fakes::default() }, get("/health/ready")).await };
    assert_eq!(ready(false, false).await.json()["status"], "starting");
    assert_eq!(ready(true, false).await.status, StatusCode::OK);
    let draining = ready(true, true).await;
    assert_eq!((draining.status, &draining.json()["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"draining".into()));
}

#[actix_web::test]
async fn pages_run_nothing_from_elsewhere() {
    let fakes = Fakes::default();
    let index = ask(&fakes, get("/")).await;
    assert!(index.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(!index.header("content-security-policy").contains("unsafe"));
    assert_eq!(ask(&fakes, get("/docs")).await.header("location"), "docs/");
    let settings = ask(&fakes, get("/v1/docs/swagger-initializer.js")).await;
    assert!(settings.text.contains("../openapi.json"), "{}", settings.text);
    assert_eq!(ask(&fakes, get("/docs/nothing.js")).await.code(), "not_found");
}

#[actix_web::test]
async fn the_document_lists_every_path_and_the_codes_of_the_table() {
    let document = ask(&Fakes::default(), get("/openapi.json")).await.json();
    for path in [
        "/events",
        "/events/subscribe",
        "/events/tickets",
        "/events/session",
        "/events/stats",
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/admin/keys/{id}/rotate",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let conflict = &document["paths"]["/events"]["post"]["responses"]["409"];
    assert!(conflict["description"].as_str().is_some_and(|text| text.contains("id_conflict")), "{conflict}");
    assert!(conflict["content"][PROBLEM_JSON].is_object());
}

#[actix_web::test]
async fn head_is_answered_like_get() {
    let guard = Guard::new::<&str>(Openness::Loopback, &[], Origins::new::<&str>(&[]));
    let service = init_service(app(web::Data::new(Fakes::default().state()), None, guard, InFlight::default())).await;
    let response = call_service(&service, get("/health").method(Method::HEAD).to_request()).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[actix_web::test]
async fn a_file_of_the_page_is_sent_once_and_its_policy_with_every_answer() {
    let fakes = Fakes::default();
    for (uri, kind) in [("/", "text/html"), ("/page/main.js", "text/javascript"), ("/v1/page/style.css", "text/css")] {
        let sent = ask(&fakes, get(uri)).await;
        assert!(sent.header("content-type").starts_with(kind), "{uri}: {}", sent.header("content-type"));
        let tag = sent.header("etag");
        for known in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let unchanged = ask(&fakes, get(uri).insert_header((header::IF_NONE_MATCH, known))).await;
            assert_eq!((unchanged.status, unchanged.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{uri}");
            for name in ["etag", "content-security-policy", "cache-control", "content-type", "cross-origin-opener-policy"] {
                assert_eq!(unchanged.header(name), sent.header(name), "{uri} {name}");
            }
        }
        assert_eq!(ask(&fakes, get(uri).insert_header((header::IF_NONE_MATCH, "\"other\""))).await.status, StatusCode::OK);
    }
    for uri in ["/page/", "/page/nothing.js", "/page/index.html", "/page/..%2findex.html"] {
        assert_eq!(ask(&fakes, get(uri)).await.code(), "not_found", "{uri}");
    }
}

#[actix_web::test]
async fn no_answer_can_be_framed_sniffed_embedded_elsewhere_or_tell_where_it_was() {
    let fakes = Fakes::default();
    let own_pages = ["/", "/page/main.js", "/v1/page/style.css", "/docs/", "/v1/docs/index.css"];
    for uri in ["/health/live", "/events?all=true", "/events", "/nothing", "/openapi.json", "/docs"].into_iter().chain(own_pages) {
        let answer = ask(&fakes, get(uri)).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{uri}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{uri}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{uri}");
        assert!(!answer.header("cache-control").is_empty(), "{uri}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && policy.ends_with("frame-ancestors 'none'"), "{uri}: {policy}");
        assert_eq!(answer.header("strict-transport-security"), "", "{uri}: it is the proxy's");
        if own_pages.contains(&uri) {
            assert_eq!(answer.status, StatusCode::OK, "{uri}");
            assert_eq!(answer.header("x-frame-options"), "DENY", "{uri}");
            assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{uri}");
            assert!(answer.header("permissions-policy").contains("camera=()"), "{uri}");
        }
    }
}
