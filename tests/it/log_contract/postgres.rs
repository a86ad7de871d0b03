//! What only a server can suffer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chaincast::{
    domain::{Cursor, Resolved, Seq},
    log::{EventLog, LogError, LogId, PostgresLog, PostgresSettings},
};
use futures::future::join_all;
use sqlx::{Connection as _, PgConnection};

use super::{
    place::{default_log, everything, plains, publish, request, seqs},
    proxy::SilentProxy,
};
use crate::support::{
    fault_proxy::FaultProxy,
    postgres::{Cluster, TestDatabase, settings},
};

async fn open(url: &str, settings: PostgresSettings) -> (Arc<dyn EventLog>, LogId) {
    let log: Arc<dyn EventLog> = Arc::new(PostgresLog::connect(url, settings).await.expect("connects"));
    let id = log.open(&default_log()).await.expect("opens");
    (log, id)
}

/// Repeats a call until it works.
async fn eventually<T, F: Future<Output = Result<T, LogError>>>(mut call: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match call().await {
            Ok(value) => return value,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgres_keeps_what_was_acknowledged() {
    let cluster = Cluster::start();
    let (log, id) = open(&cluster.url(), PostgresSettings::default()).await;
    let writer = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let mut acknowledged = Seq::ZERO;
            for n in 0.. {
                match log.append(id, &[request(plains(n, n + 1))]).await {
                    Ok(appended) => acknowledged = appended.head,
                    Err(_) => break,
                }
            }
            acknowledged
        })
    };
    while log.positions().await.expect("reads")[0].head < Seq::new(50) {
        tokio::task::yield_now().await;
    }
    cluster.kill_9();
    let acknowledged = writer.await.expect("the writer ends");
    let down = log.positions().await;
    assert!(matches!(down, Err(LogError::Unavailable(_))), "{down:?}");
    cluster.start_again();
    let events = eventually(|| async {
        log.positions().await?;
        Ok(everything(&log, id).await)
    })
    .await;
    let kept = seqs(&events);
    assert!(kept.len() as u64 >= acknowledged.get(), "{} of {acknowledged} are left", kept.len());
    assert_eq!(kept, (1..=kept.len() as u64).collect::<Vec<_>>());
    publish(&log, id, request(plains(1_000_000, 1_000_001))).await;
    assert_eq!(log.epochs(id).await.expect("reads").links().len(), 1, "a crash is not another store");
}

/// A plan that was made while the tables were empty, and that reads all ids of the log for each append, would stay for the session.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_looks_ids_up_one_by_one_however_the_log_has_grown() {
    const BATCHES: usize = 20;
    const BATCH: usize = 50;
    let database = TestDatabase::create().await;
    let (log, id) = open(&database.url(), settings()).await;
    for batch in 0..BATCHES {
        publish(&log, id, request(plains(batch * BATCH, (batch + 1) * BATCH))).await;
    }
    // what a session has done is counted when it is gone
    log.close().await;
    let mut observer = PgConnection::connect(&database.url()).await.expect("connects");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let counts = "SELECT sum(idx_scan)::bigint, sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'ids'";
        let (scans, rows): (i64, i64) = sqlx::query_as(counts).fetch_one(&mut observer).await.expect("reads");
        if scans >= (BATCHES * BATCH) as i64 {
            assert!(rows <= (BATCHES * BATCH) as i64, "{scans} look-ups of new ids read {rows} entries");
            return;
        }
        assert!(Instant::now() < deadline, "{scans} look-ups and {rows} entries are counted");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_replica_starts_a_new_epoch() {
    let primary = Cluster::start();
    let (log, id) = open(&primary.url(), PostgresSettings::default()).await;
    publish(&log, id, request(plains(0, 3))).await;
    let replica = primary.replica();
    let standby = PostgresLog::connect(&replica.url(), PostgresSettings::default()).await;
    assert!(matches!(standby, Err(LogError::Unavailable(_))));
    wait_for_head(&replica, 3).await;
    // the replica stops following, the primary goes on for a moment
    replica.stop();
    publish(&log, id, request(plains(3, 6))).await;
    let seen = Cursor { epoch: log.epochs(id).await.expect("reads").current(), seq: Seq::new(6) };
    primary.kill_9();

    replica.start_again();
    replica.promote();
    let (log, id) = open(&replica.url(), PostgresSettings::default()).await;
    let appended = log.append(id, &[request(plains(6, 16))]).await.expect("appends");
    assert_eq!((appended.before, appended.head), (Seq::new(3), Seq::new(13)));
    let chain = log.epochs(id).await.expect("reads");
    assert_eq!((chain.links().len(), chain.current()), (2, appended.epoch));
    assert_eq!(chain.resolve(seen, appended.head), Resolved::Rewound { resume: Seq::new(3) });
}

