//! Instances that meet in memory.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::{
    backplane::{Announcement, Answers, Status},
    histogram::Tally,
    http::{
        BackplaneStatistics, Cluster as _, ConnectionStatistics, DatabaseStatistics, EventStatistics, InstanceStatistics,
        LatencyStatistics, LimitStatistics, LogStatistics, MemoryStatistics, Percentiles, QueueStatistics, ReplayStatistics,
        RingStatistics, Scope,
    },
    hub::{CloseReason, SELECTORS},
};

const LOG: LogId = LogId::new(7);

/// Hands questions to these instances, and answers what it is given besides.
struct Meeting {
    kind: &'static str,
    is_acquainted: bool,
    others: Mutex<Vec<mpsc::Sender<backplane::Question>>>,
    odd: Vec<Vec<u8>>,
    missing: usize,
    asked: AtomicUsize,
    /// Answers wait for it, if there is one.
    gate: Option<Notify>,
}

impl Meeting {
    fn new() -> Self {
        let (others, odd, asked) = (Mutex::default(), Vec::new(), AtomicUsize::new(0));
        Self { kind: "fake", is_acquainted: true, others, odd, missing: 0, asked, gate: None }
    }

    /// Another instance, which sees itself like this.
    fn join(&self, id: &str, here: impl Fn(LogId, bool) -> Own + Send + Sync + 'static) {
        let (questions, asked) = mpsc::channel(4);
        self.others.lock().expect("lock").push(questions);
        let nobody: Arc<dyn Backplane> = Arc::new(Self::new());
        let gatherings = Gatherings::new(nobody.clone());
        tokio::spawn(Arc::new(Cluster { id: id.to_owned(), here: Box::new(here), backplane: nobody, gatherings }).answer(asked));
    }
}

#[async_trait]
impl Backplane for Meeting {
    fn announce(&self, _announcement: Announcement) {}

    fn follow(&self, _logs: HashSet<LogId>) {}

    fn status(&self) -> Status {
        Status { kind: self.kind, is_connected: true, is_acquainted: self.is_acquainted, ..Status::default() }
    }

    async fn ask(&self, text: Vec<u8>, _patience: Duration) -> Answers {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let others = self.others.lock().expect("lock").clone();
        let (mut texts, mut missing) = (self.odd.clone(), self.missing);
        for other in others {
            let (reply, answer) = oneshot::channel();
            other.send(backplane::Question { text: text.clone(), reply }).await.expect("it answers");
            match answer.await {
                Ok(text) => texts.push(text),
                Err(_) => missing += 1,
            }
        }
        Answers { texts, missing }
    }
}

/// An instance whose numbers are all `n`, but where the log stands, which only some know.
fn own(n: u64, log: Option<(&str, u64, u64)>, whole_instance: bool) -> Own {
    let u = usize::try_from(n).expect("few");
    let (epoch, head, earliest) = log.unwrap_or_default();
    let statistics = Statistics {
        version: "1.2.3",
        uptime_seconds: n,
        connections: ConnectionStatistics {
            now: u,
            peak: u,
            max: u,
            opened: u,
            refused: u,
            closed: [("draining", n)].into(),
            by_selector: [("topics", u)].into(),
            replaying: u,
            lagging: u,
            paced: u,
            selectors: u,
            furthest_behind: n,
            gaps: [("trimmed", n)].into(),
        },
        events: EventStatistics {
            published: n,
            duplicates: n,
            conflicts: n,
            commits: n,
            delivered: n,
            published_per_second: n as f64 + 0.1,
            delivered_per_second: n as f64,
        },
        log: LogStatistics {
            store: "fake",
            reachable: true,
            epoch: epoch.to_owned(),
            head,
            earliest,
            size_bytes: whole_instance.then_some(n),
            free_bytes: whole_instance.then_some(n),
        },
        replay: ReplayStatistics { events: n, pages: n },
        latency: LatencyStatistics {
            publish_microseconds: whole_instance.then_some(Percentiles { p99: n, ..Percentiles::default() }),
            ..LatencyStatistics::default()
        },
        database: whole_instance.then(|| DatabaseStatistics { connections: u, waiting: u, ..DatabaseStatistics::default() }),
        ring: RingStatistics { frames: u, bytes: u, frames_behind_hole: u, max_frames: 100, max_bytes: 100 },
        backplane: BackplaneStatistics { kind: "fake", connected: true, ..BackplaneStatistics::default() },
        queues: whole_instance.then(|| QueueStatistics { publish_requests: u, replay_reads: u, ..QueueStatistics::default() }),
        memory: whole_instance.then_some(MemoryStatistics { resident_bytes: n }),
        instance: whole_instance.then(|| InstanceStatistics { logs: u, connections: u, ..InstanceStatistics::default() }),
        limits: whole_instance.then_some(LimitStatistics { scope: Scope::Cluster }),
        ..Statistics::default()
    };
    // the slower, the fewer
    let delivery = Tally::of([(usize::try_from(n).expect("few"), 100 / n)]);
    Own { statistics, latencies: Latencies { recent_delivery: delivery.clone(), delivery }, is_draining: n == 2 }
}

