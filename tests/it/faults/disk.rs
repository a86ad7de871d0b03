//! The file system of a SQLite log is full.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    path::PathBuf,
};

use tokio::time::Instant;

use super::{
    scene::Scene,
    setup::{Home, Setup},
};
use crate::support::sse_client::SseClient;

/// Writes until there is no room left.
fn fill(filler: &PathBuf) {
    let mut file = File::create(filler).expect("a file system of this test's own");
    for size in [64 * 1024, 1024, 1] {
        let block = vec![7; size];
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_publishing_keeps_streams_and_readers_and_heals_when_there_is_room_again() {
    let scene = Scene::start_on_disk(Setup::of(130, "the disk of a SQLite log is full (one instance)"), 64).await;
    let Home::Disk(dir) = &scene.home else { panic!("a disk of its own") };
    let filler = PathBuf::from(format!("/proc/{}/root{}/filler", scene.instances[0].service.pid(), dir.path().display()));
    fill(&filler);
    scene.stops_publishing().await;
    // those who read do not write
    let (http, addr) = (&scene.instances[0].http, scene.instances[0].service.addr());
    let mut live = SseClient::live(addr, "all=true").await;
    live.until_heartbeat().await;
    let mut replaying = SseClient::connect(addr, "all=true&last_event_id=earliest", None).await;
    replaying.until_live().await;
    assert_eq!(http.history("all=true&last_event_id=earliest&limit=50").await.events.len(), 50);
    assert_eq!(http.get("/health/live").await.status, 200);
    scene.lasts().await;
    std::fs::remove_file(&filler).expect("its own file");
    scene.verdict(Instant::now()).await;
}
