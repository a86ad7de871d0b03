//! What only a file can suffer.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use chaincast::{
    domain::{Cursor, Resolved, Seq},
    log::{EventLog, LogError, LogId, SqliteLog, SqliteSettings},
};
use sqlx::{Connection as _, SqliteConnection};

use super::place::{default_log, everything, plains, publish, request, seqs};
use tempfile::TempDir;

async fn open(path: &Path) -> (Arc<dyn EventLog>, LogId) {
    let settings = SqliteSettings { statement_timeout: Duration::from_millis(500), ..SqliteSettings::default() };
    let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open_file(path, settings).await.expect("opens"));
    let id = log.open(&default_log()).await.expect("opens");
    (log, id)
}

/// A whole copy of the database, as a backup makes it.
async fn back_up(path: &Path) -> PathBuf {
    let copy = path.with_extension("backup");
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("connects");
    sqlx::query("VACUUM INTO $1").bind(copy.display().to_string()).execute(&mut connection).await.expect("copies");
    copy
}

fn put_back(copy: &Path, path: &Path) {
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    std::fs::rename(copy, path).expect("renames");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_file_starts_a_new_epoch_before_a_seq_is_reused() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("log.db");
    let (log, id) = open(&path).await;
    publish(&log, id, request(plains(0, 3))).await;
    let copy = back_up(&path).await;
    publish(&log, id, request(plains(3, 5))).await;
    let seen = Cursor { epoch: log.epochs(id).await.expect("reads").current(), seq: Seq::new(5) };
    log.close().await;
    drop(log);

    put_back(&copy, &path);
    let (log, id) = open(&path).await;
    let appended = log.append(id, &[request(plains(5, 10))]).await.expect("appends");
    assert_eq!((appended.before, appended.head), (Seq::new(3), Seq::new(8)));
    let chain = log.epochs(id).await.expect("reads");
    assert_eq!(chain.links().len(), 2);
    assert_eq!(chain.resolve(seen, appended.head), Resolved::Rewound { resume: Seq::new(3) });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_replaced_while_it_is_open_is_opened_anew_with_a_new_epoch() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("log.db");
    let (log, id) = open(&path).await;
    publish(&log, id, request(plains(0, 3))).await;
    let copy = back_up(&path).await;
    publish(&log, id, request(plains(3, 5))).await;
    put_back(&copy, &path);
    let appended = log.append(id, &[request(plains(5, 6))]).await.expect("appends");
    assert_eq!((appended.before, appended.head), (Seq::new(3), Seq::new(4)));
    assert_eq!(log.epochs(id).await.expect("reads").links().len(), 2);
    assert_eq!(seqs(&everything(&log, id).await), [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_is_unavailable_and_not_replaced_by_an_empty_one() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("log.db");
    let (log, id) = open(&path).await;
    publish(&log, id, request(plains(0, 3))).await;
    std::fs::remove_file(&path).expect("removes");
    let refused = log.append(id, &[request(plains(3, 4))]).await;
    assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_locked_by_another_process_is_unavailable_within_the_deadline_and_heals() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("log.db");
    let (log, id) = open(&path).await;
    let mut other = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("connects");
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.expect("locks");
    let started = Instant::now();
    let refused = log.append(id, &[request(plains(0, 1))]).await;
    assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(everything(&log, id).await, [], "readers do not wait for writers");
    transaction.rollback().await.expect("unlocks");
    publish(&log, id, request(plains(0, 1))).await;
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_is_its_owners_alone_and_what_is_there_is_left_as_it_is() {
    let dir = TempDir::new().expect("a temporary directory");
    let there = dir.path().join("there");
    std::fs::create_dir(&there).expect("creates");
    std::fs::set_permissions(&there, Permissions::from_mode(0o755)).expect("changes");
    let path = there.join("made/on the way/log.db");
    let (log, id) = open(&path).await;
    publish(&log, id, request(plains(0, 1))).await;
    assert_eq!(everything(&log, id).await.len(), 1);
    for suffix in ["", "-wal", "-shm", ".acked"] {
        assert_eq!(mode(&PathBuf::from(format!("{}{suffix}", path.display()))), 0o600, "{suffix}");
    }
    assert_eq!(mode(&there), 0o755);
    assert_eq!((mode(&there.join("made")), mode(&there.join("made/on the way"))), (0o700, 0o700));
    log.close().await;
    drop(log);

    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("changes");
    let (log, id) = open(&path).await;
    publish(&log, id, request(plains(1, 2))).await;
    assert_eq!(mode(&path), 0o640);
}