fn one_of(meeting: Meeting) -> (Arc<Cluster>, Arc<Meeting>) {
    let meeting = Arc::new(meeting);
    (Cluster::new(meeting.clone(), |_, whole| own(1, Some(("aa", 5, 1)), whole)), meeting)
}

#[tokio::test]
async fn what_all_instances_count_is_summed_and_latencies_are_told_from_the_buckets_of_all() {
    let meeting = Meeting::new();
    meeting.join("two", |log, whole| own(2, Some(("aa", u64::try_from(log.to_column()).expect("positive"), 3)), whole));
    meeting.join("three", |_, whole| own(30, Some(("bb", 99, 9)), whole));
    let (cluster, _) = one_of(meeting);
    let found = cluster.statistics(LOG, true).await;
    assert_eq!((found.scope, found.missing, found.complete, found.version), (Scope::Cluster, Some(0), Some(true), "1.2.3"));
    let c = &found.connections;
    assert_eq!([c.now, c.peak, c.max, c.opened, c.refused, c.replaying, c.lagging, c.paced, c.selectors], [33; 9]);
    assert_eq!((c.closed["draining"], c.closed["left"], c.by_selector["topics"], c.by_selector["users"]), (33, 0, 33, 0));
    let e = &found.events;
    assert_eq!([e.published, e.duplicates, e.conflicts, e.commits, e.delivered], [33; 5]);
    assert_eq!((e.published_per_second, e.delivered_per_second), (33.3, 33.0));
    let percentiles = &found.latency.commit_to_write_microseconds;
    let of_all = Tally::of([(1, 100), (2, 50), (30, 3)]).percentiles([0.5, 0.9, 0.99, 1.0]);
    assert_eq!([percentiles.p50, percentiles.p90, percentiles.p99, percentiles.max], of_all);
    // of fewer buckets, so at most twice as much
    let recent = &found.latency.recent_commit_to_write_microseconds;
    assert!(recent.p50 >= of_all[0] && recent.p50 <= 2 * of_all[0] && recent.max >= of_all[3], "{recent:?} for {of_all:?}");
    assert_eq!(found.latency.publish_microseconds.map(|slowest| slowest.p99), Some(30), "the slowest instance's");
    assert_eq!((c.furthest_behind, c.gaps["trimmed"], c.gaps["rewound"]), (30, 33, 0));
    assert_eq!((found.replay.events, found.replay.pages), (33, 33));
    assert_eq!(found.log.free_bytes, Some(1), "the least");
    let database = found.database.expect("asked for");
    assert_eq!((database.connections, database.waiting, database.idle_connections), (33, 33, 0));
    // most know `aa`, and the one that is furthest in it was asked for this very log
    assert_eq!((found.log.epoch.as_str(), found.log.head, found.log.earliest, found.log.size_bytes), ("aa", 7, 3, Some(30)));
    assert_eq!((found.ring.frames, found.ring.max_frames), (30, 100));
    let instance = found.instance.expect("asked for");
    assert_eq!((instance.logs, instance.connections), (30, 33));
    assert_eq!(found.memory.expect("asked for").resident_bytes, 33);
    let queues = found.queues.expect("asked for");
    assert_eq!((queues.publish_requests, queues.replay_reads, queues.replay_waiting), (33, 33, 0));
    assert_eq!(found.limits.expect("asked for").scope, Scope::Cluster);
    let instances = found.instances.expect("of a cluster");
    assert_eq!(instances.iter().map(|one| (one.connections, one.draining)).collect::<Vec<_>>(), [(1, false), (30, false), (2, true)]);
    assert_eq!((instances[1].id.as_str(), instances[2].all_connections), ("three", Some(2)));
}

