//! What one client may ask for: each limit as whoever is refused sees it, and as the operator does. New work is refused, what is held stays.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{
    access::Issuer,
    http::{Answer, Http},
    process::{Service, Settings, free_port},
    raw::{RawConnection, request},
    sse_client::SseClient,
    sse_connection::Manner,
    store::Store,
    wait::eventually,
};

/// A service with an issuer and limits, and its numbers.
struct Bench {
    issuer: Issuer,
    store: Store,
    service: Service,
    operators: Http,
}

impl Bench {
    async fn with(limits: &[(&str, &str)]) -> Self {
        let (issuer, store) = (Issuer::new(), Store::sqlite());
        let (service, operators) = Self::instance(&issuer, &store, limits).await;
        Self { issuer, store, service, operators }
    }

    /// Another one has other ports.
    async fn instance(issuer: &Issuer, store: &Store, limits: &[(&str, &str)]) -> (Service, Http) {
        let operators = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let settings = issuer.trusted_by(Settings::on(store)).with("CHAINCAST_ADMIN_LISTEN", operators);
        let service = Service::start(limits.iter().fold(settings, |settings, (name, value)| settings.with(name, value))).await;
        (service, Http::new(operators))
    }

    fn addr(&self) -> SocketAddr {
        self.service.addr()
    }

    fn http(&self) -> Http {
        Http::new(self.addr())
    }

    fn token(&self, tenant: &str, subject: &str) -> String {
        self.issuer.rights(tenant, subject, &json!({"subscribe": {"all": true}, "publish": {}}))
    }

    fn stream(&self, tenant: &str, subject: &str) -> String {
        format!("all=true&token={}", self.token(tenant, subject))
    }

