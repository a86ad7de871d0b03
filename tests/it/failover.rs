//! **No silent gap** when the head goes backwards: an asynchronous replica that lacked the last commits takes over while clients are connected.
//!
//! The primary numbers 21 to 30 and dies with them; the replica numbers 21 and what follows anew. Nobody may take the one for the other.

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::{
    resume::{publish, publish_these},
    resume_gaps::{epoch_of, event_seqs, gap, seq_at},
    support::{
        fault_proxy::{FaultProxy, Mode},
        http::Http,
        model::{History, Model},
        postgres::Cluster,
        process::{Service, Settings},
        publisher::large_events,
        sse_client::SseClient,
        sse_connection::Manner,
        sse_parser::{Frame, seq_of},
        wait::eventually,
    },
};

/// The last seq that both numberings have.
const FORK: u64 = 20;
/// The head of the primary when it died.
const LOST: u64 = 30;

struct Scene {
    replica: Cluster,
    proxy: FaultProxy,
    primary: Cluster,
    service: Service,
    http: Http,
}

impl Scene {
    async fn start() -> Self {
        let primary = Cluster::start();
        let proxy = FaultProxy::before(&primary.url()).await;
        let settings = Settings::at(&proxy.url()).with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1).with("CHAINCAST_HEARTBEAT_SECONDS", 1);
        let service = Service::start(settings).await;
        let replica = primary.replica();
        let http = Http::new(service.addr());
        Self { replica, proxy, primary, service, http }
    }

    /// From now on the replica misses what the primary commits.
    async fn replica_falls_behind(&self) {
        eventually("replicated", async || {
            let mut connection = PgConnection::connect(&self.replica.url()).await.map_err(|e| e.to_string())?;
            let head: i64 = sqlx::query_scalar("SELECT head FROM logs").fetch_one(&mut connection).await.map_err(|e| e.to_string())?;
            if head == i64::try_from(FORK).expect("small") { Ok(()) } else { Err(head.to_string()) }
        })
        .await;
        self.replica.stop();
    }

    /// The primary dies and the replica answers in its place.
    fn fail_over(&self) {
        self.proxy.set(Mode::Refuse);
        self.primary.kill_9();
        self.replica.start_again();
        self.replica.promote();
        self.proxy.lead_to(&self.replica.url());
        self.proxy.set(Mode::Pass);
    }

    /// Publishes in the new numbering, and waits until the instance has heard of it: at the latest one look later.
    async fn publish_anew(&self, prefix: &str, n: usize) -> Model {
        eventually("healed", async || {
            let reachable = self.http.stats().await["log"]["reachable"].clone();
            if reachable == Value::Bool(true) { Ok(()) } else { Err(reachable.to_string()) }
        })
        .await;
        let model = publish(&self.http, prefix, n).await;
        let newest = self.http.history("all=true&limit=1").await.next_event_id;
        eventually("the new numbering is known", async || {
            let known = epoch_of(&self.http).await;
            if newest.starts_with(&known) { Ok(()) } else { Err(known) }
        })
        .await;
        model
    }
}

