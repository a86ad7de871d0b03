//! What is particular to the backplane over LISTEN and NOTIFY; what every backplane does is in `backplane_contract`.

use std::{collections::HashSet, sync::Arc};

use chaincast::{
    backplane::{Announcement, Backplane as _, Inbox, Link, LinkSettings},
    domain::{Epoch, Seq},
    log::LogId,
};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use crate::support::{
    fault_proxy::{FaultProxy, Mode},
    http::Http,
    postgres::{Cluster, TestDatabase},
    postgres_tap::PostgresTap,
    process::{Service, Settings},
    publisher::EventMaker,
    sse_client::SseClient,
    store::Store,
    wait::{PATIENCE, eventually},
};

const LOG: LogId = LogId::new(1);
/// A part of the names of the channels of logs, and of that of instances.
const LOGS: &str = ":log:";
const INSTANCES: &str = ":instances";

/// An instance without anything but its backplane.
struct Instance {
    link: Arc<Link>,
    inbox: Inbox,
}

impl Instance {
    /// One that follows [`LOG`].
    fn start(url: &str) -> Self {
        let (link, inbox) = Link::over_postgres(url, &LinkSettings::new([42; 32])).expect("a URL");
        link.follow(HashSet::from([LOG]));
        Self { link, inbox }
    }

    async fn connected(url: &str) -> Self {
        let instance = Self::start(url);
        instance.is_connected(true).await;
        instance
    }

