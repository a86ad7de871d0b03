//! Two instances on one Postgres and one Redis: what a subject holds is counted on both, and statistics are of both; while Redis is there.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{
    access::Issuer,
    http::Http,
    process::{Service, Settings},
    redis::RedisServer,
    sse_client::SseClient,
    store::Store,
    wait::eventually,
};

struct Pair {
    issuer: Issuer,
    redis: RedisServer,
    one: Service,
    two: Service,
    _store: Store,
}

impl Pair {
    /// Two instances that know of each other.
    async fn with_limit(most: u32) -> Self {
        Self::with(most, 100).await
    }

    async fn with(most: u32, connections: u32) -> Self {
        let (issuer, store, redis) = (Issuer::new(), Store::postgres().await, RedisServer::start().await);
        let settings = || {
            let settings = issuer.trusted_by(Settings::on(&store)).with("REDIS_URL", redis.url());
            ["NEW_CONNECTIONS_PER_SUBJECT", "NEW_CONNECTIONS_PER_ADDRESS", "MAX_CONNECTIONS_PER_ADDRESS"]
                .iter()
                .fold(settings, |settings, name| settings.with(&format!("CHAINCAST_{name}"), 0))
                .with("CHAINCAST_MAX_CONNECTIONS_PER_SUBJECT", most)
                .with("CHAINCAST_MAX_CONNECTIONS", connections)
        };
        let (one, two) = (Service::start(settings()).await, Service::start(settings()).await);
        let pair = Self { issuer, redis, one, two, _store: store };
        pair.until_limits_are_of("cluster").await;
        for service in [&pair.one, &pair.two] {
            pair.root(service.addr()).until_stat("/backplane/peers", |peers| peers == 1).await;
        }
        pair
    }

    fn root(&self, addr: SocketAddr) -> Http {
        Http::new(addr).with_token(&self.issuer.rights("default", "root", &json!({"role": "super_admin"})))
    }

    async fn until_limits_are_of(&self, scope: &str) {
        for service in [&self.one, &self.two] {
            let root = self.root(service.addr());
            eventually(&format!("limits are of the {scope}"), async || {
                let found = root.stats().await["limits"]["scope"].clone();
                if found == scope { Ok(()) } else { Err(found.to_string()) }
            })
            .await;
        }
    }

    fn token(&self, subject: &str) -> String {
        self.issuer.rights("acme", subject, &json!({"subscribe": {"all": true}, "publish": {}}))
    }

    fn stream(&self, subject: &str) -> String {
        format!("all=true&token={}", self.token(subject))
    }

    async fn shared_gauge(&self, addr: SocketAddr) -> String {
        let metrics = self.root(addr).get("/metrics").await.body;
        metrics.lines().find_map(|line| line.strip_prefix("chaincast_limits_shared ")).expect("a gauge").to_owned()
    }
}

/// What a stream begins with.
async fn first_frame(addr: SocketAddr, query: &str) -> (SseClient, Value, String) {
    let mut client = SseClient::connect(addr, query, None).await;
    let frame = client.next_frame().await;
    (client, frame.json(), frame.name().to_owned())
}

async fn is_refused(addr: SocketAddr, query: &str) {
    let (_, said, name) = first_frame(addr, query).await;
    assert_eq!((name.as_str(), &said["reason"]), ("hub.closing", &json!("limited")), "{said}");
    assert_eq!(Http::new(addr).get(&format!("/events/subscribe?{query}")).await.problem(429), "limited");
}

async fn until_admitted(addr: SocketAddr, query: &str) -> SseClient {
    eventually("admitted", async || {
        let (client, said, name) = first_frame(addr, query).await;
        if name == "hub.open" { Ok(client) } else { Err(said.to_string()) }
    })
    .await
}

