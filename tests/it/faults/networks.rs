//! One of the instances is cut off from a server that the others reach.

use tokio::time::Instant;

use super::{scene::Scene, setup::Setup};
use crate::support::fault_proxy::Mode;

async fn one_is_cut_from_postgres(nr: u32, fault: &'static str, mode: Mode) {
    let scene = Scene::start(Setup::of(nr, fault)).await;
    scene.instances[0].cut_from_postgres(mode).await;
    scene.load.acknowledged_more(scene.size.events).await;
    scene.lasts().await;
    scene.instances[0].to_postgres().set(Mode::Pass);
    scene.verdict(Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_postgres_refuses_catches_up_when_it_is_let_in() {
    one_is_cut_from_postgres(70, "an instance's connections to Postgres are refused", Mode::Refuse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_connections_to_postgres_are_reset_catches_up() {
    one_is_cut_from_postgres(71, "an instance's connections to Postgres are reset", Mode::Reset).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_to_which_postgres_falls_silent_catches_up_and_commits_nothing_twice() {
    one_is_cut_from_postgres(72, "an instance's connections to Postgres fall silent", Mode::Silent).await;
}

async fn one_is_cut_from_redis(nr: u32, fault: &'static str, mode: Mode) {
    let scene = Scene::start(Setup::of(nr, fault)).await;
    scene.is_met_through_redis().await;
    scene.instances[0].to_redis().proxy.set(mode);
    scene.load.acknowledged_more(scene.size.events).await;
    scene.lasts().await;
    scene.instances[0].to_redis().proxy.set(Mode::Pass);
    scene.verdict(Instant::now()).await;
}

async fn one_is_cut_from_both(nr: u32, fault: &'static str, mode: Mode) {
    let scene = Scene::start(Setup::of(nr, fault)).await;
    scene.is_met_through_redis().await;
    scene.instances[0].to_redis().proxy.set(mode);
    scene.instances[0].cut_from_postgres(mode).await;
    scene.load.acknowledged_more(scene.size.events).await;
    scene.lasts().await;
    // what is announced before the log can be read is a hint like any other
    scene.instances[0].to_redis().proxy.set(Mode::Pass);
    scene.instances[0].to_postgres().set(Mode::Pass);
    scene.verdict(Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_redis_refuses_follows_the_log_by_looking() {
    one_is_cut_from_redis(80, "an instance's connections to Redis are refused", Mode::Refuse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_connections_to_redis_are_reset_follows_the_log_by_looking() {
    one_is_cut_from_redis(81, "an instance's connections to Redis are reset", Mode::Reset).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_to_which_redis_falls_silent_follows_the_log_by_looking() {
    one_is_cut_from_redis(82, "an instance's connections to Redis fall silent", Mode::Silent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_postgres_and_redis_refuse_catches_up() {
    one_is_cut_from_both(90, "an instance's connections to Postgres and Redis are refused", Mode::Refuse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_to_which_postgres_and_redis_fall_silent_catches_up() {
    one_is_cut_from_both(91, "an instance's connections to Postgres and Redis fall silent", Mode::Silent).await;
}
