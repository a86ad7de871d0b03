//! A replica without the last commits takes over from a primary that is gone.

use sqlx::{Connection as _, PgConnection};
use tokio::{task::block_in_place, time::Instant};

use super::{
    record::Record,
    scene::Scene,
    setup::{Home, Setup},
};
use crate::support::{fault_proxy::Mode, wait::eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lacks_the_last_commits_takes_over_and_everyone_above_the_fork_is_told() {
    let mut scene = Scene::start_with_server(Setup::of(60, "a replica without the last commits takes over from the killed primary")).await;
    let replica = block_in_place(|| scene.server().replica());
    let head = async |url: &str| -> Result<i64, String> {
        let mut connection = PgConnection::connect(url).await.map_err(|e| e.to_string())?;
        sqlx::query_scalar("SELECT head FROM logs").fetch_one(&mut connection).await.map_err(|e| e.to_string())
    };
    let wanted = head(&scene.home.url()).await.expect("the primary is there");
    eventually("replicated", async || {
        let replicated = head(&replica.url()).await?;
        if replicated >= wanted { Ok(()) } else { Err(replicated.to_string()) }
    })
    .await;
    block_in_place(|| replica.stop());
    // this is what will be lost
    scene.load.acknowledged_more(scene.size.events).await;
    for instance in &scene.instances {
        instance.to_postgres().set(Mode::Refuse);
    }
    block_in_place(|| scene.server().kill_9());
    scene.stops_publishing().await;
    scene.lasts().await;
    // started once more where nobody but the ledger finds it
    let Home::Own(primary) = std::mem::replace(&mut scene.home, Home::Own(replica)) else { panic!("a server of its own") };
    block_in_place(|| primary.start_again());
    scene.gone = Some(Record::read(&primary.url(), 0).await);
    block_in_place(|| primary.kill_9());

    block_in_place(|| {
        scene.server().start_again();
        scene.server().promote();
    });
    for instance in &scene.instances {
        instance.to_postgres().lead_to(&scene.home.url());
        instance.to_postgres().set(Mode::Pass);
    }
    let healed = Instant::now();
    let verdict = scene.verdict(healed).await;
    assert!(verdict.lost_by_store > 0 && verdict.told_rewound > 0, "the replica lacked nothing: {verdict:?}");
}
