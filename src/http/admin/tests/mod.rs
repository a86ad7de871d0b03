//! Who may do what, over the real routes and middleware.

mod fake;

use std::sync::Arc;

use actix_web::{
    http::{Method, header},
    test::{TestRequest, init_service},
    web,
};
use serde_json::{Value, json};

use self::fake::{BANK, FakeAdmin, NOBODY_OF_NOTE, SHOP, SUPER};
use crate::http::{
    Clients, Console, Guard, InFlight, LimitSettings, Limits, Openness, Origins, Proxies, Scrutiny, admin_app, app,
    tests::{Answer, fake::Fakes, send},
};

/// A service, and what it knows.
struct Desk(Console);

impl Desk {
    fn of(admin: FakeAdmin) -> Self {
        Self::with(admin.open, Arc::new(admin))
    }

    fn with(open: bool, admin: Arc<FakeAdmin>) -> Self {
        let openness = if open { Openness::Loopback } else { Openness::Network };
        Self(Console {
            admin,
            guard: Guard::new::<&str>(openness, &[], Origins::new::<&str>(&[])),
            scrutiny: Scrutiny {
                limits: Limits::new(LimitSettings { refused_per_address: 3, ..LimitSettings::default() }),
                clients: Clients::new(Proxies::default(), || false),
                refused: Arc::default(),
            },
            open_metrics: false,
        })
    }

    fn closed() -> Self {
        Self::of(FakeAdmin::default())
    }

    fn open() -> Self {
        Self::of(FakeAdmin { open: true, ..FakeAdmin::default() })
    }

    /// Asks the listener that serves everything.
    async fn ask(&self, request: TestRequest) -> Answer {
        let console = web::Data::new(self.0.clone());
        let state = web::Data::new(Fakes::default().state());
        send(&init_service(app(state, Some(console), self.0.guard.clone(), InFlight::default())).await, request).await
    }

    /// Asks the listener that is for operators only.
    async fn ask_apart(&self, request: TestRequest) -> Answer {
        let console = web::Data::new(Console { open_metrics: true, ..self.0.clone() });
        send(&init_service(admin_app(web::Data::new(Fakes::default().state()), console, InFlight::default())).await, request).await
    }
}

fn to(method: Method, uri: &str, credential: &str) -> TestRequest {
    let request = TestRequest::with_uri(uri).method(method).insert_header((header::HOST, "localhost:3001"));
    if credential.is_empty() { request } else { request.insert_header((header::AUTHORIZATION, format!("Bearer {credential}"))) }
}

fn get(uri: &str, credential: &str) -> TestRequest {
    to(Method::GET, uri, credential)
}

fn with(method: Method, uri: &str, credential: &str, body: &Value) -> TestRequest {
    to(method, uri, credential).insert_header((header::CONTENT_TYPE, "application/json")).set_payload(body.to_string())
}

fn post(uri: &str, credential: &str, body: &Value) -> TestRequest {
    with(Method::POST, uri, credential, body)
}

fn delete(uri: &str, credential: &str) -> TestRequest {
    to(Method::DELETE, uri, credential)
}

fn key_for(tenant: &str) -> Value {
    json!({"name": "indexer", "kind": "bearer", "tenant": tenant, "rights": {"publish": {}}})
}

/// A service with a key and a revocation of each tenant: `key1` and `rev1` are the shop's, `key2` and `rev2` the bank's.
async fn furnished() -> Desk {
    let desk = Desk::closed();
    for tenant in ["shop", "bank"] {
        assert_eq!(desk.ask(post("/admin/keys", SUPER, &key_for(tenant))).await.status, 201);
        assert_eq!(desk.ask(post("/admin/revocations", SUPER, &json!({"tenant": tenant}))).await.status, 201);
    }
    desk
}

