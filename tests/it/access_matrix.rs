//! Who may do what, as one table: each credential against each kind of request, through the real service.

use serde_json::{Value, json};

use crate::support::{
    access::{Issuer, now},
    http::Http,
    process::{Service, Settings},
    store::{Store, for_each_store},
};

/// What a credential is called in the table below.
const CREDENTIALS: [&str; 14] = [
    "nobody", "alice", "reader", "rival", "indexer", "admin", "super", "forged", "none-alg", "expired", "early", "audience", "issuer",
    "garbage",
];

fn credential(issuer: &Issuer, name: &str) -> Option<String> {
    let rights = |tenant, subject, rights: Value| Some(issuer.rights(tenant, subject, &rights));
    let alice = json!({"subscribe": {"users": ["self"], "streams": ["7"], "topics": ["market.**"]}});
    let odd = |claims: Value| {
        let mut all =
            json!({"sub": "GALICE", "tenant": "acme", "chaincast": {"subscribe": {"all": true}, "publish": {}, "role": "super_admin"}});
        for (name, value) in claims.as_object().expect("an object") {
            all[name] = value.clone();
        }
        all
    };
    match name {
        "nobody" => None,
        "alice" => rights("acme", "GALICE", alice),
        "reader" => rights("acme", "GREADER", json!({"subscribe": {"all": true}})),
        "rival" => rights("globex", "GRIVAL", json!({"subscribe": {"all": true}, "publish": {}})),
        "indexer" => rights("acme", "indexer", json!({"publish": {"types": ["stream.*"], "topics": ["market.**"]}})),
        "admin" => rights("acme", "admin", json!({"role": "admin"})),
        "super" => rights("default", "root", json!({"subscribe": {"all": true}, "role": "super_admin"})),
        "forged" => Some(Issuer::new().token(&odd(json!({})))),
        "none-alg" => {
            let token =
                issuer.sign(&json!({"alg": "none"}), &odd(json!({"exp": now() + 60, "iss": "https://id.example", "aud": "chaincast"})));
            Some(token)
        }
        "expired" => Some(issuer.token(&odd(json!({"exp": now() - 3600})))),
        "early" => Some(issuer.token(&odd(json!({"nbf": now() + 3600})))),
        "audience" => Some(issuer.token(&odd(json!({"aud": "another"})))),
        "issuer" => Some(issuer.token(&odd(json!({"iss": "https://evil.example"})))),
        "garbage" => Some("not.a.token".to_owned()),
        other => panic!("no credential {other}"),
    }
}

const EVENT: &str = r#"{"type":"stream.created","topics":["market.x"]}"#;
const OTHER_TYPE: &str = r#"[{"type":"stream.created"},{"type":"pot.created"}]"#;
const OTHER_TOPIC: &str = r#"{"type":"stream.created","topics":["market.x","secret.x"]}"#;

/// What is asked, and by whom it is allowed; everybody else is refused, and `WHY` says how.
struct Row {
    method: &'static str,
    target: &'static str,
    body: &'static str,
    /// Who gets an answer below 400.
    allowed: &'static [&'static str],
    /// The member `parameter`, or the pointer of the first of `errors`, of a 403; empty where there is none.
    names: &'static str,
}

const fn get(target: &'static str, allowed: &'static [&'static str], names: &'static str) -> Row {
    Row { method: "GET", target, body: "", allowed, names }
}

const fn post(target: &'static str, body: &'static str, allowed: &'static [&'static str], names: &'static str) -> Row {
    Row { method: "POST", target, body, allowed, names }
}

/// Everyone whose credential is good.
const VALID: &[&str] = &["alice", "reader", "rival", "indexer", "admin", "super"];

