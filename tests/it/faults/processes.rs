//! Instances that are killed and instances that stand still.

use tokio::time::Instant;

use super::{scene::Scene, setup::Setup};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_killed_takes_nothing_with_it() {
    let mut scene = Scene::start(Setup::of(10, "an instance is killed (`kill -9`) and started again")).await;
    scene.instances[0].service.kill_9();
    scene.load.acknowledged_more(scene.size.events).await;
    scene.lasts().await;
    let healed = Instant::now();
    scene.instances[0].service.restart_same_port().await;
    scene.verdict(healed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_stands_still_for_longer_than_its_memory_lasts_reads_up_what_it_missed() {
    const RING: usize = 64;
    let setup = Setup::of(11, "an instance is paused (`SIGSTOP`) until its ring is overtaken").with("CHAINCAST_RING_EVENTS", RING);
    let scene = Scene::start(setup).await;
    {
        let _halted = scene.instances[0].service.stop_cont();
        scene.load.acknowledged_more(scene.size.events.max(3 * RING)).await;
        scene.lasts().await;
    }
    scene.verdict(Instant::now()).await;
}