#[actix_web::test]
async fn each_role_reaches_as_far_as_its_tenant() {
    let super_key = json!({"name": "n", "kind": "bearer", "rights": {"role": "super_admin"}});
    let admin_key = json!({"name": "n", "kind": "bearer", "rights": {"role": "admin"}});
    let (put, empty) = (Method::PUT, json!({}));
    let request = |at: usize, who: &str| match at {
        0 => get("/admin/keys", who),
        1 => get("/admin/keys?tenant=shop", who),
        2 => post("/admin/keys", who, &key_for("shop")),
        3 => post("/admin/keys", who, &admin_key),
        4 => post("/admin/keys", who, &super_key),
        5 => post("/admin/keys/key1/rotate", who, &empty),
        6 => post("/admin/keys/nothing/rotate", who, &empty),
        7 => delete("/admin/keys/key1", who),
        8 => post("/admin/revocations", who, &json!({"sub": "mallory"})),
        9 => post("/admin/revocations", who, &json!({"tenant": "shop"})),
        10 => get("/admin/revocations", who),
        11 => delete("/admin/revocations/rev1", who),
        12 => get("/admin/tenants", who),
        13 => with(put.clone(), "/admin/tenants/shop", who, &empty),
        14 => get("/admin/audit", who),
        15 => get("/admin/audit?tenant=shop", who),
        _ => get("/metrics", who),
    };
    // in the order of the requests: nobody, somebody, the bank's admin, the shop's admin, a super admin
    let wanted: [[u16; 5]; 17] = [
        [401, 403, 200, 200, 200],
        [401, 403, 403, 200, 200],
        [401, 403, 403, 201, 201],
        [401, 403, 201, 201, 201],
        [401, 403, 403, 403, 201],
        [401, 403, 404, 200, 200],
        [401, 403, 404, 404, 404],
        [401, 403, 404, 204, 204],
        [401, 403, 201, 201, 201],
        [401, 403, 403, 201, 201],
        [401, 403, 200, 200, 200],
        [401, 403, 404, 204, 204],
        [401, 403, 403, 403, 200],
        [401, 403, 403, 403, 200],
        [401, 403, 200, 200, 200],
        [401, 403, 403, 200, 200],
        [401, 403, 403, 403, 200],
    ];
    for (at, wanted) in wanted.iter().enumerate() {
        for (who, wanted) in ["", NOBODY_OF_NOTE, BANK, SHOP, SUPER].into_iter().zip(wanted) {
            let answer = furnished().await.ask(request(at, who)).await;
            assert_eq!(answer.status.as_u16(), *wanted, "request {at} of `{who}`: {}", answer.text);
            if *wanted >= 400 {
                answer.code();
            }
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
}

#[actix_web::test]
async fn a_list_holds_what_the_caller_may_see_and_no_secret() {
    let desk = furnished().await;
    let names = async |uri: &str, who: &str, member: &str| {
        let answer = desk.ask(get(uri, who)).await;
        assert!(!answer.text.contains("cck_") && !answer.text.contains("digest") && !answer.text.contains("secret"), "{}", answer.text);
        let list = answer.json()[member].as_array().expect("a list").clone();
        list.iter().map(|item| item["tenant"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    for (uri, member) in [("/admin/keys", "keys"), ("/admin/revocations", "revocations")] {
        assert_eq!(names(uri, SUPER, member).await, ["shop", "bank"]);
        assert_eq!(names(uri, BANK, member).await, ["bank"]);
        assert_eq!(names(&format!("{uri}?tenant=bank"), SUPER, member).await, ["bank"]);
    }
    assert_eq!(names("/admin/audit?limit=1", BANK, "lines").await, ["bank"]);
    assert_eq!(names("/admin/audit?limit=1", SUPER, "lines").await, [""]);
}

#[actix_web::test]
async fn a_secret_is_in_the_answer_that_makes_it() {
    let desk = Desk::closed();
    let body = json!({"name": "pos", "kind": "signing", "rights": {"publish": {"types": ["sale.*"]}}, "expiresAt": "2100-01-01T00:00:00Z"});
    let made = desk.ask(post("/v1/admin/keys", SHOP, &body)).await.json();
    assert_eq!(
        (&made["id"], &made["tenant"], &made["kind"], &made["generation"]),
        (&json!("key1"), &json!("shop"), &json!("signing"), &json!(1))
    );
    assert_eq!((&made["secret"], &made["expiresAt"]), (&json!("cck_secret_1"), &json!("2100-01-01T00:00:00.000000Z")));
    assert_eq!(made["rights"]["publish"]["types"], json!(["sale.*"]));
    // without a body a day is meant
    let rotated = desk.ask(to(Method::POST, "/admin/keys/key1/rotate", SHOP)).await.json();
    assert_eq!((&rotated["secret"], &rotated["previousUntil"]), (&json!("cck_secret_2"), &json!("1970-01-02T00:00:00.000000Z")));
    let at_once = desk.ask(post("/admin/keys/key1/rotate", SHOP, &json!({"overlapSeconds": 0}))).await.json();
    assert_eq!(at_once["previousUntil"], "1970-01-01T00:00:00.000000Z");
    desk.ask(delete("/admin/keys/key1", SHOP)).await;
    assert_eq!(desk.ask(to(Method::POST, "/admin/keys/key1/rotate", SHOP)).await.code(), "not_found");
}

#[actix_web::test]
async fn a_revocation_of_a_tenants_admin_stays_within_its_tenant() {
    let desk = Desk::closed();
    let made = desk.ask(post("/admin/revocations", SHOP, &json!({"sub": "mallory", "reason": "left"}))).await.json();
    assert_eq!((&made["tenant"], &made["sub"], &made["jti"]), (&json!("shop"), &json!("mallory"), &Value::Null));
    let of_all = desk.ask(post("/admin/revocations", SUPER, &json!({"jti": "t-1"}))).await.json();
    assert_eq!(of_all["tenant"], Value::Null);
    assert_eq!(desk.ask(delete("/admin/revocations/rev2", SHOP)).await.status, 404);
}

#[actix_web::test]
async fn what_is_wrong_with_a_body_is_told_by_pointer() {
    let desk = Desk::closed();
    let pointers = async |request: TestRequest| {
        let answer = desk.ask(request).await;
        assert_eq!(answer.code(), "invalid", "{}", answer.text);
        let errors = answer.json()["errors"].as_array().expect("errors").clone();
        errors
            .iter()
            .map(|error| format!("{} {}", error["pointer"].as_str().expect("a pointer"), error["code"].as_str().expect("a code")))
            .collect::<Vec<_>>()
    };
    let keys = |body: Value| post("/admin/keys", SUPER, &body);
    assert_eq!(pointers(keys(json!({}))).await, ["/name missing", "/kind missing", "/rights missing"]);
    assert_eq!(pointers(keys(json!([]))).await, [" wrong_type"]);
    let wrong = json!({"nam/e": 1, "name": 2, "kind": "magic", "tenant": "a b", "rights": {"subscribe": {"topics": ["a*"]}}, "expiresAt": "2001-01-01T00:00:00Z"});
    let found = [
        "/nam~1e unknown_member",
        "/name wrong_type",
        "/kind invalid",
        "/tenant invalid",
        "/rights/subscribe/topics invalid",
        "/expiresAt invalid",
    ];
    assert_eq!(pointers(keys(wrong)).await, found);
    let twice = to(Method::POST, "/admin/keys/k/rotate", SUPER)
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .set_payload(r#"{"overlapSeconds":1,"overlapSeconds":2592001}"#);
    assert_eq!(pointers(twice).await, ["/overlapSeconds repeated_member"]);
    let longest = crate::auth::MAX_OVERLAP.as_secs();
    assert_eq!(longest, 2_592_000, "as the reference of the interface says");
    assert_eq!(pointers(post("/admin/keys/k/rotate", SUPER, &json!({"overlapSeconds": longest + 1}))).await, ["/overlapSeconds invalid"]);
    assert_eq!(pointers(post("/admin/revocations", SUPER, &json!({"reason": "x"}))).await, [" missing"]);
    let tenant = with(
        Method::PUT,
        "/admin/tenants/shop",
        SUPER,
        &json!({"retentionDays": 0, "maxConnections": 1.5, "publishPerSecond": 4_294_967_296_u64}),
    );
    assert_eq!(pointers(tenant).await, ["/retentionDays invalid", "/maxConnections invalid", "/publishPerSecond invalid"]);
}

#[actix_web::test]
async fn whoever_is_revoked_while_its_body_arrives_changes_nothing() {
    let admin = Arc::new(FakeAdmin { revoked_meanwhile: true, ..FakeAdmin::default() });
    let desk = Desk::with(false, admin.clone());
    let empty = json!({});
    for request in [
        post("/admin/keys", SUPER, &key_for("shop")),
        post("/admin/keys/key1/rotate", SUPER, &empty),
        post("/admin/revocations", SUPER, &json!({"sub": "mallory"})),
        with(Method::PUT, "/admin/tenants/shop", SUPER, &empty),
    ] {
        assert_eq!(desk.ask(request).await.code(), "unauthorized");
    }
    assert!(admin.keys.lock().expect("no panic").is_empty() && admin.revocations.lock().expect("no panic").is_empty());
    assert!(admin.tenants.lock().expect("no panic").is_empty());
}

#[actix_web::test]
async fn a_rotation_may_do_without_a_body_and_takes_null_for_none() {
    let desk = furnished().await;
    let null =
        to(Method::POST, "/admin/keys/key1/rotate", SUPER).insert_header((header::CONTENT_TYPE, "application/json")).set_payload("null");
    for request in [to(Method::POST, "/admin/keys/key1/rotate", SUPER), null] {
        assert_eq!(desk.ask(request).await.status, 200);
    }
}

#[actix_web::test]
async fn bodies_are_bounded_and_typed() {
    let desk = Desk::closed();
    let long = json!({"name": "x".repeat(super::BODY_BYTES)});
    assert_eq!(desk.ask(post("/admin/keys", SUPER, &long)).await.code(), "too_large");
    let form = to(Method::POST, "/admin/keys", SUPER).insert_header((header::CONTENT_TYPE, "text/plain")).set_payload("{}");
    assert_eq!(desk.ask(form).await.code(), "unsupported_media_type");
    let broken = to(Method::POST, "/admin/keys", SUPER).insert_header((header::CONTENT_TYPE, "application/json")).set_payload("{");
    assert_eq!(desk.ask(broken).await.code(), "malformed");
    for (method, uri) in [(Method::PUT, "/admin/tenants/shop"), (Method::POST, "/admin/keys"), (Method::POST, "/admin/revocations")] {
        assert_eq!(desk.ask(to(method, uri, SUPER)).await.code(), "malformed", "{uri}: a lost body is not `{{}}`");
    }
    assert_eq!(desk.ask(get("/admin/tenants", SUPER)).await.json()["tenants"], json!([]));
    assert_eq!(desk.ask(get("/admin/audit?limit=1001", SUPER)).await.json()["parameter"], "limit");
    for uri in ["/admin/keys?tenant=shop&reason=", "/admin/revocations?tenant=shop&reason=%0C"] {
        let answer = desk.ask(get(uri, SUPER)).await;
        assert_eq!((answer.code(), &answer.json()["parameter"]), ("invalid_parameter".into(), &json!("reason")), "{uri}");
    }
    assert_eq!(desk.ask(get("/admin/keys?tenants=shop", SUPER)).await.json()["parameter"], "tenants");
}

#[actix_web::test]
async fn a_reason_for_looking_at_another_tenant_goes_on_record() {
    let admin = Arc::new(FakeAdmin::default());
    let desk = Desk::with(false, admin.clone());
    for (uri, who) in
        [("/admin/keys?tenant=shop&reason=ticket%2017", SUPER), ("/admin/keys?tenant=shop", SUPER), ("/admin/keys?reason=mine", SHOP)]
    {
        assert_eq!(desk.ask(get(uri, who)).await.status, 200, "{uri}");
    }
    assert_eq!(*admin.reads.lock().expect("no panic"), ["shop"]);
    assert_eq!(furnished().await.ask(delete("/admin/keys/key1?tenant=bank", SUPER)).await.status, 404);
}

#[actix_web::test]
async fn settings_of_a_tenant_are_set_as_a_whole() {
    let desk = Desk::closed();
    let set = desk.ask(with(Method::PUT, "/admin/tenants/shop", SUPER, &json!({"retentionDays": 7, "maxConnections": null}))).await.json();
    assert_eq!((&set["name"], &set["retentionDays"], &set["maxConnections"]), (&json!("shop"), &json!(7), &Value::Null));
    assert_eq!(desk.ask(get("/admin/tenants", SUPER)).await.json()["tenants"][0]["retentionDays"], 7);
    assert_eq!(desk.ask(get("/admin/tenants?tenant=bank", SUPER)).await.json()["tenants"], json!([]));
}

#[actix_web::test]
async fn the_audit_trail_is_paged_by_number() {
    let desk = Desk::closed();
    let page = desk.ask(get("/admin/audit?after=2&limit=2", SUPER)).await.json();
    assert_eq!((page["lines"][0]["number"].as_u64(), page["nextAfter"].as_u64()), (Some(3), Some(4)));
    let end = desk.ask(get("/admin/audit?after=5", SUPER)).await.json();
    assert_eq!((&end["lines"], end["nextAfter"].as_u64()), (&json!([]), Some(5)));
}

#[actix_web::test]
async fn only_a_bearer_credential_opens_the_door() {
    let desk = Desk::of(FakeAdmin { anonymous: true, ..FakeAdmin::default() });
    for request in [
        get("/admin/keys", ""),
        get("/admin/keys", "").insert_header((header::COOKIE, format!("chaincast={SUPER}; token={SUPER}"))),
        get(&format!("/admin/keys?token={SUPER}"), ""),
        get(&format!("/admin/keys?ticket={SUPER}"), ""),
        get("/admin/keys", "").insert_header((header::AUTHORIZATION, format!("Basic {SUPER}"))),
        get("/admin/keys", "expired"),
        get("/admin/keys", "wrong"),
    ] {
        let refusal = desk.ask(request).await;
        assert_eq!(refusal.code(), "unauthorized");
        assert!(refusal.header("www-authenticate").starts_with("Bearer"));
    }
    let away = desk.ask(get("/admin/keys", "away")).await;
    assert_eq!(away.status, 503);
    assert!(!away.text.contains("10.0.0.9"));
    let counted: Vec<_> = desk.0.scrutiny.refused.counts().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [("missing", 4), ("invalid", 1), ("expired", 1), ("unavailable", 1)]);
}

#[actix_web::test]
async fn an_address_that_guesses_is_not_heard_for_a_while() {
    let desk = Desk::closed();
    let from = |credential: &str| get("/admin/keys", credential).peer_addr(([192, 0, 2, 1], 40_000).into());
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(desk.ask(from("guess")).await.code());
    }
    assert_eq!(codes, ["unauthorized", "unauthorized", "unauthorized", "unauthorized", "limited"]);
    assert_eq!(desk.ask(from(SUPER)).await.code(), "limited");
    assert_eq!(desk.ask(get("/admin/keys", SUPER).peer_addr(([192, 0, 2, 2], 1).into())).await.status, 200);
}

#[actix_web::test]
async fn without_credentials_this_machine_is_a_super_admin_and_no_page_is() {
    let desk = Desk::open();
    assert_eq!(desk.ask(post("/admin/keys", "", &key_for("shop"))).await.status, 201);
    assert_eq!(desk.ask(get("/metrics", "")).await.status, 200);
    let rebound = |uri: &str| TestRequest::with_uri(uri).insert_header((header::HOST, "evil.example"));
    assert_eq!(desk.ask(rebound("/admin/keys")).await.code(), "host_refused");
    // nor on a listener of the operators' own, whose metrics need no credential
    for uri in ["/admin/keys", "/metrics"] {
        assert_eq!(desk.ask_apart(rebound(uri)).await.code(), "host_refused", "{uri}");
    }
}

#[actix_web::test]
async fn pages_are_granted_nothing() {
    let desk = Desk::open();
    let page = (header::ORIGIN, "http://localhost:5173");
    let refusal = desk.ask(get("/admin/keys", "").insert_header(page.clone())).await;
    assert_eq!((refusal.code().as_str(), refusal.header("access-control-allow-origin")), ("origin_refused", ""));
    let preflight = get("/v1/admin/keys", "").method(Method::OPTIONS).insert_header(page);
    let preflight = preflight.insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "POST"));
    assert_eq!(desk.ask(preflight).await.header("access-control-allow-origin"), "");
    let own = desk.ask(get("/admin/keys", "").insert_header((header::ORIGIN, "http://localhost:3001"))).await;
    assert_eq!((own.status.as_u16(), own.header("access-control-allow-origin")), (200, ""));
}

#[actix_web::test]
async fn operators_routes_are_served_on_their_own_listener_only() {
    let desk = Desk::closed();
    let main = init_service(app(web::Data::new(Fakes::default().state()), None, desk.0.guard.clone(), InFlight::default())).await;
    for uri in ["/admin/keys", "/v1/admin/audit", "/metrics", "/v1/metrics"] {
        assert_eq!(send(&main, get(uri, SUPER)).await.code(), "not_found", "{uri}");
        assert_eq!(desk.ask_apart(get(uri, SUPER)).await.status, 200, "{uri}");
    }
    for uri in ["/health", "/v1/health/live", "/health/ready", "/metrics"] {
        assert_eq!(desk.ask_apart(get(uri, "")).await.status, 200, "{uri}");
    }
    for uri in ["/events?all=true", "/events/subscribe?all=true", "/events/stats", "/docs/", "/", "/openapi.json"] {
        assert_eq!(desk.ask_apart(get(uri, SUPER)).await.code(), "not_found", "{uri}");
    }
    assert_eq!(desk.ask_apart(get("/admin/keys", "")).await.code(), "unauthorized");
}

#[actix_web::test]
async fn the_paths_of_the_table_and_methods_they_do_not_have() {
    let desk = Desk::closed();
    for (uri, allow) in [
        ("/admin/keys", "GET, HEAD, POST"),
        ("/admin/keys/x", "DELETE"),
        ("/admin/keys/x/rotate", "POST"),
        ("/admin/revocations", "GET, HEAD, POST"),
        ("/admin/revocations/x", "DELETE"),
        ("/admin/tenants", "GET, HEAD"),
        ("/admin/tenants/x", "PUT"),
        ("/admin/audit", "GET, HEAD"),
        ("/metrics", "GET, HEAD"),
    ] {
        let refusal = desk.ask(to(Method::PATCH, uri, SUPER)).await;
        assert_eq!((refusal.code().as_str(), refusal.header("allow")), ("method_not_allowed", allow), "{uri}");
    }
    for uri in ["/admin", "/admin/", "/admin/nothing"] {
        assert_eq!(desk.ask(get(uri, SUPER)).await.code(), "not_found");
    }
}
