//! A copy that was cut short: nothing of it is there, no service takes what is there for a whole, and it can be run again.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    time::Duration,
};

use super::{copy_command, copy_ok};
use crate::support::{
    fault_proxy::{FaultProxy, Mode},
    http::Http,
    process::{Service, Settings},
    publisher::large_events,
    store::Store,
};

/// So slow, and so much to copy, that no copy ends before a test has read a line of it.
const SLOW: Mode = Mode::Delay(Duration::from_millis(20));
const EVENTS: usize = 80;

/// A store with something in it, and its history.
async fn lived_in(store: &Store) -> Vec<String> {
    let mut service = Service::start(Settings::on(store)).await;
    let http = Http::new(service.addr());
    for batch in large_events("large", EVENTS).chunks(20) {
        http.publish_ok(&serde_json::json!(batch)).await;
    }
    let history = http.whole_history("all=true", "earliest").await;
    service.terminate().await;
    history
}

/// A copy that has begun to write, and that cannot end, because nothing gets through any more.
async fn stuck(from: &str, to: &str, proxy: &FaultProxy) -> Child {
    proxy.set(SLOW);
    let mut child = copy_command(from, to).spawn().expect("the binary starts");
    let stderr = child.stderr.take().expect("piped");
    let begun = tokio::task::spawn_blocking(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).find(|line| line.starts_with("copying ") || line.starts_with("chaincast: "))
    });
    let begun = begun.await.expect("no panic").expect("it says what it does");
    assert!(begun.starts_with("copying "), "{begun}");
    proxy.set(Mode::Silent);
    assert!(child.try_wait().expect("own child").is_none(), "it ended before it was cut off");
    child
}

async fn is_not_served(store: &Store) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_chaincast"));
    command.env_clear().env("DATABASE_URL", store.url()).env("CHAINCAST_LISTEN", "127.0.0.1:0");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    // one that serves goes on saying so; one that refuses says why and ends
    let decided = tokio::task::spawn_blocking(move || {
        stderr.lines().map_while(Result::ok).find(|line| line.contains("listening on") || line.starts_with("chaincast: "))
    });
    let decided = decided.await.expect("no panic").unwrap_or_default();
    // it may have ended by itself
    let _ = child.kill();
    child.wait().expect("own child");
    assert!(decided.contains("run `chaincast log copy` again"), "{decided:?}");
}

async fn is_whole(store: &Store, history: &[String]) {
    let service = Service::start(Settings::on(store)).await;
    let http = Http::new(service.addr());
    assert_eq!(http.whole_history("all=true", "earliest").await, history);
    let items = http.publish_ok(&serde_json::json!(large_events("large", 20))).await;
    assert!(items.iter().all(|item| item["status"] == "duplicate"), "{items:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_killed_is_not_served_and_can_be_repeated() {
    let (from, to) = (Store::sqlite(), Store::postgres().await);
    let history = lived_in(&from).await;
    let proxy = FaultProxy::before(&to.url()).await;
    let mut child = stuck(&from.url(), &proxy.url(), &proxy).await;
    child.kill().expect("own child");
    child.wait().expect("own child");
    // only now does the server hear of it
    proxy.set(Mode::Reset);
    is_not_served(&to).await;
    copy_ok(&from, &to).await;
    is_whole(&to, &history).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_lost_its_connection_is_not_served_and_can_be_repeated() {
    let (from, to) = (Store::sqlite(), Store::postgres().await);
    let history = lived_in(&from).await;
    let proxy = FaultProxy::before(&to.url()).await;
    let mut child = stuck(&from.url(), &proxy.url(), &proxy).await;
    proxy.set(Mode::Reset);
    let status = tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("own child");
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    is_not_served(&to).await;
    copy_ok(&from, &to).await;
    is_whole(&to, &history).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_to_sqlite_that_was_killed_is_not_served_and_can_be_repeated() {
    let (from, to) = (Store::postgres().await, Store::sqlite());
    let history = lived_in(&from).await;
    let proxy = FaultProxy::before(&from.url()).await;
    let mut child = stuck(&proxy.url(), &to.url(), &proxy).await;
    child.kill().expect("own child");
    child.wait().expect("own child");
    proxy.set(Mode::Reset);
    is_not_served(&to).await;
    copy_ok(&from, &to).await;
    is_whole(&to, &history).await;
}
