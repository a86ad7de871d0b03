//! What was copied goes on as if nothing had happened, for whoever follows, publishes or operates.

use serde_json::{Value, json};

use super::{copy_ok, text};
use crate::support::{
    access::{Issuer, now, signed_headers},
    http::Http,
    process::{Service, Settings},
    publisher::EventMaker,
    sse_client::SseClient,
    sse_parser::seq_of,
    store::Store,
};

/// Who has to do with the service in these tests.
struct People {
    issuer: Issuer,
    /// Whether the service has a secret of its own, which keys that sign need; else that in its store counts.
    secret: Option<String>,
}

impl People {
    fn settings(&self, store: &Store) -> Settings {
        // what retention leaves is a part of the first numbering and all of the second
        let settings = self.issuer.trusted_by(Settings::on(store)).with("CHAINCAST_RETENTION_EVENTS", 120);
        match &self.secret {
            Some(secret) => settings.with("CHAINCAST_SECRET", secret),
            None => settings,
        }
    }

    fn writer(&self, tenant: &str) -> String {
        self.issuer.rights(tenant, "writer", &json!({"subscribe": {"all": true}, "publish": {}}))
    }

    fn root(&self) -> String {
        self.issuer.rights("default", "root", &json!({"role": "super_admin"}))
    }

    /// A token that is going to be revoked.
    fn doomed(&self) -> String {
        self.issuer.token(&json!({"sub": "mallory", "tenant": "default", "jti": "stolen", "chaincast": {"subscribe": {"all": true}}}))
    }
}

/// What outlives the move in the hands of clients.
struct Held {
    /// In the first numbering, still there.
    old_cursor: String,
    /// In the first numbering, trimmed.
    trimmed_cursor: String,
    followers: Vec<(String, SseClient)>,
    ticket: String,
    ticket_holder: SseClient,
    key: String,
    signing: Option<(String, String)>,
}

async fn publish(http: &Http, events: &[Value]) -> Vec<Value> {
    let mut items = Vec::new();
    for batch in events.chunks(20) {
        items.extend(http.publish_ok(&json!(batch)).await);
    }
    items
}

fn cursor(items: &[Value], seq: u64) -> String {
    let found = items.iter().find(|item| item["seq"] == seq).unwrap_or_else(|| panic!("no seq {seq}"));
    found["cursor"].as_str().expect("a cursor").to_owned()
}

async fn admin(http: &Http, root: &str, method: &str, target: &str, body: &Value) -> Value {
    let answer = http.bare(method, target, Some(root), &body.to_string()).await;
    assert!(matches!(answer.status, 200 | 201), "{target}: {answer:?}");
    answer.json()
}

/// All that an operator and a reader can see, as bytes.
async fn seen(http: &Http, people: &People) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    for target in ["/admin/keys", "/admin/revocations", "/admin/tenants", "/admin/audit?limit=100"] {
        let answer = http.bare("GET", target, Some(&people.root()), "").await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        seen.push((target.to_owned(), answer.body));
    }
    for tenant in ["default", "acme", "globex"] {
        let reader = http.with_token(&people.writer(tenant));
        seen.push((format!("events of {tenant}"), reader.whole_history("all=true", "earliest").await.join("\n")));
        seen.push((format!("epoch of {tenant}"), reader.stats().await["log"]["epoch"].to_string()));
    }
    seen
}

