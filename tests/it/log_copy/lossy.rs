//! **No silent gap** when what is copied has lost events that clients have seen: it was put back, or promoted, and nothing was appended since.

use std::path::{Path, PathBuf};

use serde_json::json;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::copy_of;
use crate::{
    resume_gaps::{epoch_of, event_seqs, gap, seq_at},
    support::{
        http::Http,
        postgres::Cluster,
        process::{Service, Settings},
        publisher::EventMaker,
        sse_client::SseClient,
        store::Store,
        wait::eventually,
    },
};

/// The last event that was not lost.
const FORK: u64 = 20;
/// The last that clients have seen.
const SEEN: u64 = 30;

/// Publishes up to the fork, calls `back_up`, and publishes what is lost afterwards. The epoch.
async fn lose(url: &str, back_up: impl AsyncFnOnce()) -> String {
    let mut service = Service::start(Settings::at(url)).await;
    let (http, mut maker) = (Http::new(service.addr()), EventMaker::new("event"));
    http.publish_ok(&json!(maker.events(FORK as usize))).await;
    back_up().await;
    http.publish_ok(&json!(maker.events((SEEN - FORK) as usize))).await;
    let epoch = epoch_of(&http).await;
    service.terminate().await;
    epoch
}

async fn nobody_misses_what_takes_the_lost_numbers(to: &Store, epoch: &str) {
    let service = Service::start(Settings::on(to)).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    http.publish_ok(&json!(EventMaker::new("other").events(15))).await;
    assert_ne!(epoch_of(&http).await, epoch);

    let mut ahead = SseClient::connect(addr, "all=true", Some(&format!("{epoch}-{SEEN}"))).await;
    let told = gap(&mut ahead).await;
    assert_eq!((told["reason"].as_str(), seq_at(&told, "resumed")), (Some("rewound"), FORK), "{told}");
    ahead.follow_to(FORK + 15).await;
    assert_eq!(event_seqs(ahead.transcript()), (FORK + 1..=FORK + 15).collect::<Vec<_>>());
    let mut before = SseClient::connect(addr, "all=true", Some(&format!("{epoch}-15"))).await;
    before.follow_to(FORK + 15).await;
    assert_eq!(event_seqs(before.transcript()), (16..=FORK + 15).collect::<Vec<_>>());
    assert!(before.transcript().iter().all(|frame| frame.name() != "hub.gap"), "{}", before.report());
}

/// A replica that took over without the last commits, and a log that was made there.
async fn promoted() -> (Cluster, String) {
    let primary = Cluster::start();
    let replica = primary.replica();
    let epoch = lose(&primary.url(), async || {
        eventually("replicated", async || {
            let mut standby = PgConnection::connect(&replica.url()).await.map_err(|error| error.to_string())?;
            let head: i64 = sqlx::query_scalar("SELECT head FROM logs").fetch_one(&mut standby).await.map_err(|error| error.to_string())?;
            if head.unsigned_abs() == FORK { Ok(()) } else { Err(head.to_string()) }
        })
        .await;
        replica.stop();
    })
    .await;
    primary.kill_9();
    replica.start_again();
    replica.promote();
    let mut server = PgConnection::connect(&replica.url()).await.expect("connects");
    sqlx::query("SELECT open_log('settled', 5)").execute(&mut server).await.expect("made");
    (replica, epoch)
}

fn is_told(said: &str, cause: &str) {
    assert!(said.contains(&format!("to copy: default ({cause});")), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_that_is_copied_at_once_does_not_give_lost_numbers_out_again() {
    let ((replica, epoch), file, database) = (promoted().await, Store::sqlite(), Store::postgres().await);
    for to in [file, database] {
        is_told(&copy_of(&replica.url(), &to).await, "store changed");
        nobody_misses_what_takes_the_lost_numbers(&to, &epoch).await;
    }
}

/// A file that was put back to the fork, with or without the note beside it.
async fn restored(with_note: bool) -> (Store, String) {
    let store = Store::sqlite();
    let (path, copy) = (store.sqlite_file(), store.sqlite_file().with_extension("backup"));
    let epoch = lose(&store.url(), async || {
        let mut connection = SqliteConnection::connect(&store.url()).await.expect("opens");
        sqlx::query("VACUUM INTO $1").bind(copy.display().to_string()).execute(&mut connection).await.expect("copies");
        connection.close().await.expect("closes");
    })
    .await;
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(&path, suffix));
    }
    std::fs::rename(copy, &path).expect("renames");
    if !with_note {
        std::fs::remove_file(beside(&path, ".acked")).expect("it was there");
    }
    (store, epoch)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_put_back_and_is_copied_at_once_does_not_give_lost_numbers_out_again() {
    let ((from, epoch), file, database) = (restored(true).await, Store::sqlite(), Store::postgres().await);
    for to in [file, database] {
        is_told(&copy_of(&from.url(), &to).await, "file restored");
        nobody_misses_what_takes_the_lost_numbers(&to, &epoch).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_came_without_its_note_is_copied_as_one_that_was_put_back() {
    let ((from, epoch), to) = (restored(false).await, Store::postgres().await);
    is_told(&copy_of(&from.url(), &to).await, "no note of what was acknowledged");
    nobody_misses_what_takes_the_lost_numbers(&to, &epoch).await;
}
