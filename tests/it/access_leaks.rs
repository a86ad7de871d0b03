//! No credential, good or bad, comes out again: not in the log at its loudest, nor in answers, metrics,
//! statistics or traces.

use serde_json::json;

use crate::support::{
    access::{Issuer, now, signed_headers},
    collector::Collector,
    http::Http,
    process::{Service, Settings},
    raw::{exchange, request},
    sse_client::SseClient,
    store::Store,
    wait::eventually,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_comes_out_again_in_logs_answers_or_metrics() {
    let store = Store::postgres().await;
    let issuer = Issuer::new();
    let service_secret = format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
    let settings = issuer.trusted_by(Settings::on(&store)).with("CHAINCAST_SECRET", &service_secret).with("CHAINCAST_LOG", "trace");
    let (collector, collectors_key) = (Collector::start(), format!("{:032x}", fastrand::u128(..)));
    let settings =
        settings.with("CHAINCAST_OTLP_ENDPOINT", collector.url()).with("CHAINCAST_OTLP_HEADERS", format!("api-key={collectors_key}"));
    let service = Service::start(settings).await;
    let addr = service.addr();
    let (http, mut secrets, mut answers) = (Http::new(addr), vec![issuer.secret().to_owned(), service_secret, collectors_key], Vec::new());
    let root = issuer.rights("default", "root", &json!({"subscribe": {"all": true}, "publish": {}, "role": "super_admin"}));
    let expired = issuer.token(&json!({"sub": "x", "exp": now() - 3600}));
    let forged = Issuer::new().rights("acme", "x", &json!({}));
    let admin = http.with_token(&root);

    for kind in ["bearer", "signing"] {
        let key = json!({"name": kind, "kind": kind, "rights": {"publish": {}}});
        let made = admin.try_post("/admin/keys", "application/json", key.to_string()).await.expect("answers").json();
        let (id, secret) = (made["id"].as_str().expect("an id").to_owned(), made["secret"].as_str().expect("a secret").to_owned());
        if kind == "signing" {
            let headers = signed_headers(&secret, "msg", now(), r#"{"type":"a.b"}"#);
            answers.push(http.post_with(&format!("/events?key={id}"), &headers, r#"{"type":"a.b"}"#).await.body);
        } else {
            answers.push(http.bare("POST", "/events", Some(&secret), r#"{"type":"a.b"}"#).await.body);
            answers.push(http.bare("POST", "/events", Some(&format!("{}x", &secret[..secret.len() - 1])), "{}").await.body);
        }
        // a part would do: of a key the random end, of a signing secret what follows its prefix
        let random = if kind == "bearer" { secret.splitn(3, '_').last() } else { secret.strip_prefix("whsec_") };
        secrets.push(random.expect("a part").to_owned());
    }
    let ticket = admin.try_post("/events/tickets", "application/json", "").await.expect("answers").json();
    let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
    let mut follower = SseClient::live(addr, &format!("all=true&ticket={ticket}")).await;
    let mut again = SseClient::live(addr, &format!("all=true&ticket={ticket}")).await;
    follower.until_end().await;
    admin.publish_ok(&json!({"type": "a.b"})).await;
    again.next_event().await;
    for token in [&root, &expired, &forged] {
        for target in [
            format!("/events?all=true&token={token}"),
            format!("/events?token={token}"),
            format!("/events?all=true&token={token}&token={token}"),
            format!("/events?all=true&token={token}%zz"),
            format!("/events?all=true&ticket={token}"),
            format!("/events/subscribe?nonsense=1&token={token}"),
            format!("/events/{token}"),
            format!("/events/stats?token={token}"),
        ] {
            for method in ["GET", "POST"] {
                for headers in [
                    String::new(),
                    format!("Cookie: __Secure-chaincast={token}\r\n"),
                    format!("Authorization: Basic {token}\r\n"),
                    format!("X-Request-Id: {token}\r\n"),
                ] {
                    answers.push(exchange_head(addr, method, &target, &headers).await);
                }
            }
        }
        answers.push(http.bare("GET", "/admin/keys", Some(token), "").await.body);
        answers.push(http.bare("GET", "/admin/audit", Some(token), "").await.body);
        answers.push(http.bare("GET", "/metrics", Some(token), "").await.body);
        answers.push(http.bare("GET", "/events/stats", Some(token), "").await.body);
        // what signs is what must not come out: a signature alone opens nothing, but with the rest, which may be logged elsewhere, it does
        secrets.push(token.rsplit('.').next().expect("a signature").to_owned());
    }
    secrets.push(ticket.trim_start_matches("cct_").to_owned());
    eventually("told of a request at debug", async || {
        if service.output().iter().any(|line| line.contains("/events/subscribe")) { Ok(()) } else { Err("nothing".to_owned()) }
    })
    .await;
    let traces = eventually("told of a request in a trace", async || {
        let told = format!("{:?}", collector.told());
        if told.contains("/events/subscribe") { Ok(told) } else { Err("nothing".to_owned()) }
    })
    .await;
    answers.push(traces);
    let output = service.output();
    for secret in &secrets {
        assert!(secret.len() >= 16, "too short to look for: {secret}");
        let found = output.iter().chain(&answers).find(|line| line.contains(secret.as_str()));
        assert!(found.is_none(), "{secret} in {found:?}");
    }
}

/// The answer's body, or of a stream its head alone.
async fn exchange_head(addr: std::net::SocketAddr, method: &str, target: &str, headers: &str) -> String {
    if method == "GET" && target.contains("/subscribe") {
        return String::new();
    }
    exchange(addr, request(method, target, addr, headers, b"")).await.body
}