    async fn set(&self, tenant: &str, settings: &Value) {
        let root = self.issuer.rights("default", "root", &json!({"role": "super_admin"}));
        let answer = self.operators.bare("PUT", &format!("/admin/tenants/{tenant}"), Some(&root), &settings.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// How often a limit refused.
    async fn limited(&self, limit: &str) -> u64 {
        let metrics = self.operators.get("/metrics").await.body;
        let name = format!("chaincast_limited_total{{limit=\"{limit}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_else(|| panic!("no {limit}: {metrics}"));
        line.parse().expect("a number")
    }

    /// A stream is refused as a browser and as a program need it, and counted under `limit`; returns the seconds to wait.
    async fn refuses(&self, query: &str, limit: &str) -> u64 {
        let before = self.limited(limit).await;
        let retry = closing(self.addr(), query).await;
        let answer = self.http().get(&format!("/events/subscribe?{query}")).await;
        let seconds = seconds(&answer);
        assert!(retry >= seconds * 1000, "an EventSource would come back too early: {retry} ms, {seconds} s");
        assert_eq!(self.limited(limit).await, before + 2, "{limit}");
        seconds
    }

    /// The status of a stream that is asked for with these header lines.
    async fn from(&self, headers: &str, query: &str) -> u16 {
        let request = request("GET", &format!("/events/subscribe?{query}"), self.addr(), headers, b"");
        RawConnection::send(self.addr(), request).await.head().await.status
    }
}

/// The `retry` of a stream that is refused by a limit.
async fn closing(addr: SocketAddr, query: &str) -> u64 {
    let mut client = SseClient::connect(addr, query, None).await;
    let frame = client.next_frame().await;
    assert_eq!((frame.name(), &frame.json()["reason"]), ("hub.closing", &json!("limited")));
    frame.retry.expect("when to come back")
}

/// The `Retry-After` of a refusal by a limit.
fn seconds(answer: &Answer) -> u64 {
    assert_eq!(answer.problem(429), "limited");
    let seconds = answer.retry_after.as_ref().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no Retry-After: {answer:?}"));
    assert!((1..=120).contains(&seconds), "{seconds}");
    seconds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_and_an_address_hold_so_many_connections_on_each_instance() {
    let limits = [("CHAINCAST_MAX_CONNECTIONS_PER_SUBJECT", "1"), ("CHAINCAST_MAX_CONNECTIONS_PER_ADDRESS", "3")];
    let bench = Bench::with(&limits).await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|subject| bench.stream("acme", subject));
    let mut first = SseClient::live(bench.addr(), &alice).await;
    bench.refuses(&alice, "subject_connections").await;
    // another tenant's alice is somebody else
    let _second = SseClient::live(bench.addr(), &bench.stream("globex", "alice")).await;
    let third = SseClient::live(bench.addr(), &bob).await;
    bench.refuses(&carol, "address_connections").await;
    // each instance counts for itself
    let (other, _) = Bench::instance(&bench.issuer, &bench.store, &limits).await;
    SseClient::live(other.addr(), &alice).await;
    // who is connected has noticed nothing, and whoever leaves makes room
    bench.http().with_token(&bench.token("acme", "alice")).publish_ok(&json!({"type": "stream.on"})).await;
    assert_eq!(first.next_event().await.name(), "stream.on");
    drop(third);
    eventually("room again", async || match bench.from("", &carol).await {
        200 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_connections_follow_its_settings_while_it_runs() {
    let bench = Bench::with(&[("CHAINCAST_MAX_CONNECTIONS_PER_TENANT", "1")]).await;
    let [one, two, three] = ["one", "two", "three"].map(|subject| bench.stream("acme", subject));
    let mut first = SseClient::live(bench.addr(), &one).await;
    bench.refuses(&two, "tenant_connections").await;
    SseClient::live(bench.addr(), &bench.stream("globex", "one")).await;
    bench.set("acme", &json!({"maxConnections": 2})).await;
    eventually("room for two", async || match bench.from("", &two).await {
        200 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    let mut second = eventually("connected", async || {
        let mut client = SseClient::connect(bench.addr(), &two, None).await;
        if client.next_frame().await.name() == "hub.open" { Ok(client) } else { Err("refused".to_owned()) }
    })
    .await;
    bench.refuses(&three, "tenant_connections").await;
    // fewer than are held: they stay
    bench.set("acme", &json!({"maxConnections": 1})).await;
    bench.refuses(&three, "tenant_connections").await;
    bench.http().with_token(&bench.token("acme", "writer")).publish_ok(&json!({"type": "stream.on"})).await;
    assert_eq!((first.next_event().await.name(), second.next_event().await.name()), ("stream.on", "stream.on"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_of_a_subject_and_from_an_address_have_a_rate() {
    let subjects = Bench::with(&[("CHAINCAST_NEW_CONNECTIONS_PER_SUBJECT", "1")]).await;
    let alice = subjects.stream("acme", "alice");
    drop(SseClient::live(subjects.addr(), &alice).await);
    let wait = subjects.refuses(&alice, "subject_rate").await;
    assert!(wait > 5, "{wait}: not the limiter's");
    drop(SseClient::live(subjects.addr(), &subjects.stream("acme", "bob")).await);
    let addresses = Bench::with(&[("CHAINCAST_NEW_CONNECTIONS_PER_ADDRESS", "1")]).await;
    drop(SseClient::live(addresses.addr(), &addresses.stream("acme", "alice")).await);
    let wait = addresses.refuses(&addresses.stream("acme", "bob"), "address_rate").await;
    assert!(wait > 5, "{wait}: not the limiter's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_keeps_presenting_bad_credentials_is_not_heard_until_the_limiter_lets_it() {
    let bench = Bench::with(&[("CHAINCAST_REFUSED_CREDENTIALS_PER_ADDRESS", "2"), ("CHAINCAST_TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let (http, good) = (bench.http(), bench.stream("acme", "alice"));
    for _ in 0..3 {
        assert_eq!(http.bare("GET", "/events?all=true", Some("nonsense"), "").await.problem(401), "unauthorized");
    }
    // not even with a good one; and the wait is the limiter's, a minute for two
    let wait = bench.refuses(&good, "refused_credentials").await;
    assert!(wait > 5, "{wait}: not the limiter's");
    let publishing = http.with_token(&bench.token("acme", "alice")).publish(&json!({"type": "stream.on"})).await;
    assert!(seconds(&publishing) > 5, "{publishing:?}");
    assert_eq!(bench.from("X-Forwarded-For: 203.0.113.7\r\n", &good).await, 200, "others are heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_publishes_so_many_events_a_second_or_as_its_tenant_says() {
    // a request of a hundred is worth more than a minute, so that no machine is too slow to be refused
    let bench = Bench::with(&[("CHAINCAST_PUBLISH_PER_SECOND", "1"), ("CHAINCAST_BATCH_EVENTS", "100")]).await;
    let batch = Value::Array(vec![json!({"type": "stream.on"}); 100]);
    let [alice, bob] = ["alice", "bob"].map(|subject| bench.http().with_token(&bench.token("acme", subject)));
    alice.publish_ok(&batch).await;
    let refused = alice.publish(&batch).await;
    assert!(seconds(&refused) > 5, "{refused:?}");
    assert_eq!(bench.limited("publish_rate").await, 1);
    bob.publish_ok(&batch).await;
    assert_eq!(alice.history("all=true&limit=1").await.events.len(), 1, "reading goes on");
    assert_eq!(bob.whole_history("all=true", "earliest").await.len(), 200, "of the refused batch nothing is stored");
    bench.set("acme", &json!({"publishPerSecond": 2})).await;
    eventually("as the tenant says", async || {
        let answer = alice.publish(&batch).await;
        if answer.status == 201 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert!(seconds(&alice.publish(&batch).await) < 60, "twice as fast");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paced_follower_is_behind_one_that_is_not_and_misses_nothing() {
    let bench = Bench::with(&[("CHAINCAST_HEARTBEAT_SECONDS", "1")]).await;
    let query = format!("streams=1&token={}", bench.token("default", "reader"));
    let mut free = SseClient::live(bench.addr(), &query).await;
    let writer = bench.http().with_token(&bench.token("default", "writer"));
    bench.set("default", &json!({"deliverPerSecond": 2, "maxConnections": 77})).await;
    // the hub takes a tenant's settings all at once, a moment after they were answered
    writer.until_stat("/connections/max", |max| max == 77).await;
    let mut paced = SseClient::live(bench.addr(), &query).await;
    let stream = |n: u64| if n.is_multiple_of(3) { "1" } else { "2" };
    let events: Vec<Value> = (1..=30).map(|n| json!({"id": format!("e{n}"), "type": "stream.on", "streams": [stream(n)]})).collect();
    writer.publish_ok(&Value::Array(events)).await;
    let expected: Vec<String> = (1..=30).filter(|n: &u64| n.is_multiple_of(3)).map(|n| format!("e{n}")).collect();
    let ids = |frames: &[crate::support::sse_parser::Frame]| -> Vec<String> {
        frames.iter().filter(|frame| frame.is_event()).map(|frame| frame.json()["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(ids(&free.next_events(10).await), expected);
    // it has what is allowed at once, and waits
    writer.until_stat("/connections/paced", |paced| paced == 1).await;
    paced.next_events(10).await;
    paced.until_heartbeat().await;
    assert_eq!(ids(paced.transcript()), expected, "each once, in order");
    // no cursor passes what has not been delivered
    let mut delivered = 0;
    for frame in paced.transcript() {
        delivered += u64::from(frame.is_event());
        let owed = expected.get(usize::try_from(delivered).expect("few")).map_or(u64::MAX, |_| (delivered + 1) * 3);
        assert!(frame.id_seq().is_none_or(|at| at < owed), "{frame:?} after {delivered}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_trusted_proxy_says_where_a_request_came_from_and_in_one_header() {
    const ONE: (&str, &str) = ("CHAINCAST_MAX_CONNECTIONS_PER_ADDRESS", "1");
    let trusted = ("CHAINCAST_TRUSTED_PROXIES", "127.0.0.0/8");
    let hold = async |bench: &Bench, headers: &'static str| {
        let mut client =
            SseClient::connect_as(Manner { headers, ..Manner::USUAL }, bench.addr(), &bench.stream("acme", "alice"), None).await;
        client.until_live().await;
        client
    };
    let status = async |bench: &Bench, headers: &str| bench.from(headers, &bench.stream("acme", "alice")).await;

    let untrusted = Bench::with(&[ONE]).await;
    let _held = hold(&untrusted, "").await;
    for claim in ["X-Forwarded-For: 203.0.113.7\r\n", "X-Forwarded-For: 203.0.113.8\r\n", "Forwarded: for=203.0.113.9\r\n"] {
        assert_eq!(status(&untrusted, claim).await, 429, "{claim}");
    }
    let told = |service: &Service| service.output().iter().filter(|line| line.contains("CHAINCAST_TRUSTED_PROXIES")).count();
    assert_eq!(told(&untrusted.service), 1, "the operator is told once");

    for (header, name, other) in
        [("x-forwarded-for", "X-Forwarded-For: ", "Forwarded: for="), ("forwarded", "Forwarded: for=", "X-Forwarded-For: ")]
    {
        let bench = Bench::with(&[ONE, trusted, ("CHAINCAST_FORWARDED_HEADER", header)]).await;
        let _proxy = hold(&bench, "").await;
        let seven = if header == "forwarded" { "Forwarded: for=203.0.113.7\r\n" } else { "X-Forwarded-For: 203.0.113.7\r\n" };
        let _seven = hold(&bench, seven).await;
        let list = if header == "forwarded" {
            "Forwarded: for=203.0.113.8, for=203.0.113.7\r\n"
        } else {
            "X-Forwarded-For: 203.0.113.8, 203.0.113.7\r\n"
        };
        for (claim, expected) in [
            (seven.to_owned(), 429),
            (format!("{name}203.0.113.8\r\n"), 200),
            // what the client itself wrote stands in front, and is not looked at
            (list.to_owned(), 429),
            (format!("{other}203.0.113.9\r\n"), 429),
            (format!("{name}unknown\r\n"), 429),
        ] {
            assert_eq!(status(&bench, &claim).await, expected, "{header}: {claim}");
        }
        assert_eq!(bench.limited("address_connections").await, 4);
        assert_eq!(told(&bench.service), 0);
    }
}