    async fn is_connected(&self, wanted: bool) {
        eventually(if wanted { "connected" } else { "cut off" }, async || {
            let status = self.link.status();
            if status.is_connected == wanted { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await;
    }

    fn announce(&self, head: u64) {
        let (epoch, head) = (Epoch::new(1), Seq::new(head));
        self.link.announce(Announcement { log: LOG, store: None, epoch, head, events: Vec::new(), trace: None });
    }

    async fn hears_of(&mut self, head: u64) {
        loop {
            let heard = timeout(PATIENCE, self.inbox.announcements.recv()).await;
            let announcement =
                heard.unwrap_or_else(|_| panic!("{head} is not heard of: {:?}", self.link.status())).expect("the link lives");
            if announcement.head == Seq::new(head) {
                return;
            }
        }
    }
}

fn over_notify(settings: Settings) -> Settings {
    settings.with("CHAINCAST_BACKPLANE", "postgres").with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 60)
}

/// Two instances, of which the second is reached through a tap and has a follower.
struct Pair {
    store: Store,
    tap: PostgresTap,
    _instances: [Service; 2],
    http: Http,
    client: SseClient,
}

async fn two_that_have_met() -> Pair {
    let store = Store::postgres().await;
    let tap = PostgresTap::before(&store.url()).await;
    let one = Service::start(over_notify(Settings::on(&store))).await;
    let two = Service::start(over_notify(Settings::at(tap.url()))).await;
    let http = Http::new(one.addr());
    let client = SseClient::live(two.addr(), "all=true").await;
    hears_again(&tap).await;
    Pair { store, tap, _instances: [one, two], http, client }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_notified_once_and_carries_no_events() {
    let mut pair = two_that_have_met().await;
    let mut maker = EventMaker::new("batch");
    for batch in 1..=4 {
        pair.http.publish_ok(&json!(maker.events(100))).await;
        pair.client.follow_to(batch * 100).await;
        eventually("notified", async || {
            let notified = pair.tap.tapped(LOGS);
            if notified.len() as u64 >= batch { Ok(()) } else { Err(format!("{notified:?}")) }
        })
        .await;
    }
    let notified = pair.tap.tapped(LOGS);
    assert_eq!(notified.len(), 4, "{notified:?}");
    assert!(notified.iter().all(|one| one.payload.len() < 200), "more than a range: {notified:?}");
}

/// Waits until the session behind the tap has heard three more times that an instance is there: it listens, and what was sent before has come.
async fn hears_again(tap: &PostgresTap) {
    let before = tap.tapped(INSTANCES).len();
    eventually("heard", async || {
        let heard = tap.tapped(INSTANCES).len() - before;
        if heard >= 3 { Ok(()) } else { Err(format!("{heard} messages")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_notified_before_the_append_is_committed() {
    let mut pair = two_that_have_met().await;
    // whoever appends waits for this lock
    let mut holder = PgConnection::connect(&pair.store.url()).await.expect("connects");
    let mut transaction = holder.begin().await.expect("begins");
    sqlx::query("SELECT FROM logs FOR UPDATE").execute(&mut *transaction).await.expect("locks");
    let publishing = tokio::spawn({
        let http = pair.http.clone();
        async move { http.publish_ok(&json!({"type": "a.b", "data": 1})).await }
    });
    pair.http.until_stat("/queues/publishRequests", |queued| queued == 1).await;
    hears_again(&pair.tap).await;
    assert_eq!(pair.tap.tapped(LOGS), [], "told of what is not committed");
    assert!(!publishing.is_finished());

    transaction.rollback().await.expect("unlocks");
    publishing.await.expect("no panic");
    pair.client.follow_to(1).await;
    eventually("notified", async || pair.tap.tapped(LOGS).pop().ok_or_else(|| "nothing".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_transaction_pooler_the_service_works_and_its_log_says_what_to_do() {
    let store = Store::postgres().await;
    let tap = PostgresTap::before(&store.url()).await;
    tap.keep_notifications(true);
    let one = Service::start(over_notify(Settings::at(tap.url()))).await;
    eventually("told", async || {
        let lines = one.output();
        let told = lines.iter().any(|line| line.contains("LISTEN does not work through a transaction pooler: give a direct DATABASE_URL"));
        if told { Ok(()) } else { Err(lines.join("\n")) }
    })
    .await;
    let mut client = SseClient::live(one.addr(), "all=true").await;
    Http::new(one.addr()).publish_ok(&json!({"type": "a.b", "data": 1})).await;
    client.follow_to(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_that_stop_coming_are_noticed_although_statements_are_answered() {
    let database = TestDatabase::create().await;
    let tap = PostgresTap::before(&database.url()).await;
    let mut tapped = Instance::connected(tap.url()).await;
    let other = Instance::connected(&database.url()).await;
    tap.keep_notifications(true);
    tapped.is_connected(false).await;
    tap.keep_notifications(false);
    tapped.is_connected(true).await;
    other.announce(7);
    tapped.hears_of(7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_fails_in_whatever_way_is_noticed_and_heals() {
    let database = TestDatabase::create().await;
    let proxy = FaultProxy::before(&database.url()).await;
    let mut behind = Instance::connected(&proxy.url()).await;
    let other = Instance::connected(&database.url()).await;
    for (head, mode) in (1..).zip([Mode::Silent, Mode::Unanswered, Mode::Reset, Mode::Refuse]) {
        proxy.set(mode);
        behind.is_connected(false).await;
        proxy.set(Mode::Pass);
        behind.is_connected(true).await;
        other.announce(head);
        behind.hears_of(head).await;
    }
    assert_eq!(behind.link.status().refused, 0);
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_and_not_repeated() {
    let refused = Link::over_postgres("postgres://somebody:hunter2@127.0.0.1:port/database", &LinkSettings::new([42; 32])).err();
    let said = refused.map(|error| format!("{error} {error:?}")).expect("no port");
    assert!(said.contains("port") && !said.contains("hunter2"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_asked_again_until_it_is_the_primary() {
    let primary = Cluster::start();
    let standby = primary.replica();
    let mut one = Instance::start(&standby.url());
    let other = Instance::start(&standby.url());
    primary.kill_9();
    assert!(!one.link.status().is_connected && !other.link.status().is_connected);
    standby.promote();
    one.is_connected(true).await;
    other.is_connected(true).await;
    other.announce(5);
    one.hears_of(5).await;
}