async fn lived_in(people: &People, store: &Store) -> (Held, Vec<(String, String)>) {
    let mut service = Service::start(people.settings(store)).await;
    let http = Http::new(service.addr());
    let writer = people.writer("default");
    let own = http.with_token(&writer);
    let first = publish(&own, &EventMaker::new("old").events(100)).await;
    // in an order in which Postgres and SQLite number logs differently
    publish(&http.with_token(&people.writer("globex")), &EventMaker::new("old").events(10)).await;
    publish(&http.with_token(&people.writer("acme")), &EventMaker::new("old").events(30)).await;
    service.terminate().await;
    let renumbered = std::process::Command::new(env!("CARGO_BIN_EXE_chaincast"))
        .env_clear()
        .env("DATABASE_URL", store.url())
        .args(["log", "new-epoch", "--cause", "it's a \"drill\""])
        .output();
    assert!(renumbered.expect("starts").status.success());
    service.restart_same_port().await;
    publish(&own, &EventMaker::new("new").events(60)).await;
    // retention runs at a start
    service.terminate().await;
    service.restart_same_port().await;
    own.until_stat("/log/earliest", |earliest| earliest == 41).await;

    let root = people.root();
    let key = json!({"name": "indexer", "kind": "bearer", "tenant": "acme", "rights": {"publish": {"types": ["**"]}, "source": "default"}});
    let key = admin(&http, &root, "POST", "/admin/keys", &key).await["secret"].as_str().expect("a secret").to_owned();
    let mut signing = None;
    if people.secret.is_some() {
        let wanted = json!({"name": "signer", "kind": "signing", "tenant": "acme", "rights": {"publish": {"types": ["**"]}}});
        let made = admin(&http, &root, "POST", "/admin/keys", &wanted).await;
        signing = Some(["id", "secret"].map(|member| made[member].as_str().expect("text").to_owned()).into());
    }
    admin(&http, &root, "POST", "/admin/revocations", &json!({"jti": "stolen"})).await;
    admin(&http, &root, "PUT", "/admin/tenants/acme", &json!({"maxConnections": 7, "retentionDays": 3650})).await;
    let ticket = own.try_post("/events/tickets", "application/json", "").await.expect("answers").json();
    let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
    let ticket_holder = SseClient::live(service.addr(), &format!("all=true&ticket={ticket}")).await;
    let mut followers = Vec::new();
    for query in ["all=true", "streams=1,2", "users=GUSER3", "topics=market.**"] {
        followers.push((query.to_owned(), SseClient::live(service.addr(), &format!("{query}&token={writer}")).await));
    }
    let held = Held { old_cursor: cursor(&first, 70), trimmed_cursor: cursor(&first, 10), followers, ticket, ticket_holder, key, signing };
    let seen = seen(&http, people).await;
    service.terminate().await;
    (held, seen)
}

async fn no_gap(client: &mut SseClient, to: u64) {
    client.follow_to(to).await;
    assert!(client.transcript().iter().all(|frame| frame.name() != "hub.gap"), "{}", client.report());
}

