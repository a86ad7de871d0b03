//! The file system of a SQLite log is full.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    path::PathBuf,
};

use tokio::time::Instant;

use super::{
    scene::Scene,
    setup::{Home, Room, Setup},
};
use crate::support::{process::may_mount, sse_client::SseClient};

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

async fn is_survived(setup: Setup, room: Room) {
    let scene = Scene::start_on_disk(setup, room).await;
    let Home::Disk(dir) = &scene.home else { panic!("a disk of its own") };
    let service = &scene.instances[0].service;
    let filler = PathBuf::from(format!("/proc/{}/root{}/filler", service.pid(), dir.path().display()));
    match room {
        Room::Disk { .. } => fill(&filler),
        Room::Limit => service.limit_files(Some(1)),
    }
    scene.stops_publishing().await;
    // those who read do not write
    let (http, addr) = (&scene.instances[0].http, service.addr());
    let mut live = SseClient::live(addr, "all=true").await;
    live.until_heartbeat().await;
    let mut replaying = SseClient::connect(addr, "all=true&last_event_id=earliest", None).await;
    replaying.until_live().await;
    assert_eq!(http.history("all=true&last_event_id=earliest&limit=50").await.events.len(), 50);
    assert_eq!(http.get("/health/live").await.status, 200);
    scene.lasts().await;
    match room {
        Room::Disk { .. } => std::fs::remove_file(&filler).expect("its own file"),
        Room::Limit => service.limit_files(None),
    }
    scene.verdict(Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_publishing_keeps_streams_and_readers_and_heals_when_there_is_room_again() {
    // where no file system may be mounted, the limit is the nearest thing
    let room = if may_mount() { Room::Disk { megabytes: 64 } } else { Room::Limit };
    is_survived(Setup::of(130, "the disk of a SQLite log is full (one instance)"), room).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_grow_refuses_publishing_keeps_streams_and_readers_and_heals_when_it_may() {
    is_survived(Setup::of(131, "the file of a SQLite log may not grow (`RLIMIT_FSIZE`, one instance)"), Room::Limit).await;
}
