//! **Acknowledged is durable.** A process that is killed takes nothing with it that it had answered for.

use crate::{
    resume::QUERIES,
    support::{
        http::Http,
        postgres::Cluster,
        process::{Service, Settings},
        publisher::Publisher,
        sse_client::SseClient,
        store::{Store, for_each_store},
    },
};

for_each_store! {
    async fn acknowledged_is_durable_after_kill_9_dense_and_without_a_duplicate(store: Store) {
        let mut service = Service::start(Settings::on(&store)).await;
        let (http, addr) = (Http::new(service.addr()), service.addr());
        let mut clients = Vec::new();
        for query in QUERIES {
            clients.push(SseClient::live(addr, query).await);
        }
        // several at once, so that a kill finds groups in every stage
        let mut publishers: Vec<_> = ["p", "q", "r", "s"].map(|prefix| Publisher::start(addr, prefix)).into();
        for _ in 0..4 {
            for publisher in &mut publishers {
                let wanted = publisher.count() + 25;
                publisher.acknowledged(wanted).await;
            }
            service.kill_9();
            service.restart_same_port().await;
            for client in &mut clients {
                // what was on its way to it counts as sent
                client.until_end().await;
                client.reconnect().await;
                client.until_live().await;
            }
        }
        let mut model = publishers.remove(0).stop().await;
        for publisher in publishers {
            model.merge(publisher.stop().await);
        }
        let history = model.check_log(&http).await;
        assert_eq!(history.head() as usize, model.len(), "every batch was repeated until it was answered");
        for (client, query) in clients.iter_mut().zip(QUERIES) {
            client.reconnect_if_behind(history.head()).await;
            history.check_transcript(query, 0, client.transcript());
        }
    }

    async fn a_halted_process_goes_on_where_it_was(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let (http, addr) = (Http::new(service.addr()), service.addr());
        let mut client = SseClient::live(addr, "all=true").await;
        let mut publisher = Publisher::start(addr, "halted");
        publisher.acknowledged(50).await;
        {
            let _halted = service.stop_cont();
            // nobody is answered meanwhile: what was on its way may still arrive, then there is silence
            assert!(http.get_within(std::time::Duration::from_millis(300), "/health/live").await.is_none());
        }
        let wanted = publisher.count() + 50;
        publisher.acknowledged(wanted).await;
        let model = publisher.stop().await;
        client.follow_to(model.head()).await;
        model.check_log(&http).await.check_transcript("all=true", 0, client.transcript());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_is_durable_after_kill_9_of_postgres_and_the_service_heals_by_itself() {
    let cluster = Cluster::start();
    let mut service = Service::start(Settings::at(&cluster.url()).with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1)).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    let mut live = SseClient::live(addr, "all=true").await;
    let mut publishers: Vec<_> = ["p", "q", "r"].map(|prefix| Publisher::start(addr, prefix)).into();
    // back at once, and only after publishers were refused
    for is_away_for_long in [false, true] {
        for publisher in &mut publishers {
            let wanted = publisher.count() + 40;
            publisher.acknowledged(wanted).await;
        }
        cluster.kill_9();
        if is_away_for_long {
            for publisher in &mut publishers {
                let codes = publisher.refused_again().await;
                assert!(codes.iter().all(|code| matches!(&code[..], "unavailable" | "outcome_unknown")), "{codes:?}");
            }
        }
        cluster.start_again();
    }
    for publisher in &mut publishers {
        let wanted = publisher.count() + 40;
        publisher.acknowledged(wanted).await;
    }
    let mut model = publishers.remove(0).stop().await;
    for publisher in publishers {
        model.merge(publisher.stop().await);
    }
    let history = model.check_log(&http).await;
    assert_eq!(history.head() as usize, model.len(), "every batch was repeated until it was answered");
    live.until("the last event", |frame| frame.id_seq() == Some(history.head())).await;
    history.check_transcript("all=true", 0, live.transcript());
    assert!(live.transcript().iter().all(|frame| frame.name() != "hub.gap"), "a crash is no rewind: {}", live.report());
    assert_eq!(http.stat("/connections/opened").await, 1, "nobody had to come back");
    assert!(service.is_running());
}