async fn goes_on(people: &People, store: &Store, held: Held, before: &[(String, String)]) {
    let service = Service::start(people.settings(store)).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    let (writer, root) = (people.writer("default"), people.root());
    let own = http.with_token(&writer);
    for ((what, before), (_, after)) in before.iter().zip(seen(&http, people).await) {
        assert_eq!(*before, after, "{what}");
    }
    // what was published is known, and what is new is numbered on in the same epoch
    let (old, new) = (EventMaker::new("old").events(100), EventMaker::new("new").events(60));
    for (items, behind) in [(publish(&own, &old).await, 0), (publish(&own, &new).await, 100)] {
        let all_known = items.iter().zip(behind + 1..).all(|(item, seq)| item["status"] == "duplicate" && item["seq"] == seq);
        assert!(all_known, "{items:?}");
    }
    let mut conflict = old[5].clone();
    conflict["data"] = json!("something else");
    assert_eq!(own.publish(&conflict).await.problem(409), "id_conflict");
    let epoch = seq_and_epoch(held.followers[0].1.last_id().expect("a cursor")).1;
    let mut maker = EventMaker::new("after");
    let more = publish(&own, &maker.events(40)).await;
    assert_eq!(more[0]["cursor"], format!("{epoch}-161"), "the numbering goes on");

    // who comes back with a cursor goes on exactly there
    let history = crate::support::model::History::read(&own).await;
    for (query, mut client) in held.followers {
        client.reconnect_to(addr).await;
        client.reconnect_if_behind(200).await;
        no_gap(&mut client, 200).await;
        history.check_transcript(&query, 160, client.transcript());
    }
    let mut client = SseClient::connect(addr, &format!("all=true&token={writer}"), Some(&held.old_cursor)).await;
    no_gap(&mut client, 200).await;
    history.check_transcript("all=true", 70, client.transcript());
    let mut client = SseClient::connect(addr, &format!("all=true&token={writer}"), Some(&held.trimmed_cursor)).await;
    let gap = client.until("hub.gap", |frame| frame.name() == "hub.gap").await.json();
    assert_eq!(gap["reason"], "trimmed", "{gap}");
    let mut holder = held.ticket_holder;
    holder.reconnect_to(addr).await;
    no_gap(&mut holder, 200).await;
    let other = SseClient::refused(addr, &format!("types=a.*&ticket={}", held.ticket), None).await;
    assert_eq!(other.problem(401), "unauthorized", "a ticket stays bound to its subscription");

    // credentials
    let event = r#"{"id":"old-1","type":"stream.created","data":"again"}"#;
    assert_eq!(http.bare("POST", "/events", Some(&held.key), event).await.problem(409), "id_conflict");
    if let Some((id, secret)) = held.signing {
        let body = r#"{"type":"stream.signed"}"#;
        let headers = signed_headers(&secret, "message", now(), body);
        let answer = http.post_with(&format!("/events?key={id}"), &headers, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let refused = SseClient::refused(addr, &format!("all=true&token={}", people.doomed()), None).await;
    assert_eq!(refused.problem(401), "unauthorized");
    // changes of access go on behind the last line of the trail
    let lines = async || admin(&http, &root, "GET", "/admin/audit?limit=100", &Value::Null).await["lines"].as_array().expect("lines").len();
    let (had, mut revoked) = (lines().await, json!({"jti": "another"}));
    revoked = admin(&http, &root, "POST", "/admin/revocations", &revoked).await;
    assert!(revoked["id"].is_string() && lines().await == had + 1, "{revoked}");
}

fn seq_and_epoch(cursor: &str) -> (u64, &str) {
    (seq_of(cursor), cursor.split_once('-').expect("a cursor").0)
}

async fn moved(from: Store, to: Store, has_secret: bool) {
    let secret = has_secret.then(|| format!("{:032x}", fastrand::u128(..)));
    let people = People { issuer: Issuer::new(), secret };
    let (held, seen) = lived_in(&people, &from).await;
    copy_ok(&from, &to).await;
    goes_on(&people, &to, held, &seen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_that_moved_from_sqlite_to_postgres_goes_on_exactly_where_it_was() {
    moved(Store::sqlite(), Store::postgres().await, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_that_moved_from_postgres_to_sqlite_goes_on_exactly_where_it_was() {
    moved(Store::postgres().await, Store::sqlite(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_that_moved_from_one_postgres_to_another_goes_on_exactly_where_it_was() {
    moved(Store::postgres().await, Store::postgres().await, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_that_moved_from_one_sqlite_file_to_another_goes_on_exactly_where_it_was() {
    moved(Store::sqlite(), Store::sqlite(), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_note_beside_a_file_is_of_what_was_copied_into_it() {
    let (from, to) = (Store::sqlite(), Store::sqlite());
    let mut service = Service::start(Settings::on(&from)).await;
    let items = publish(&Http::new(service.addr()), &EventMaker::new("old").events(20)).await;
    service.terminate().await;
    // the note of a file that is gone must not make the copy look as if it had been put back
    std::fs::write(to.sqlite_file().with_extension("db.acked"), "12345678 00000000000000000099\n").expect("writable");
    copy_ok(&from, &to).await;
    let note = std::fs::read(to.sqlite_file().with_extension("db.acked")).expect("noted");
    let (_, epoch) = seq_and_epoch(items[19]["cursor"].as_str().expect("a cursor"));
    assert_eq!(text(&note), format!("{epoch} 00000000000000000020\n"));
    let service = Service::start(Settings::on(&to)).await;
    let items = publish(&Http::new(service.addr()), &EventMaker::new("after").events(1)).await;
    assert_eq!(items[0]["cursor"], format!("{epoch}-21"));
}
