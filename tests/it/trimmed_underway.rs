//! **No silent gap** for those whose cursor is overtaken while they are connected: retention does not wait for slow readers.

use serde_json::json;

use crate::{
    resume::{publish, publish_these},
    resume_gaps::{event_seqs, gap, seq_at},
    support::{
        http::Http,
        process::{Service, Settings},
        publisher::large_events,
        sse_client::SseClient,
        sse_connection::Manner,
        store::{Store, for_each_store},
    },
};

for_each_store! {
    async fn a_lagging_and_a_replaying_client_are_told_of_what_retention_took_and_get_exactly_the_rest(store: Store) {
        let service = Service::start(Settings::on(&store).with("CHAINCAST_RING_EVENTS", 16)).await;
        let (http, addr) = (Http::new(service.addr()), service.addr());
        let mut live = SseClient::live(addr, "all=true").await;
        let mut quiet = SseClient::live(addr, "streams=quiet").await;
        let mut lagging = SseClient::connect_as(Manner::SLOW, addr, "all=true", None).await;
        lagging.until_live().await;
        let events = large_events("large", 200);
        let (model, ()) = tokio::join!(publish_these(&http, &events), live.follow_to(200));
        let mut replaying = SseClient::connect_as(Manner::SLOW, addr, "all=true&last_event_id=0", None).await;
        http.until_stat("/connections/lagging", |lagging| lagging == 2).await;
        let history = model.check_log(&http).await;

        // an instance trims when it starts
        let _trimming = Service::start(Settings::on(&store).with("CHAINCAST_RETENTION_EVENTS", 10)).await;
        http.until_stat("/log/earliest", |earliest| earliest == 191).await;

        for client in [&mut lagging, &mut replaying] {
            let told = gap(client).await;
            assert_eq!((told["reason"].as_str(), seq_at(&told, "resumed")), (Some("trimmed"), 190), "{told}");
            let had = event_seqs(client.transcript());
            let last = *had.last().expect("a few events fit into the buffers");
            assert_eq!((seq_at(&told, "requested"), told["lost"].as_u64()), (last, Some(190 - last)), "{told}");
            client.until("the last event", |frame| frame.id_seq() == Some(200)).await;
            assert_eq!(event_seqs(client.transcript()), (1..=last).chain(191..=200).collect::<Vec<_>>());
        }
        http.publish_ok(&json!({"id": "next", "type": "a.b", "streams": ["quiet"], "data": 1})).await;
        for client in [&mut live, &mut quiet, &mut lagging, &mut replaying] {
            client.until("the next event", |frame| frame.id_seq() == Some(201)).await;
        }
        for (client, gaps) in [(&live, 0), (&quiet, 0), (&lagging, 1), (&replaying, 1)] {
            assert_eq!(client.transcript().iter().filter(|frame| frame.name() == "hub.gap").count(), gaps, "{}", client.report());
        }
        for client in [&live, &lagging, &replaying] {
            let until_200 = client.transcript().len() - 1;
            history.check_transcript("all=true", 0, &client.transcript()[..until_200]);
        }
        assert_eq!(http.stat("/connections/opened").await, 4, "nobody had to come back");
    }
    async fn an_instance_that_was_halted_tells_its_live_clients_of_what_came_and_went_meanwhile(store: Store) {
        let halted = Service::start(Settings::on(&store)).await;
        let other = Service::start(Settings::on(&store)).await;
        let (http, elsewhere) = (Http::new(halted.addr()), Http::new(other.addr()));
        let mut live = SseClient::live(halted.addr(), "all=true").await;
        let mut model = publish(&http, "before", 5).await;
        live.follow_to(5).await;
        {
            let _halted = halted.stop_cont();
            model.merge(publish(&elsewhere, "meanwhile", 95).await);
            let _trimming = Service::start(Settings::on(&store).with("CHAINCAST_RETENTION_EVENTS", 10)).await;
            elsewhere.until_stat("/log/earliest", |earliest| earliest == 91).await;
        }
        let told = gap(&mut live).await;
        assert_eq!((told["reason"].as_str(), seq_at(&told, "requested"), seq_at(&told, "resumed")), (Some("trimmed"), 5, 90), "{told}");
        model.merge(publish(&http, "after", 5).await);
        live.until("the last event", |frame| frame.id_seq() == Some(105)).await;
        assert_eq!(event_seqs(live.transcript()), (1..=5).chain(91..=105).collect::<Vec<_>>());
        let rest = live.transcript().iter().position(|frame| frame.name() == "hub.gap").expect("told");
        model.check_log(&http).await.check_transcript("all=true", 90, &live.transcript()[rest..]);
    }
}