#[tokio::test]
async fn a_tenant_learns_nothing_of_the_whole_from_any_instance() {
    let meeting = Meeting::new();
    meeting.join("two", |_, whole| {
        assert!(!whole, "not even asked for");
        own(2, None, whole)
    });
    // one of another version says more than it was asked
    meeting.join("three", |_, _| own(3, None, true));
    let (cluster, _) = one_of(meeting);
    let found = cluster.statistics(LOG, false).await;
    assert_eq!((found.connections.now, found.log.head), (6, 5));
    assert!(found.queues.is_none() && found.memory.is_none() && found.instance.is_none() && found.limits.is_none());
    assert_eq!((found.log.size_bytes, found.log.free_bytes), (None, None));
    assert!(
        found.database.is_none() && found.latency.publish_microseconds.is_none() && found.latency.recent_publish_microseconds.is_none()
    );
    let written = serde_json::to_string(&found).expect("JSON");
    assert!(!written.contains("Bytes\":3"), "{written}");
}

#[tokio::test]
async fn who_does_not_answer_or_answers_what_is_not_understood_is_missing() {
    let report = || serde_json::to_value(Report::new("other", &own(2, None, false))).expect("JSON");
    let changed = |member: &str, value: serde_json::Value| {
        let mut report = report();
        report[member] = value;
        report.to_string().into_bytes()
    };
    let odd = vec![
        b"".to_vec(),
        b"\xff\x00".to_vec(),
        b"{}".to_vec(),
        vec![b'['; 100_000],
        changed("v", 2.into()),
        changed("id", "".into()),
        changed("id", "\u{7}".into()),
        changed("ver", "x".repeat(41).into()),
        changed("c", vec![1; 8].into()),
        changed("up", (-1).into()),
        changed("lat", vec![vec!["a"]].into()),
        changed("closed", (0..100).map(|n| (n.to_string(), 1.into())).collect::<serde_json::Map<_, _>>().into()),
    ];
    let odd_ones = odd.len();
    // these are taken: a newer one's further members and words, huge counts, buckets that there are not; and each instance once
    let good = [
        changed("new", 1.into()),
        changed("id", "new-words".into()).replace_word("draining", "rebalanced"),
        changed("id", "huge".into()).replace_word("\"up\":2", "\"up\":18446744073709551615"),
    ];
    let good: Vec<Vec<u8>> =
        good.into_iter().chain([changed("id", "far".into()).replace_word("[[2,50]]", "[[18446744073709551615,1]]")]).collect();
    let meeting = Meeting { odd: odd.into_iter().chain(good.clone()).chain(good).collect(), missing: 2, ..Meeting::new() };
    let (cluster, _) = one_of(meeting);
    let found = cluster.statistics(LOG, false).await;
    assert_eq!((found.missing, found.complete), (Some(odd_ones + 2), Some(false)));
    assert_eq!((found.connections.now, found.connections.closed["other"], found.connections.closed["draining"]), (1 + 4 * 2, 2, 1 + 3 * 2));
    let ids: Vec<String> = found.instances.expect("of a cluster").into_iter().skip(1).map(|one| one.id).collect();
    assert_eq!(ids, ["far", "huge", "new-words", "other"]);
}

