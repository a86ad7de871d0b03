//! A deployment: instances on one log behind a reverse proxy of `deploy/`, restarted one after the other under load.

use tokio::sync::watch;

use crate::{
    resume::QUERIES,
    support::{
        http::Http,
        process::{Service, Settings},
        proxy::{Kind, Proxy},
        publisher::Publisher,
        sse_client::SseClient,
        sse_connection::Ending,
        store::Store,
        wait::eventually,
    },
};

const INSTANCES: usize = 3;
const SUBSCRIBERS_OF_EACH: usize = 4;
/// Events that have to be acknowledged in each phase of a restart.
const MEANWHILE: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_nginx_a_rolling_restart_costs_no_subscriber_and_no_publisher_an_event() {
    rolls(Kind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_caddy_a_rolling_restart_costs_no_subscriber_and_no_publisher_an_event() {
    rolls(Kind::Caddy).await;
}

async fn rolls(kind: Kind) {
    let store = Store::postgres().await;
    let settings = Settings::on(&store).with("CHAINCAST_INSECURE_OPEN", 1).with("CHAINCAST_DRAIN_DELAY_SECONDS", 2);
    let mut services = Vec::new();
    for _ in 0..INSTANCES {
        services.push(Service::start(settings.clone()).await);
    }
    let addresses: Vec<_> = services.iter().map(Service::addr).collect();
    let proxy = Proxy::before(kind, &addresses).await;
    let entrance = proxy.plain();
    let (stop, stopped) = watch::channel(false);
    let mut subscribers = Vec::new();
    for query in QUERIES.repeat(SUBSCRIBERS_OF_EACH) {
        let (mut client, mut stopped) = (SseClient::live(entrance, query).await, stopped.clone());
        subscribers.push(tokio::spawn(async move {
            let over = async { drop(stopped.wait_for(|&stopped| stopped).await) };
            let ends = client.follow_while(over).await;
            (query, client, ends)
        }));
    }
    let mut publisher = Publisher::start(entrance, "rolling");
    for service in &mut services {
        publisher.acknowledged(publisher.count() + MEANWHILE).await;
        service.ask_to_end();
        publisher.acknowledged(publisher.count() + MEANWHILE).await;
        let status = service.ended().await;
        assert!(status.success(), "{status}: {:?}", service.output());
        publisher.acknowledged(publisher.count() + MEANWHILE).await;
        service.restart_same_port().await;
        let http = Http::new(service.addr());
        assert_eq!(http.get("/health/ready").await.status, 200);
        // whoever restarts the next one first sees that this one is used
        eventually("used again", async || {
            drop(SseClient::connect(entrance, "streams=nobody", None).await);
            let opened = http.stat("/connections/opened").await;
            if opened > 0 { Ok(()) } else { Err("no stream".to_owned()) }
        })
        .await;
    }
    let refusals = publisher.refusals();
    assert!(refusals.iter().all(|code| code == "bad_gateway"), "{refusals:?}");
    let model = publisher.stop().await;
    stop.send_replace(true);
    let history = model.check_log(&Http::new(addresses[0])).await;
    assert_eq!(history.head(), model.head(), "nothing is there that was not acknowledged in the end");
    let mut moved = 0;
    for subscriber in subscribers {
        let (query, mut client, ends) = subscriber.await.expect("no EventSource would have given up");
        // Caddy makes a whole response of one that an instance has cut
        let as_told = |end: Ending| end == Ending::Cut || kind == Kind::Caddy && end == Ending::Clean;
        let all_told = ends.iter().all(|(reason, end)| reason.as_deref() == Some("draining") && as_told(*end));
        assert!(all_told, "{ends:?}\n{}", client.report());
        let opened = client.transcript().iter().filter(|frame| frame.name() == "hub.open").count();
        assert_eq!(opened, ends.len() + 1, "it was never sent back to who had closed it: {}", client.report());
        moved += ends.len();
        client.reconnect_if_behind(history.head()).await;
        history.check_transcript(query, 0, client.transcript());
    }
    assert!(moved >= QUERIES.len() * SUBSCRIBERS_OF_EACH, "streams were moved {moved} times");
    // first: Caddy waits for streams to end, and of a client that has gone it learns with the next heartbeat
    drop(services);
}

/// nginx forgives an instance that could not be reached only when a request to it has ended, and streams do not end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_nginx_instances_that_are_back_get_their_share_of_the_streams() {
    const STREAMS: usize = 12;
    let store = Store::postgres().await;
    let settings = Settings::on(&store).with("CHAINCAST_INSECURE_OPEN", 1);
    let mut services = Vec::new();
    for _ in 0..INSTANCES {
        services.push(Service::start(settings.clone()).await);
    }
    let addresses: Vec<_> = services.iter().map(Service::addr).collect();
    let proxy = Proxy::before(Kind::Nginx, &addresses).await;
    let (stays, killed) = services.split_first_mut().expect("three");
    killed.iter_mut().for_each(Service::kill_9);
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(SseClient::live(proxy.plain(), "all=true").await);
    }
    assert_eq!(Http::new(stays.addr()).stat("/connections/now").await, 2);
    for service in killed {
        service.restart_same_port().await;
    }
    while streams.len() < STREAMS {
        streams.push(SseClient::live(proxy.plain(), "all=true").await);
    }
    for address in addresses {
        let held = Http::new(address).stat("/connections/now").await;
        assert!(held >= (STREAMS / INSTANCES - 1) as u64, "one of {INSTANCES} holds {held} of {STREAMS}");
    }
    drop((streams, proxy));
}
