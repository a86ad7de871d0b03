//! What only Redis does.

use super::{
    instance::{Instance, SECRET, pair},
    servers::{Redis, Server as _},
};
use crate::support::wait::eventually;
use chaincast::backplane::{LinkSettings, RedisUrl};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_one_client_that_hears_what_it_follows_and_nothing_else() {
    let server = Redis::start().await;
    let [one, two] = pair(&server).await;
    assert_eq!(server.0.subscribed(), Ok(2));
    let list: String = server.0.run(&["CLIENT", "LIST"]).expect("a list");
    assert_eq!(list.lines().filter(|client| client.contains("name=chaincast ")).count(), 2, "{list}");
    one.follow(&[2, 3]);
    two.follow(&[3]);
    eventually("followed", async || {
        let mut channels: Vec<String> = server.0.run(&["PUBSUB", "CHANNELS", "*"]).expect("channels");
        channels.sort();
        let ends: Vec<&str> = channels.iter().filter_map(|name| name.splitn(3, ':').nth(2)).collect();
        if ends == ["instances", "log:2", "log:3"] { Ok(()) } else { Err(format!("{channels:?}")) }
    })
    .await;
    assert_eq!(one.status().reconnects, 0);
}

#[test]
fn nothing_that_is_printed_shows_the_password_or_the_secret() {
    let url = RedisUrl::parse("redis://someone:hunter2@redis.example").expect("well formed");
    let printed = format!("{url:?} {:?}", LinkSettings::new(SECRET));
    assert!(!printed.contains("hunter2") && !printed.contains("42"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_connection_is_made_again() {
    let server = Redis::start().await;
    let [one, mut two] = pair(&server).await;
    for _ in 0..3 {
        let before = two.status().reconnects;
        let _: i64 = server.0.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).expect("killed");
        two.until("there again", |status| status.reconnects > before && status.is_connected).await;
        one.reaches(&mut two, 1).await;
    }
    let alone = Instance::start(&server, &[]);
    alone.until("acquainted", |status| status.peers == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_a_replica_is_left_until_it_is_a_master_again() {
    let server = Redis::start().await;
    let [one, mut two] = pair(&server).await;
    let _: String = server.0.run(&["REPLICAOF", "127.0.0.1", "1"]).expect("a replica of nobody");
    for instance in [&one, &two] {
        instance.until("away", |status| !status.is_connected).await;
    }
    let _: String = server.0.run(&["REPLICAOF", "NO", "ONE"]).expect("a master");
    two.until("there again", |status| status.is_connected).await;
    one.reaches(&mut two, 1).await;
}