const MATRIX: &[Row] = &[
    // filters, by what the claims cover
    get("/events?all=true", &["alice", "reader", "rival", "super"], "all"),
    get("/events?types=stream.*", &["alice", "reader", "rival", "super"], "types"),
    get("/events?users=GALICE", &["alice", "reader", "rival", "super"], "users"),
    get("/events?users=GBOB", &["reader", "rival", "super"], "users"),
    get("/events?users=GALICE,GBOB", &["reader", "rival", "super"], "users"),
    get("/events?streams=7", &["alice", "reader", "rival", "super"], "streams"),
    get("/events?streams=7&streams=8", &["reader", "rival", "super"], "streams"),
    get("/events?topics=market.price.x", &["alice", "reader", "rival", "super"], "topics"),
    get("/events?topics=market.**", &["alice", "reader", "rival", "super"], "topics"),
    get("/events?topics=**", &["reader", "rival", "super"], "topics"),
    get("/events?topics=market.*,secret.x&types=a.b", &["reader", "rival", "super"], "topics"),
    get("/v1/events?topics=secret.x", &["reader", "rival", "super"], "topics"),
    // a stream is as history, and HEAD says what GET would
    get("/events/subscribe?all=true", &["alice", "reader", "rival", "super"], "all"),
    get("/events/subscribe?users=GBOB", &["reader", "rival", "super"], "users"),
    get("/v1/events/subscribe?topics=secret.x", &["reader", "rival", "super"], "topics"),
    Row { method: "HEAD", target: "/events/subscribe?users=GBOB", body: "", allowed: &["reader", "rival", "super"], names: "" },
    // another tenant: only a super admin, and only with a reason
    get("/events?all=true&tenant=globex&reason=ticket+4711", &["rival", "super"], "tenant"),
    get("/events/subscribe?all=true&tenant=globex&reason=ticket+4711", &["rival", "super"], "tenant"),
    get("/events/stats?tenant=globex&reason=ticket+4711", &["rival", "super"], "tenant"),
    // numbers are for whoever has a credential
    get("/events/stats", VALID, ""),
    // publishing
    post("/events", EVENT, &["rival", "indexer"], ""),
    post("/events", OTHER_TYPE, &["rival"], "/1/type"),
    post("/events", OTHER_TOPIC, &["rival"], "/topics/1"),
    // tickets are for tokens that may see something
    post("/events/tickets", "", &["alice", "reader", "rival", "super"], ""),
    // looking after things
    get("/admin/keys", &["admin", "super"], ""),
    get("/admin/audit", &["admin", "super"], ""),
    get("/admin/revocations", &["admin", "super"], ""),
    get("/admin/tenants", &["super"], ""),
    get("/metrics", &["super"], ""),
    post("/admin/keys", r#"{"name":"k","kind":"bearer","tenant":"acme","rights":{"publish":{}}}"#, &["admin", "super"], ""),
    post("/admin/keys", r#"{"name":"k","kind":"bearer","tenant":"globex","rights":{"publish":{}}}"#, &["super"], ""),
    post("/admin/keys", r#"{"name":"k","kind":"bearer","tenant":"acme","rights":{"role":"super_admin"}}"#, &["super"], ""),
    post("/admin/revocations", r#"{"sub":"GNOBODY","tenant":"acme"}"#, &["admin", "super"], ""),
    post("/admin/revocations", r#"{"sub":"GNOBODY","tenant":"globex"}"#, &["super"], ""),
];

/// What needs no credential at all.
const PUBLIC: [&str; 6] = ["/", "/health", "/health/live", "/health/ready", "/openapi.json", "/docs/"];

for_each_store! {
    async fn each_credential_may_do_what_the_table_says_and_nothing_else(store: Store) {
        let issuer = Issuer::new();
        // all the bad credentials come from one address
        let settings = issuer.trusted_by(Settings::on(&store)).with("CHAINCAST_REFUSED_CREDENTIALS_PER_ADDRESS", 0);
        let service = Service::start(settings).await;
        let http = Http::new(service.addr());
        for target in PUBLIC {
            assert_eq!(http.get(target).await.status, 200, "{target}");
        }
        for row in MATRIX {
            assert!(row.allowed.iter().all(|name| VALID.contains(name)), "{}", row.target);
            for name in CREDENTIALS {
                let token = credential(&issuer, name);
                let answer = http.bare(row.method, row.target, token.as_deref(), row.body).await;
                let what = format!("{name}: {} {} {} → {answer:?}", row.method, row.target, row.body);
                if row.allowed.contains(&name) {
                    assert!(answer.status < 300, "{what}");
                    continue;
                }
                let wanted = if VALID.contains(&name) { 403 } else { 401 };
                assert_eq!(answer.status, wanted, "{what}");
                assert_eq!(answer.challenge.is_some(), wanted == 401, "{what}");
                if let Some(challenge) = &answer.challenge {
                    assert!(challenge.starts_with("Bearer "), "{what}");
                    assert_eq!(challenge.contains("invalid_token"), name != "nobody", "{what}");
                }
                if row.method == "HEAD" {
                    continue;
                }
                let body = answer.json();
                assert_eq!(body["code"], if wanted == 401 { "unauthorized" } else { "forbidden" }, "{what}");
                if wanted == 403 && !row.names.is_empty() && !is_without_any_right(name, row) {
                    let named = body["parameter"].as_str().or_else(|| body.pointer("/errors/0/pointer").and_then(Value::as_str));
                    assert_eq!(named, Some(row.names), "{what}");
                }
                if let Some(token) = token.filter(|token| token.len() > 20) {
                    assert!(!answer.body.contains(&token), "{what}");
                }
            }
        }
    }
}

/// Whether it is refused before anything of the request is looked at: it may not publish at all.
fn is_without_any_right(name: &str, row: &Row) -> bool {
    row.method == "POST" && !["rival", "indexer"].contains(&name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_super_admin_reads_another_tenant_for_a_reason_that_is_on_record() {
    let issuer = Issuer::new();
    let store = Store::sqlite();
    let service = Service::start(issuer.trusted_by(Settings::on(&store))).await;
    let (http, root) = (Http::new(service.addr()), credential(&issuer, "super").expect("a token"));
    for target in ["/events?all=true&tenant=acme", "/events/stats?tenant=acme", "/events?all=true&tenant=acme&reason=%20"] {
        let answer = http.bare("GET", target, Some(&root), "").await;
        assert_eq!(answer.problem(400), "reason_required", "{target}");
    }
    let trail = async || http.bare("GET", "/admin/audit", Some(&root), "").await.body;
    assert!(!trail().await.contains("tenant.read"));
    let answer = http.bare("GET", "/events?all=true&tenant=acme&reason=ticket%204711", Some(&root), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let trail = trail().await;
    assert!(["tenant.read", "ticket 4711", "acme", "token:root"].iter().all(|word| trail.contains(word)), "{trail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_granted_to_everyone_is_open_and_nothing_else() {
    let issuer = Issuer::new();
    let settings =
        issuer.trusted_by(Settings::on(&Store::sqlite())).with("CHAINCAST_ANONYMOUS_RIGHTS", r#"{"subscribe":{"topics":["market.**"]}}"#);
    let service = Service::start(settings).await;
    let http = Http::new(service.addr());
    for (target, status) in [
        ("/events?topics=market.price.x", 200),
        ("/events?all=true", 200),
        ("/events/subscribe?topics=market.**", 200),
        // a credential would help
        ("/events?topics=secret.x", 401),
        ("/events/subscribe?users=GALICE", 401),
        ("/events/stats", 401),
    ] {
        assert_eq!(http.bare("GET", target, None, "").await.status, status, "{target}");
        // a bad credential is never taken for none
        assert_eq!(http.bare("GET", target, Some("not.a.token"), "").await.status, 401, "{target}");
    }
    assert_eq!(http.bare("POST", "/events", None, EVENT).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misspelt_right_is_named_and_breaks_no_header() {
    let issuer = Issuer::new();
    let store = Store::sqlite();
    let service = Service::start(issuer.trusted_by(Settings::on(&store))).await;
    let http = Http::new(service.addr());
    let misspelt = issuer.rights("acme", "alice", &json!({"subscribe": {"topic": ["market.**"]}}));
    let answer = http.bare("GET", "/events?all=true", Some(&misspelt), "").await;
    assert_eq!(answer.problem(401), "unauthorized");
    let expected = "`chaincast` is not what rights are: unknown field `topic`, expected one of `streams`, `users`, `topics`, `all`";
    assert_eq!(answer.challenge, Some(format!("Bearer realm=\"chaincast\", error=\"invalid_token\", error_description=\"{expected}\"")));
    // whatever a member is called
    let hostile = issuer.rights("acme", "alice", &json!({"\r\nSet-Cookie: a=\"b\\\u{fc}": 1}));
    let answer = http.bare("GET", "/events?all=true", Some(&hostile), "").await;
    assert_eq!(answer.problem(401), "unauthorized");
    let challenge = answer.challenge.expect("a challenge");
    assert!(challenge.contains("unknown field `''Set-Cookie: a='b''`") && challenge.matches('"').count() == 6, "{challenge}");
    let long = issuer.rights("acme", "alice", &json!({"x".repeat(3000): 1}));
    let answer = http.bare("GET", "/events?all=true", Some(&long), "").await;
    assert!(answer.challenge.expect("a challenge").len() < 400 && answer.body.len() < 1000, "{}", answer.body);
}
