//! Redis goes away for everyone, or stays and is as bad as a backplane may be.

use std::time::Duration;

use tokio::time::Instant;

use super::{scene::Scene, setup::Setup};
use crate::support::fault_proxy::Mode;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_instances_follow_the_log_by_looking_and_meet_again_when_it_is_back() {
    let mut scene = Scene::start(Setup::of(20, "Redis is stopped and started")).await;
    scene.is_met_through_redis().await;
    scene.redis.as_mut().expect("instances meet through Redis").stop();
    scene.load.acknowledged_more(scene.size.events).await;
    scene.lasts().await;
    scene.redis.as_mut().expect("instances meet through Redis").start_again().await;
    scene.verdict(Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_that_are_late_lost_repeated_and_out_of_order_cost_nobody_an_event() {
    let scene = Scene::start(Setup::of(30, "Redis is slow and lossy: messages are late, lost, repeated, out of order")).await;
    scene.is_met_through_redis().await;
    for instance in &scene.instances {
        instance.to_redis().lossy.set_lossy(true);
        instance.to_redis().proxy.set(Mode::Delay(Duration::from_millis(30)));
    }
    scene.load.acknowledged_more(scene.size.events).await;
    scene.lasts().await;
    for instance in &scene.instances {
        let [_, dropped, repeated, delayed] = instance.to_redis().lossy.tally();
        assert!(dropped > 0 && repeated > 0 && delayed > 0, "there was nothing to spoil: {dropped}, {repeated}, {delayed}");
        instance.to_redis().lossy.set_lossy(false);
        instance.to_redis().proxy.set(Mode::Pass);
    }
    scene.verdict(Instant::now()).await;
}
