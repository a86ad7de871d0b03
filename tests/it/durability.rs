//! **Acknowledged is durable.** A process that is killed takes nothing with it that it had answered for.

use crate::{
    resume::QUERIES,
    support::{
        http::Http,
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
        }
        let mut model = publishers.remove(0).stop().await;
        for publisher in publishers {
            model.merge(publisher.stop().await);
        }
        let history = model.check_log(&http).await;
        assert_eq!(history.head() as usize, model.len(), "every batch was repeated until it was answered");
        for (client, query) in clients.iter_mut().zip(QUERIES) {
            let head = history.head();
            client.follow_until("to be live at the head", |frame| frame.name() == "hub.live" && frame.id_seq() == Some(head)).await;
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
