//! Streams end when their right does: by the clock, by a revocation, and by a newer use of their ticket; on every instance.

use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::support::{
    access::{Issuer, now},
    http::Http,
    process::{Service, Settings},
    sse_client::SseClient,
    sse_connection::Ending,
    store::{Store, for_each_store},
};

/// How long a revocation may take to end a stream on another instance (the issue's promise); the clock is the test's own, and generous only to the
/// machine: it is compared after everything else has happened.
const WITHIN: Duration = Duration::from_secs(1);

fn all(issuer: &Issuer, tenant: &str, subject: &str) -> String {
    issuer.rights(tenant, subject, &json!({"subscribe": {"all": true}, "publish": {}}))
}

fn with_token(token: &str) -> String {
    format!("all=true&token={token}")
}

/// Reads up to the closing notice, and returns its reason and how the stream ended.
async fn closing(client: &mut SseClient) -> (String, Ending) {
    let frame = client.until("hub.closing", |frame| frame.name() == "hub.closing").await;
    (frame.json()["reason"].as_str().expect("a reason").to_owned(), client.until_end().await)
}

async fn publish(http: &Http, token: &str, kind: &str) {
    let answer = http.with_token(token).publish(&json!({"type": kind})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_warned_and_ends_when_its_token_does() {
    let issuer = Issuer::new();
    let store = Store::sqlite();
    let settings = issuer.trusted_by(Settings::on(&store)).with("CHAINCAST_JWT_LEEWAY_SECONDS", 0);
    let service = Service::start(settings).await;
    let (http, writer) = (Http::new(service.addr()), all(&issuer, "acme", "writer"));
    let expires = now() + 3;
    let short = issuer.token(&json!({"sub": "G", "tenant": "acme", "exp": expires, "chaincast": {"subscribe": {"all": true}}}));
    let mut client = SseClient::connect(service.addr(), &with_token(&short), None).await;
    // less than a minute is left, so it is told at once
    let warning = client.until("hub.expiring", |frame| frame.name() == "hub.expiring").await;
    client.until_live().await;
    assert!(warning.id.is_none() && warning.json()["seconds"].as_u64().is_some_and(|left| left <= 3), "{warning:?}");
    publish(&http, &writer, "stream.before").await;
    assert_eq!(client.next_event().await.name(), "stream.before");
    assert_eq!(closing(&mut client).await, ("expired".to_owned(), Ending::Clean));
    assert!(now() >= expires, "not before its time");
    // an EventSource that comes back is told for good
    let refused = SseClient::refused(service.addr(), &with_token(&short), client.last_id()).await;
    assert_eq!(refused.problem(401), "unauthorized");
    assert!(refused.challenge.is_some_and(|challenge| challenge.contains("expired")));
}

for_each_store! {
    async fn a_revocation_ends_matching_streams_on_every_instance_and_refuses_them_from_then_on(store: Store) {
        let issuer = Issuer::new();
        let settings = || issuer.trusted_by(Settings::on(&store));
        let (one, two) = (Service::start(settings()).await, Service::start(settings()).await);
        let root = issuer.rights("default", "root", &json!({"role": "super_admin"}));
        let token = |tenant: &str, subject: &str, id: &str| {
            issuer.token(&json!({"sub": subject, "tenant": tenant, "jti": id, "chaincast": {"subscribe": {"all": true}}}))
        };
        let [alice, alice_too, bob, alice_elsewhere] =
            [token("acme", "alice", "a1"), token("acme", "alice", "a2"), token("acme", "bob", "b1"), token("globex", "alice", "g1")];
        let steps = [
            (json!({"jti": "a1"}), vec![&alice]),
            (json!({"sub": "alice", "tenant": "acme"}), vec![&alice_too]),
            (json!({"tenant": "acme"}), vec![&bob]),
        ];
        let mut streams = Vec::new();
        for token in [&alice, &alice_too, &bob, &alice_elsewhere] {
            for service in [&one, &two] {
                streams.push((token, service.addr(), SseClient::live(service.addr(), &with_token(token)).await));
            }
        }
        let admin = Http::new(one.addr()).with_token(&root);
        let mut lifted = String::new();
        for (revocation, revoked) in steps {
            let began = Instant::now();
            let answer = admin.try_post("/admin/revocations", "application/json", revocation.to_string()).await.expect("answers");
            assert_eq!(answer.status, 201, "{answer:?}");
            lifted = answer.json()["id"].as_str().expect("an id").to_owned();
            let (ended, others): (Vec<_>, Vec<_>) = streams.into_iter().partition(|(token, ..)| revoked.contains(token));
            streams = others;
            for (token, addr, mut client) in ended {
                assert_eq!(closing(&mut client).await, ("revoked".to_owned(), Ending::Clean), "{revocation}");
                let took = began.elapsed();
                println!("{revocation}: ended after {took:?} (promised: {WITHIN:?})");
                assert_eq!(SseClient::refused(addr, &with_token(token), client.last_id()).await.problem(401), "unauthorized");
            }
        }
        // the other tenant's alice has noticed nothing, and what was revoked comes back when the revocation is lifted
        for (_, addr, client) in &mut streams {
            publish(&Http::new(*addr), &all(&issuer, "globex", "writer"), "stream.on").await;
            assert_eq!(client.next_event().await.name(), "stream.on");
        }
        assert_eq!(admin.bare("DELETE", &format!("/admin/revocations/{lifted}"), Some(&root), "").await.status, 204);
        SseClient::live(one.addr(), &with_token(&bob)).await;
    }

    async fn streams_that_needed_no_credential_end_on_every_instance_when_the_first_key_is_made(store: Store) {
        let services = [Service::start(Settings::on(&store)).await, Service::start(Settings::on(&store)).await];
        let mut followers = Vec::new();
        for service in &services {
            for query in ["all=true", "streams=quiet"] {
                followers.push((service.addr(), query, SseClient::live(service.addr(), query).await));
            }
        }
        let http = Http::new(services[0].addr());
        http.publish_ok(&json!({"type": "stream.on"})).await;
        for (_, _, client) in followers.iter_mut().filter(|(_, query, _)| *query == "all=true") {
            assert_eq!(client.next_event().await.name(), "stream.on");
        }
        let wanted = json!({"name": "first", "kind": "bearer", "rights": {"subscribe": {"all": true}, "role": "super_admin"}});
        let made = http.bare("POST", "/admin/keys", None, &wanted.to_string()).await;
        assert_eq!(made.status, 201, "{made:?}");
        for (addr, query, client) in &mut followers {
            assert_eq!(closing(client).await, ("revoked".to_owned(), Ending::Clean), "{query}");
            assert_eq!(SseClient::refused(*addr, query, client.last_id()).await.problem(401), "unauthorized");
        }
        // whoever has the key follows on, wherever
        let key = made.json()["secret"].as_str().expect("a secret").to_owned();
        for service in &services {
            SseClient::live(service.addr(), &with_token(&key)).await;
        }
    }

    async fn a_ticket_is_one_subscription_that_may_move_between_instances_and_the_newer_connection_counts(store: Store) {
        let issuer = Issuer::new();
        let settings = || issuer.trusted_by(Settings::on(&store));
        let (one, two) = (Service::start(settings()).await, Service::start(settings()).await);
        let token = all(&issuer, "acme", "alice");
        let http = Http::new(one.addr()).with_token(&token);
        let ticket = || async {
            let answer = http.try_post("/events/tickets", "application/json", "").await.expect("answers");
            assert_eq!(answer.status, 201, "{answer:?}");
            answer.json()["ticket"].as_str().expect("a ticket").to_owned()
        };
        let ticket = ticket().await;
        let query = format!("all=true&ticket={ticket}");
        let mut first = SseClient::live(one.addr(), &query).await;
        publish(&http, &token, "stream.first").await;
        assert_eq!(first.next_event().await.name(), "stream.first");
        // the same URL again, as EventSource does, on another instance: the older connection goes
        let mut second = SseClient::connect(two.addr(), &query, first.last_id()).await;
        second.until_live().await;
        assert_eq!(closing(&mut first).await, ("superseded".to_owned(), Ending::Clean));
        let mut third = SseClient::connect(two.addr(), &query, second.last_id()).await;
        third.until_live().await;
        assert_eq!(closing(&mut second).await.0, "superseded");
        publish(&http, &token, "stream.second").await;
        assert_eq!(third.next_event().await.name(), "stream.second");
        // for anything else it is worth nothing, nor is one that was tampered with
        let tampered = format!("all=true&ticket={}A", &ticket[..ticket.len() - 1]);
        let other = format!("types=stream.*&ticket={ticket}");
        for refused in [other.as_str(), &tampered, "all=true&ticket=cct_x"] {
            let answer = SseClient::refused(one.addr(), refused, None).await;
            assert_eq!(answer.problem(401), "unauthorized", "{refused}");
        }
        assert_eq!(http.get(&format!("/events?{query}")).await.problem(400), "invalid_parameter");
        // and it ends with the token that it was made of
        let root = issuer.rights("default", "root", &json!({"role": "super_admin"}));
        let revoked = Http::new(two.addr()).bare("POST", "/admin/revocations", Some(&root), r#"{"sub":"alice","tenant":"acme"}"#).await;
        assert_eq!(revoked.status, 201, "{revoked:?}");
        assert_eq!(closing(&mut third).await.0, "revoked");
        assert_eq!(SseClient::refused(two.addr(), &query, None).await.problem(401), "unauthorized");
    }

    async fn tenants_are_logs_of_their_own_in_every_number(store: Store) {
        let issuer = Issuer::new();
        let service = Service::start(issuer.trusted_by(Settings::on(&store))).await;
        let http = Http::new(service.addr());
        let [acme, globex] = ["acme", "globex"].map(|tenant| http.with_token(&all(&issuer, tenant, "writer")));
        for n in 0..5 {
            acme.publish_ok(&json!({"id": format!("e{n}"), "type": "stream.created", "streams": ["1"]})).await;
        }
        // the same id is another event there, and seqs begin at 1
        let items = globex.publish_ok(&json!({"id": "e0", "type": "stream.created", "streams": ["1"]})).await;
        assert_eq!((&items[0]["seq"], &items[0]["status"]), (&json!(1), &json!("stored")));
        let seen = |page: crate::support::http::Page| page.events.len();
        assert_eq!((seen(acme.history("all=true").await), seen(globex.history("all=true").await)), (5, 1));
        let cursor = acme.history("all=true").await.next_event_id;
        // a cursor of another tenant is one of a numbering that never was: told, and nothing of the other's
        let page = globex.history(&format!("all=true&last_event_id={cursor}")).await;
        assert_eq!(page.gap.expect("told")["reason"], "rewound");
        // nobody follows it, so where it stands is as of the last look
        globex.until_stat("/log/head", |head| head > 0).await;
        let stats: Value = globex.stats().await;
        assert_eq!((&stats["log"]["head"], &stats["events"]["published"]), (&json!(1), &json!(1)), "{stats}");
        for instance in ["memory", "queues"] {
            assert!(stats.get(instance).is_none_or(Value::is_null), "{instance} tells of others: {stats}");
        }
        // the instance's numbers are sums, and name nobody
        let root = issuer.rights("default", "root", &json!({"role": "super_admin"}));
        let metrics = http.bare("GET", "/metrics", Some(&root), "").await.body;
        for line in ["chaincast_events_published_total 6", "chaincast_log_head 0", "chaincast_tenants 3", "chaincast_tenants_followed 1"] {
            assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
        }
        assert!(!metrics.contains("acme") && !metrics.contains("globex"), "{metrics}");
        let mut follower = SseClient::live(service.addr(), &with_token(&all(&issuer, "globex", "reader"))).await;
        acme.publish_ok(&json!({"type": "stream.theirs"})).await;
        globex.publish_ok(&json!({"type": "stream.ours"})).await;
        assert_eq!(follower.next_event().await.name(), "stream.ours");
        assert!(follower.transcript().iter().all(|frame| !frame.data.contains("theirs")));
    }
}
