use super::*;
use crate::{
    backplane::Local,
    domain::{LogName, Source},
    hub,
    ingest::{self, BodyForm, Committer, Limits, parse},
    log::{OnConflict, SqliteLog, SqliteSettings},
};

/// An instance with two logs: the first has two events, the second one.
struct Scene {
    _home: tempfile::TempDir,
    log: Arc<dyn EventLog>,
    hubs: Arc<Hubs>,
    committing: tokio::task::JoinHandle<()>,
    facts: Arc<AppFacts>,
    ids: [LogId; 2],
}

impl Scene {
    async fn start(settings: hub::Settings) -> Self {
        let home = tempfile::TempDir::new().expect("a temporary directory");
        let opened = SqliteLog::open_file(&home.path().join("log.db"), SqliteSettings::default()).await.expect("opens");
        let log: Arc<dyn EventLog> = Arc::new(opened);
        let (backplane, inbox) = Local::new();
        let backplane = Arc::new(backplane);
        let hubs = Hubs::start(log.clone(), settings, inbox.announcements, 10).await.expect("starts");
        let (publisher, committer) = Committer::new(log.clone(), backplane.clone(), ingest::Settings::default());
        let committing = tokio::spawn(committer.run(std::future::pending()));
        let ids = [hubs.log(&LogName::new("busy")).await.expect("opens"), hubs.log(&LogName::new("quiet")).await.expect("opens")];
        for (log, id) in [(ids[0], "1"), (ids[0], "2"), (ids[1], "1"), (ids[1], "1")] {
            let body = format!(r#"{{"id":"{id}","type":"a.b","data":{{}}}}"#);
            let drafts = parse(BodyForm::Json, body.as_bytes(), &Limits::default()).expect("valid");
            let request = ingest::request(Source::new("default"), drafts, OnConflict::Refuse);
            publisher.publish(log, request, None).await.expect("published");
        }
        let (retention, trims) = (Retention::default(), Arc::default());
        let facts = AppFacts::new(hubs.clone(), Sources { publisher, log: log.clone(), backplane, retention, trims });
        Self { _home: home, log, hubs, committing, facts, ids }
    }

    async fn end(self) {
        self.committing.abort();
        self.log.close().await;
    }
}

#[tokio::test]
async fn a_tenant_learns_nothing_of_what_another_publishes_or_of_what_all_share() {
    let scene = Scene::start(hub::Settings::default()).await;
    let (facts, ids) = (&scene.facts, scene.ids);
    let _hub = scene.hubs.hub(ids[0]).await.expect("starts");
    let busy = facts.statistics(ids[0], false);
    assert_eq!((busy.events.published, busy.events.commits, busy.log.head), (2, 2, 2));
    let quiet = facts.statistics(ids[1], false);
    assert_eq!((quiet.events.published, quiet.events.duplicates, quiet.connections.opened), (1, 1, 0));
    assert!(quiet.log.head <= 1, "its own");
    assert!(quiet.backplane.traffic.is_none(), "what all logs announce");
    assert!(quiet.queues.is_none() && quiet.memory.is_none() && quiet.instance.is_none() && quiet.log.size_bytes.is_none());
    let whole = facts.statistics(ids[1], true);
    assert!(whole.queues.is_some() && whole.memory.is_some() && whole.log.size_bytes.is_some());
    let instance = whole.instance.expect("asked for");
    assert_eq!((instance.logs, instance.followed_logs, instance.max_logs), (3, 2, 10));
    scene.end().await;
}

#[tokio::test]
async fn what_all_logs_counted_is_summed_and_outlives_the_hub_that_counted_it() {
    let settings = hub::Settings { look: Duration::from_millis(1), idle: Duration::ZERO, max_connections: 3, ..hub::Settings::default() };
    let scene = Scene::start(settings).await;
    let (facts, [busy, quiet]) = (&scene.facts, scene.ids);
    let [stays, leaves] = [scene.hubs.hub(busy).await.expect("starts"), scene.hubs.hub(quiet).await.expect("starts")];
    let held = [stays.admit(), stays.admit()].map(|permit| permit.expect("room"));
    let left = leaves.admit().expect("room");
    assert!(leaves.admit().is_err(), "all are taken");
    drop((left, leaves));
    let stopped = async {
        while scene.hubs.running(quiet).is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), stopped).await.expect("nobody follows it");
    for _ in 0..2 {
        let Overall { statistics: overall, delivery, publishing, .. } = facts.overall();
        let found = overall.connections;
        assert_eq!((found.now, found.opened, found.refused, found.peak, found.max), (2, 3, 1, 3, 3));
        assert_eq!(found.closed.get("left"), Some(&1));
        assert_eq!((overall.events.published, overall.events.duplicates, overall.events.commits), (3, 1, 4));
        assert_eq!(overall.log.head, 0, "the default log's");
        assert_eq!(overall.instance.map(|instance| (instance.logs, instance.followed_logs)), Some((3, 2)));
        assert!(overall.memory.is_some() && overall.queues.is_some() && !delivery.buckets.is_empty());
        assert_eq!(publishing.group.1, 4, "requests that were committed");
    }
    drop((held, stays));
    scene.end().await;
}