async fn of_all(http: &Http) -> Value {
    let answer = http.get("/events/stats?scope=cluster").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Waits until the numbers of all instances are these.
async fn until_of_all(http: &Http, wanted: &[(&str, Value)]) -> Value {
    eventually(&format!("{wanted:?}"), async || {
        let found = of_all(http).await;
        if wanted.iter().all(|(pointer, value)| found.pointer(pointer) == Some(value)) { Ok(found) } else { Err(found.to_string()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_holds_so_many_connections_on_all_instances_and_those_of_a_killed_one_are_free_after_its_lease() {
    let mut pair = Pair::with_limit(3).await;
    let (one, two) = (pair.one.addr(), pair.two.addr());
    let (alice, bob) = (pair.stream("alice"), pair.stream("bob"));
    let mut held = Vec::new();
    for addr in [one, two, two] {
        held.push(SseClient::live(addr, &alice).await);
    }
    for addr in [one, two] {
        is_refused(addr, &alice).await;
        assert_eq!(pair.shared_gauge(addr).await, "1");
    }
    held.push(SseClient::live(two, &bob).await);
    // a place that is given back is anybody's
    drop(held.remove(1));
    held.push(until_admitted(one, &alice).await);
    is_refused(two, &alice).await;
    let keys: Vec<String> = pair.redis.run(&["KEYS", "*"]).expect("answers");
    assert!(keys.len() == 2 && !keys.iter().any(|key| key.contains("alice") || key.contains("acme")), "{keys:?}");

    // a tenant sees its log on both, and nothing that all share
    let reader = Http::new(one).with_token(&pair.token("reader"));
    reader.publish_ok(&json!([{"type": "stream.one"}, {"type": "stream.two"}])).await;
    let of_both = [
        ("/connections/now", json!(4)),
        ("/connections/bySelector/all", json!(4)),
        ("/events/published", json!(2)),
        ("/events/delivered", json!(8)),
        ("/complete", json!(true)),
    ];
    let found = until_of_all(&reader, &of_both).await;
    assert_eq!((&found["scope"], &found["missing"], &found["log"]["head"]), (&json!("cluster"), &json!(0), &json!(2)));
    assert!(found["latency"]["commitToWriteMicroseconds"]["max"].as_u64().is_some_and(|max| max > 0), "{found}");
    for hidden in ["memory", "queues", "instance", "limits"] {
        assert_eq!(found.get(hidden), None, "{found}");
    }
    let connections = |found: &Value| -> Vec<Value> {
        found["instances"].as_array().expect("a list").iter().map(|instance| instance["connections"].clone()).collect()
    };
    assert_eq!(connections(&found), [2, 2], "{found}");
    assert_eq!(reader.stats().await["connections"]["now"], 2, "the instance's own, where no scope is given");
    let found = until_of_all(&pair.root(two), &[("/instance/connections", json!(4)), ("/connections/now", json!(0))]).await;
    assert_eq!((&found["limits"]["scope"], &found["instances"][0]["allConnections"]), (&json!("cluster"), &json!(2)));

    pair.two.kill_9();
    let found = until_of_all(&reader, &[("/missing", json!(1)), ("/complete", json!(false)), ("/connections/now", json!(2))]).await;
    assert_eq!(connections(&found), [2]);
    let again = until_admitted(one, &alice).await;
    is_refused(one, &alice).await;
    drop(again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_instance_counts_alone_and_says_so_and_who_may_what_holds_on_all() {
    let mut pair = Pair::with_limit(2).await;
    let (one, two) = (pair.one.addr(), pair.two.addr());
    let alice = pair.stream("alice");
    let mut held = vec![SseClient::live(one, &alice).await, SseClient::live(two, &alice).await];
    is_refused(one, &alice).await;

    pair.redis.stop();
    pair.until_limits_are_of("instance").await;
    for addr in [one, two] {
        let health = Http::new(addr).get("/health").await.json();
        let limits = &health["services"]["limits"];
        assert_eq!((&limits["status"], &limits["detail"]), (&json!("degraded"), &json!("limits count on this instance alone")));
        assert_eq!(pair.shared_gauge(addr).await, "0");
    }
    held.push(SseClient::live(one, &alice).await);
    is_refused(one, &alice).await;
    let reader = Http::new(one).with_token(&pair.token("reader"));
    until_of_all(&reader, &[("/complete", json!(false)), ("/connections/now", json!(2))]).await;

    // tickets and revocations go through the store
    let made = Http::new(one).with_token(&pair.token("carol")).try_post("/events/tickets", "application/json", "").await.expect("answers");
    let ticket = format!("all=true&ticket={}", made.json()["ticket"].as_str().expect("a ticket"));
    let mut first = SseClient::live(one, &ticket).await;
    let mut second = SseClient::live(two, &ticket).await;
    let closing = async |client: &mut SseClient| {
        let frame = client.until("hub.closing", |frame| frame.name() == "hub.closing").await;
        frame.json()["reason"].as_str().expect("a reason").to_owned()
    };
    assert_eq!(closing(&mut first).await, "superseded");
    let mut third = SseClient::live(one, &pair.stream("carol")).await;
    let revoked = pair.root(one).try_post("/admin/revocations", "application/json", r#"{"sub":"carol","tenant":"acme"}"#).await;
    assert_eq!(revoked.expect("answers").status, 201);
    assert_eq!((closing(&mut second).await, closing(&mut third).await), ("revoked".to_owned(), "revoked".to_owned()));

    pair.redis.start_again().await;
    pair.until_limits_are_of("cluster").await;
    // by its own count the second would have room
    is_refused(two, &alice).await;
    until_of_all(&reader, &[("/complete", json!(true)), ("/connections/now", json!(3))]).await;
    held.drain(..2);
    held.push(until_admitted(two, &alice).await);
    is_refused(two, &alice).await;
    for service in [&pair.one, &pair.two] {
        // once Redis has stayed for a while
        eventually("said", async || {
            let output = service.output();
            let said = |words: &str| output.iter().filter(|line| line.contains(words)).count();
            assert_eq!(said("counted on this instance alone"), 1, "{output:?}");
            if said("counted on all instances again") == 1 { Ok(()) } else { Err(format!("{output:?}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_to_a_full_instance_is_refused_without_asking_redis() {
    let pair = Pair::with(3, 1).await;
    // every command, and what it is about
    for (name, value) in [("slowlog-max-len", "10000"), ("slowlog-log-slower-than", "0")] {
        pair.redis.run::<()>(&["CONFIG", "SET", name, value]).expect("set");
    }
    let counted = || -> Vec<String> {
        let log = format!("{:?}", pair.redis.run::<redis::Value>(&["SLOWLOG", "GET", "-1"]).expect("answers"));
        let keys: std::collections::BTreeSet<_> = log.split(":held:").skip(1).map(|rest| rest[..32].to_owned()).collect();
        keys.into_iter().collect()
    };
    let _held = SseClient::live(pair.one.addr(), &pair.stream("alice")).await;
    assert_eq!(counted().len(), 1);
    for _ in 0..3 {
        let (_, said, _) = first_frame(pair.one.addr(), &pair.stream("bob")).await;
        assert_eq!(said["reason"], "overloaded", "{said}");
    }
    assert_eq!(counted().len(), 1, "bob was asked for");
    let _held = SseClient::live(pair.two.addr(), &pair.stream("bob")).await;
    assert_eq!(counted().len(), 2);
}
