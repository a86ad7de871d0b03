//! What only a Redis cluster does: its channels move.

use super::{
    instance::pair,
    servers::{Cluster, Server as _},
};
use crate::support::redis::RedisCluster;

/// The channel of log 1, as whichever node has it names it.
fn channel(cluster: &RedisCluster) -> String {
    let channels = cluster.nodes.iter().flat_map(|node| node.run::<Vec<String>>(&["PUBSUB", "SHARDCHANNELS", "*"]).expect("channels"));
    channels.into_iter().find(|name| name.ends_with(":log:1")).expect("the log's")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_whose_slot_moves_is_found_again() {
    let server = Cluster::start().await;
    let [one, mut two] = pair(&server).await;
    let channel = channel(&server.0);
    let before = two.status().reconnects;
    let to = server.0.move_slot(&channel);
    two.until("there again", |status| status.reconnects > before && status.is_connected).await;
    one.reaches(&mut two, 1).await;
    let there: Vec<String> = server.0.nodes[to].run(&["PUBSUB", "SHARDCHANNELS", "*"]).expect("channels");
    assert!(there.contains(&channel), "{there:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_is_replaced_by_its_replica() {
    let mut server = Cluster::start().await;
    let [one, mut two] = pair(&server).await;
    let channel = channel(&server.0);
    let owner = server.0.owner(&channel);
    server.0.add_replica_of(owner).await;
    server.0.nodes[owner].stop();
    one.until("lost", |status| !status.is_connected).await;
    // as soon as the others have agreed
    one.until("there again", |status| status.is_connected).await;
    one.reaches(&mut two, 1).await;
    two.until("acquainted", |status| status.is_connected && status.peers == 1).await;
}