#[tokio::test(flavor = "multi_thread")]
async fn once_another_store_answers_no_session_is_left_with_the_one_before() {
    let primary = Cluster::start();
    let replica = primary.replica();
    let proxy = FaultProxy::before(&primary.url()).await;
    let (log, _) = open(&proxy.url(), PostgresSettings::default()).await;
    let before = log.look().await.expect("looks").store;
    assert!(before.is_some());
    replica.promote();
    proxy.lead_to(&replica.url());
    // more at once than there are sessions: those that are there still lead to the old primary, which knows nothing of it
    while join_all((0..4).map(|_| log.look())).await.into_iter().all(|look| look.expect("looks").store == before) {}
    // the last of them to arrive may have been an old one's
    let _ = log.look().await.expect("looks");
    for look in join_all((0..4).map(|_| log.look())).await {
        assert_ne!(look.expect("looks").store, before);
    }
}

async fn wait_for_head(replica: &Cluster, head: i64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut connection = PgConnection::connect(&replica.url()).await.expect("standbys answer");
        let found: Option<i64> = sqlx::query_scalar("SELECT max(head) FROM logs").fetch_one(&mut connection).await.unwrap_or_default();
        if found == Some(head) {
            return;
        }
        assert!(Instant::now() < deadline, "the replica does not follow");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_store_costs_one_deadline_and_heals() {
    let database = TestDatabase::create().await;
    let url = database.url();
    let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split_once('/')).expect("the url has a port").0;
    let proxy = SilentProxy::before(port.parse().expect("a port")).await;
    let proxied = url.replacen(&format!(":{port}/"), &format!(":{}/", proxy.port), 1);
    let timeout = Duration::from_millis(400);
    let (log, id) = open(&proxied, PostgresSettings { connect_timeout: timeout, statement_timeout: timeout, ..settings() }).await;
    publish(&log, id, request(plains(0, 1))).await;

    proxy.fall_silent(true);
    let started = Instant::now();
    let unknown = log.append(id, &[request(plains(1, 2))]).await;
    assert!(matches!(unknown, Err(LogError::Unknown(_))), "{unknown:?}");
    assert!(started.elapsed() < 3 * timeout, "{:?}", started.elapsed());
    // the connection is gone, and a new one does not come about
    let started = Instant::now();
    let unavailable = log.positions().await;
    assert!(matches!(unavailable, Err(LogError::Unavailable(_))), "{unavailable:?}");
    assert!(started.elapsed() < 3 * timeout, "{:?}", started.elapsed());

    proxy.fall_silent(false);
    let appended = eventually(|| async { log.append(id, &[request(plains(1, 2))]).await }).await;
    assert_eq!(appended.head, Seq::new(2), "stored once, whatever became of the first try");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_ended_by_the_server_cost_a_reader_nothing() {
    let database = TestDatabase::create().await;
    let (log, id) = open(&database.url(), settings()).await;
    publish(&log, id, request(plains(0, 2))).await;
    let mut admin = PgConnection::connect(&database.url()).await.expect("connects");
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(end).execute(&mut admin).await.expect("a superuser may");
    assert_eq!(seqs(&everything(&log, id).await), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_flush_is_refused() {
    let cluster = Cluster::start();
    let mut admin = PgConnection::connect(&cluster.url()).await.expect("connects");
    sqlx::query("ALTER SYSTEM SET fsync = off").execute(&mut admin).await.expect("a superuser may");
    sqlx::query("SELECT pg_reload_conf()").execute(&mut admin).await.expect("a superuser may");
    cluster.stop();
    cluster.start_again();
    let refused = PostgresLog::connect(&cluster.url(), PostgresSettings::default()).await.err();
    assert!(matches!(&refused, Some(LogError::Internal(why)) if why.contains("fsync")), "{refused:?}");
}
