//! What somebody else on the same Redis can do: nothing but be counted.

use futures::StreamExt as _;

use super::{
    instance::{events, grown, pair},
    servers::{Redis, Server as _},
};
use crate::support::wait::{PATIENCE, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_service_and_forged_messages_are_refused_and_counted() {
    let server = Redis::start().await;
    let [one, mut two] = pair(&server).await;
    let redis = redis::Client::open(server.0.url()).expect("a url");
    let channels: Vec<String> = server.0.run(&["PUBSUB", "CHANNELS", "*"]).expect("channels");
    let channel = channels.iter().find(|name| name.ends_with(":log:1")).expect("the log's").clone();
    let instances = channels.iter().find(|name| name.ends_with(":instances")).expect("theirs").clone();
    let mut listening = redis.get_async_pubsub().await.expect("connected");
    listening.subscribe(&channel).await.expect("subscribed");
    one.announce(grown(1, events(1..=1, 10)));
    assert_eq!(two.hears().await.events, events(1..=1, 10));
    let recorded: Vec<u8> = listening.on_message().next().await.expect("a message").get_payload().expect("bytes");

    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE)).set_connection_timeout(Some(PATIENCE));
    let mut publishing = redis.get_multiplexed_async_connection_with_config(&patient).await.expect("connected");
    let mut forged: Vec<Vec<u8>> = vec![vec![1], vec![0; 40], b"{\"seq\":1}".to_vec(), vec![255; 2000]];
    forged.extend((0..recorded.len()).map(|at| {
        let mut message = recorded.clone();
        message[at] ^= 1;
        message
    }));
    forged.push(recorded[..recorded.len() - 1].to_vec());
    forged.push([&recorded[..], b"x"].concat());
    let count = forged.len() as u64 + 1;
    let _: i64 = server.0.run(&["PUBLISH", &channel, ""]).expect("published");
    for message in forged {
        let _: i64 = redis::cmd("PUBLISH").arg(&channel).arg(message).query_async(&mut publishing).await.expect("published");
    }
    let status = two.until("refused", |status| status.refused == count).await;
    assert_eq!(status.peers, 1);
    // more than any message of ours may be is not even looked at
    let _: i64 = redis::cmd("PUBLISH").arg(&channel).arg(vec![1_u8; 2 << 20]).query_async(&mut publishing).await.expect("published");
    // one that was recorded may be said again, on another channel as well: it says what it said, and the receiver knows its place
    for channel in [&channel, &instances] {
        let _: i64 = redis::cmd("PUBLISH").arg(channel).arg(&recorded).query_async(&mut publishing).await.expect("published");
        assert_eq!(two.hears().await.events, events(1..=1, 10));
    }
    one.announce(grown(1, events(2..=2, 10)));
    assert_eq!(two.hears().await.events, events(2..=2, 10), "none of the forged ones came before");
    assert_eq!(two.status().refused, count);
    eventually("counted by both", async || {
        let refused = one.status().refused;
        if refused == count { Ok(()) } else { Err(refused.to_string()) }
    })
    .await;
}
