//! Retention does not wait for those who read slowly: what it takes from under them they are told.

use std::sync::{Arc, Mutex};

use tokio::time::{Instant, sleep};

use super::{
    record::Record,
    scene::{LOOK, Scene},
    setup::Setup,
};
use crate::support::process::Service;

/// What is kept; more than is published between two looks of the archive.
const KEPT: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retention_takes_from_under_slow_readers_is_told_to_them_stretch_by_stretch() {
    let setup = Setup::of(120, "retention overtakes slow readers").with_slow_readers(9, 4000).with("CHAINCAST_RING_EVENTS", 32);
    let mut scene = Scene::start(setup).await;
    let url = scene.home.url();
    // the log is copied before it goes: the verdict needs all of it
    let archive = Arc::new(Mutex::new(Record::read(&url, 0).await));
    let (copied, from) = (Arc::clone(&archive), url.clone());
    let copying = tokio::spawn(async move {
        loop {
            let head = copied.lock().expect("no one panics under it").head();
            let more = Record::read(&from, head).await;
            copied.lock().expect("no one panics under it").remember(more);
            sleep(LOOK).await;
        }
    });
    for _ in 0..2 {
        scene.crowd.sleep(true);
        // more than lies in the buffers between
        scene.load.acknowledged_more(scene.size.events + 3 * KEPT as usize).await;
        let before = scene.instances[0].http.stat("/log/earliest").await;
        // an instance trims when it starts
        let trimming = Service::start(scene.setup.settings(&url).with("CHAINCAST_RETENTION_EVENTS", KEPT)).await;
        for instance in &scene.instances {
            instance.http.until_stat("/log/earliest", |earliest| earliest > before).await;
        }
        drop(trimming);
        scene.crowd.sleep(false);
        scene.lasts().await;
    }
    let healed = Instant::now();
    scene.load.acknowledged_more(1).await;
    copying.abort();
    let _ = copying.await;
    let copied = archive.lock().expect("no one panicked under it").clone();
    scene.remembered = Some(copied);
    let verdict = scene.verdict(healed).await;
    assert!(verdict.told_trimmed >= 9, "slow readers were never overtaken: {verdict:?}");
}
