//! Two processes on one Postgres, and Redis between them.

use serde_json::json;

use crate::support::{
    fault_proxy::{FaultProxy, Mode},
    http::Http,
    model::Model,
    process::{Service, Settings},
    publisher::EventMaker,
    redis::RedisServer,
    sse_client::SseClient,
    store::Store,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_by_redis_while_the_store_does_not_answer_and_none_is_missing_afterwards() {
    let (store, redis) = (Store::postgres().await, RedisServer::start().await);
    let proxy = FaultProxy::before(&store.url()).await;
    let one = Service::start(Settings::on(&store).with("REDIS_URL", redis.url())).await;
    let two = Service::start(Settings::at(&proxy.url()).with("REDIS_URL", redis.url())).await;
    let mut client = SseClient::live(two.addr(), "all=true").await;
    let (http, mut maker, mut model) = (Http::new(one.addr()), EventMaker::new("by-redis"), Model::default());
    let mut publish = async |size| {
        let events = maker.events(size);
        let items = http.publish_ok(&json!(events)).await;
        model.acknowledged(&events, &items);
        model.head()
    };
    for service in [&one, &two] {
        Http::new(service.addr()).until_stat("/backplane/peers", |peers| peers == 1).await;
    }
    client.follow_to(publish(3).await).await;
    // from now on nothing that the second instance could read comes from the store
    proxy.set(Mode::Silent);
    for size in [1, 2, 20] {
        client.follow_to(publish(size).await).await;
    }
    assert_eq!(Http::new(two.addr()).stat("/backplane/refused").await, 0);
    proxy.set(Mode::Pass);
    client.follow_to(publish(5).await).await;
    model.check_log(&Http::new(two.addr())).await.check_transcript("all=true", 0, client.transcript());
}