/// Replaces a word in what was written.
trait ReplaceWord {
    fn replace_word(self, from: &str, to: &str) -> Vec<u8>;
}

impl ReplaceWord for Vec<u8> {
    fn replace_word(self, from: &str, to: &str) -> Vec<u8> {
        let text = String::from_utf8(self).expect("JSON");
        assert!(text.contains(from), "no {from} in {text}");
        text.replace(from, to).into_bytes()
    }
}

#[tokio::test]
async fn questions_of_another_version_and_nonsense_are_not_answered() {
    let meeting = Meeting::new();
    meeting.join("two", |_, whole| own(2, None, whole));
    let good = Question { log: LOG, whole_instance: true }.write();
    assert_eq!(meeting.ask(good.clone(), Duration::ZERO).await.texts.len(), 1);
    let text = String::from_utf8(good).expect("JSON");
    for bad in
        [text.replace("\"v\":1", "\"v\":2"), text.replace("stats", "other"), text.replace('7', "7e99"), " ".repeat(300), String::new()]
    {
        assert_eq!(meeting.ask(bad.clone().into_bytes(), Duration::ZERO).await, Answers { texts: vec![], missing: 1 }, "{bad}");
    }
}

#[tokio::test]
async fn a_storm_of_dashboards_asks_once_and_the_next_one_anew() {
    let meeting = Meeting { gate: Some(Notify::new()), ..Meeting::new() };
    meeting.join("two", |_, whole| own(2, None, whole));
    let (cluster, meeting) = one_of(meeting);
    let asking = join_all((0..1000).map(|_| cluster.statistics(LOG, true)));
    let opening = async {
        while meeting.asked.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        meeting.gate.as_ref().expect("closed").notify_one();
    };
    let (found, ()) = futures::future::join(asking, opening).await;
    assert!(found.iter().all(|found| found.connections.now == 3 && found.complete == Some(true)));
    assert_eq!(meeting.asked.load(Ordering::Relaxed), 1);
    // what a tenant may see is another question, and another log as well
    meeting.gate.as_ref().expect("open").notify_one();
    cluster.statistics(LOG, false).await;
    assert_eq!(meeting.asked.load(Ordering::Relaxed), 2);
    let later = async {
        while meeting.asked.load(Ordering::Relaxed) < 3 {
            meeting.gate.as_ref().expect("open").notify_one();
            cluster.statistics(LOG, true).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), later).await.expect("what was gathered gets old");
}

#[tokio::test]
async fn where_nobody_can_be_asked_it_says_so() {
    let (alone, _) = one_of(Meeting { kind: backplane::Local::KIND, ..Meeting::new() });
    let found = alone.statistics(LOG, true).await;
    assert_eq!((found.missing, found.complete, found.connections.now), (Some(0), Some(false), 1));
}

#[tokio::test]
async fn who_may_not_have_heard_of_everyone_yet_does_not_say_that_it_is_all() {
    let (new, _) = one_of(Meeting { is_acquainted: false, ..Meeting::new() });
    let found = new.statistics(LOG, true).await;
    assert_eq!((found.missing, found.complete), (Some(0), Some(false)));
}

#[test]
fn a_report_fits_a_small_message_however_busy_the_instance_was() {
    let big = 999_999_999_999;
    let mut busy = own(big, Some(("0123abcd", big, big)), true);
    busy.statistics.connections.closed = CloseReason::ALL.iter().map(|reason| (reason.as_str(), big)).collect();
    busy.statistics.connections.by_selector = SELECTORS.into_iter().map(|word| (word, 999_999_999)).collect();
    // as many as there are
    busy.latencies.delivery = Tally::of((0..160).map(|bucket| (bucket, big)));
    // of ten seconds
    busy.latencies.recent_delivery = Tally::of((0..160).map(|bucket| (bucket, 9_999_999)));
    let report = Report::new("0123456789abcdef", &busy);
    let written = report.write();
    assert!(written.len() <= 5000, "{} bytes", written.len());
    assert_eq!(Report::read(&written), Some(report));
}