/// Splits a transcript at its one `hub.gap`, and asserts what that says.
fn split_at_rewind<'a>(client: &'a SseClient, requested: &str) -> (&'a [Frame], &'a [Frame]) {
    let gaps: Vec<usize> =
        client.transcript().iter().enumerate().filter(|(_, frame)| frame.name() == "hub.gap").map(|(at, _)| at).collect();
    assert_eq!(gaps.len(), 1, "{}", client.report());
    let told = client.transcript()[gaps[0]].json();
    assert_eq!((told["reason"].as_str(), told["requested"].as_str()), (Some("rewound"), Some(requested)), "{told}");
    assert_eq!((seq_at(&told, "resumed"), told["lost"].as_u64()), (FORK, Some(seq_of(requested) - FORK)), "{told}");
    (&client.transcript()[..gaps[0]], &client.transcript()[gaps[0]..])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_that_lost_commits_everyone_above_the_fork_is_told_and_nobody_gets_another_event_under_an_old_cursor() {
    let mut scene = Scene::start().await;
    let (http, addr) = (scene.http.clone(), scene.service.addr());
    let old_epoch = epoch_of(&http).await;
    let mut live = SseClient::live(addr, "all=true").await;
    let mut quiet = SseClient::live(addr, "streams=quiet").await;
    let mut below = SseClient::connect_as(Manner::SLOW, addr, "all=true", None).await;
    below.until_live().await;
    let kept = large_events("kept", FORK as usize);
    tokio::join!(publish_these(&http, &kept), live.follow_to(FORK));
    scene.replica_falls_behind().await;
    let mut above = SseClient::connect_as(Manner::SLOW, addr, "all=true", Some(&format!("{old_epoch}-{FORK}"))).await;
    above.until_live().await;
    let lost = large_events("lost", (LOST - FORK) as usize);
    tokio::join!(publish_these(&http, &lost), live.follow_to(LOST));
    quiet.follow_to(LOST).await;
    http.until_stat("/connections/lagging", |lagging| lagging == 2).await;
    let before = History::read(&http).await;

    scene.fail_over();
    let model = scene.publish_anew("anew", 15).await;
    assert_eq!(model.head(), FORK + 15, "the numbers are given out again");
    let after = History::read(&http).await;
    let new_epoch = epoch_of(&http).await;
    assert_ne!(new_epoch, old_epoch);

    let end = FORK + 15;
    for client in [&mut live, &mut above, &mut below] {
        client.until("the last event", |frame| frame.id.as_deref() == Some(&format!("{new_epoch}-{end}"))).await;
    }
    quiet.until("the last cursor", |frame| frame.id_seq() == Some(end)).await;
    let (told, then) = split_at_rewind(&live, &format!("{old_epoch}-{LOST}"));
    before.check_transcript("all=true", 0, told);
    after.check_transcript("all=true", FORK, then);
    assert_eq!(event_seqs(then), (FORK + 1..=end).collect::<Vec<_>>());
    split_at_rewind(&quiet, &format!("{old_epoch}-{LOST}"));

    // one that had got a part of what was lost
    let had = above.transcript().iter().take_while(|frame| frame.name() != "hub.gap").filter_map(Frame::id_seq).last().expect("some");
    assert!((FORK + 1..LOST).contains(&had), "it lagged: {had}");
    let (told, then) = split_at_rewind(&above, &format!("{old_epoch}-{had}"));
    before.check_transcript("all=true", FORK, told);
    after.check_transcript("all=true", FORK, then);
    assert_eq!(event_seqs(then), (FORK + 1..=end).collect::<Vec<_>>());

    // one that had not: nothing of what it has is void
    assert_eq!(below.transcript().iter().filter(|frame| frame.name() == "hub.gap").count(), 0, "{}", below.report());
    assert_eq!(event_seqs(below.transcript()), (1..=end).collect::<Vec<_>>());
    after.check_transcript("all=true", 0, below.transcript());
    assert_eq!(http.stat("/connections/opened").await, 4, "nobody had to come back");
    assert!(scene.service.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_cursors_from_before_are_judged_by_the_fork_on_every_instance() {
    let scene = Scene::start().await;
    let (http, addr) = (scene.http.clone(), scene.service.addr());
    let old_epoch = epoch_of(&http).await;
    publish(&http, "kept", FORK as usize).await;
    scene.replica_falls_behind().await;
    publish(&http, "lost", (LOST - FORK) as usize).await;
    scene.fail_over();
    let model = scene.publish_anew("anew", 15).await;
    let new_epoch = epoch_of(&http).await;
    let after = History::read(&http).await;
    assert_eq!(after.head(), FORK + 15);

    let mut connection = PgConnection::connect(&scene.replica.url()).await.expect("connects");
    let firsts: Vec<i64> =
        sqlx::query_scalar("SELECT first_seq FROM epochs ORDER BY ordinal").fetch_all(&mut connection).await.expect("reads");
    assert_eq!(firsts, [1, 21], "the numbering was opened before a number of it was given out");
    assert_eq!(model.head(), FORK + 15);

    let fresh = Service::start(Settings::at(&scene.replica.url())).await;
    for addr in [addr, fresh.addr()] {
        for seq in [LOST, FORK + 2, FORK + 1, FORK, FORK - 3, 1] {
            let cursor = format!("{old_epoch}-{seq}");
            let mut client = SseClient::connect(addr, "all=true", Some(&cursor)).await;
            if seq > FORK {
                let told = gap(&mut client).await;
                assert_eq!((told["reason"].as_str(), told["requested"].as_str()), (Some("rewound"), Some(&cursor[..])));
                assert_eq!(told["resumed"], format!("{new_epoch}-{FORK}"), "{told}");
            }
            client.until_live().await;
            // its shard may have heard of the new numbering, and not of all events
            client.follow_to(FORK + 15).await;
            let gaps = client.transcript().iter().filter(|frame| frame.name() == "hub.gap").count();
            assert_eq!(gaps, usize::from(seq > FORK), "{cursor}: {}", client.report());
            assert_eq!(event_seqs(client.transcript()), (seq.min(FORK) + 1..=FORK + 15).collect::<Vec<_>>(), "{cursor}");
            after.check_transcript("all=true", seq.min(FORK), client.transcript());
        }
        let refused = SseClient::refused(addr, "all=true&on_gap=fail", Some(&format!("{old_epoch}-{LOST}"))).await;
        assert_eq!(refused.problem(410), "gap");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_told_by_looking_before_anything_is_published_and_told_once() {
    let scene = Scene::start().await;
    let (http, addr) = (scene.http.clone(), scene.service.addr());
    let old_epoch = epoch_of(&http).await;
    let mut live = SseClient::live(addr, "all=true").await;
    publish(&http, "kept", FORK as usize).await;
    scene.replica_falls_behind().await;
    publish(&http, "lost", (LOST - FORK) as usize).await;
    live.follow_to(LOST).await;
    scene.fail_over();
    assert_eq!(gap(&mut live).await["resumed"], format!("{old_epoch}-{FORK}"), "the numbering is over once a number is used again");
    let mut back = SseClient::connect(addr, "all=true", Some(&format!("{old_epoch}-{LOST}"))).await;
    assert_eq!(seq_at(&gap(&mut back).await, "resumed"), FORK);
    scene.publish_anew("anew", 15).await;
    let after = History::read(&http).await;
    for client in [&mut live, &mut back] {
        client.until("the last event", |frame| frame.id_seq() == Some(FORK + 15)).await;
        let (_, then) = split_at_rewind(client, &format!("{old_epoch}-{LOST}"));
        after.check_transcript("all=true", FORK, then);
        let epochs: std::collections::BTreeSet<_> = then
            .iter()
            .filter(|frame| frame.is_event())
            .filter_map(|frame| frame.id.as_deref()?.split_once('-'))
            .map(|(epoch, _)| epoch)
            .collect();
        assert!(!epochs.contains(&old_epoch[..]) && epochs.len() == 1, "{epochs:?}");
    }
}
