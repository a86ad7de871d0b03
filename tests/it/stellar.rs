//! Real input: the events of eleven ledgers of Stellar's public network, and FlowFi's constructed ones, mapped as the example maps them.
//!
//! What an account must receive is read from the data files' text, without the mapping: the lines that have the account between quotes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    http::{Answer, Http},
    model::Model,
    process::{Service, Settings},
    sse_client::SseClient,
    store::{Store, for_each_store},
};

#[path = "../../examples/stellar_pubnet/mapping.rs"]
mod mapping;

use mapping::{BUSIEST_ACCOUNT, FLOWFI, FLOWFI_CHAIN, PUBNET, PUBNET_CHAIN};

const BATCH: usize = 100;

fn events(ndjson: &str, chain: &'static str) -> Vec<Value> {
    let mapped = mapping::events(ndjson, chain).expect("the mapping knows every event of the data");
    mapped.iter().map(|event| json!(event)).collect()
}

/// The ids of each account's events, in the order of the file.
fn by_account(ndjson: &str, chain: &str) -> BTreeMap<String, Vec<String>> {
    let mut accounts = BTreeMap::<String, Vec<String>>::new();
    for line in ndjson.lines() {
        // the id is the first member of every line
        let id = format!("{chain}:{}", line.split('"').nth(3).expect("a line has an id"));
        for word in line.split('"').filter(|word| word.len() == 56 && word.starts_with('G')) {
            let ids = accounts.entry(word.to_owned()).or_default();
            if ids.last() != Some(&id) {
                ids.push(id.clone());
            }
        }
    }
    accounts
}

async fn publish(http: &Http, events: &[Value]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for batch in events.chunks(BATCH) {
        answers.push(http.publish(&json!(batch)).await);
    }
    answers
}

fn id_of(event: &str) -> String {
    let event: Value = serde_json::from_str(event).expect("events are JSON");
    event["id"].as_str().expect("an id").to_owned()
}

for_each_store! {
    async fn an_account_receives_exactly_its_events_of_the_real_ledgers_in_order(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        let (pubnet, flowfi) = (events(PUBNET, PUBNET_CHAIN), events(FLOWFI, FLOWFI_CHAIN));
        assert_eq!((pubnet.len(), flowfi.len()), (718, 13));
        let query = format!("users={BUSIEST_ACCOUNT}");
        let mut subscriber = SseClient::live(service.addr(), &query).await;

        let mut model = Model::default();
        for published in [&pubnet, &flowfi] {
            for (answer, batch) in publish(&http, published).await.iter().zip(published.chunks(BATCH)) {
                assert_eq!(answer.status, 201, "{answer:?}");
                model.acknowledged(batch, &answer.items());
            }
        }
        let again = publish(&http, &pubnet).await;
        assert!(again.iter().all(|answer| answer.status == 200), "{again:?}");
        let duplicates = again.iter().flat_map(Answer::items).filter(|item| item["status"] == "duplicate").count();
        assert_eq!(duplicates, 718);

        // comes after whatever the account could have been sent
        let last = [json!({"id": "last", "type": "test.last", "users": [BUSIEST_ACCOUNT], "data": null})];
        model.acknowledged(&last, &http.publish_ok(&json!(last)).await);
        let mut received = Vec::new();
        while received.last().is_none_or(|id| id != "last") {
            received.push(id_of(&subscriber.next_event().await.data));
        }
        received.pop();
        assert_eq!(received, by_account(PUBNET, PUBNET_CHAIN)[BUSIEST_ACCOUNT]);
        assert_eq!(received.len(), 27);
        let history = model.check_log(&http).await;
        history.check_transcript(&query, 0, subscriber.transcript());
    }

    async fn every_account_finds_exactly_its_events_of_the_real_ledgers_in_history(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        for (ndjson, chain) in [(PUBNET, PUBNET_CHAIN), (FLOWFI, FLOWFI_CHAIN)] {
            publish(&http, &events(ndjson, chain)).await;
        }
        let mut accounts = by_account(PUBNET, PUBNET_CHAIN);
        for (account, ids) in by_account(FLOWFI, FLOWFI_CHAIN) {
            accounts.entry(account).or_default().extend(ids);
        }
        assert!(accounts.len() > 250, "only {} accounts", accounts.len());
        for (account, ids) in accounts {
            let found = http.whole_history(&format!("users={account}"), "earliest").await;
            assert_eq!(found.iter().map(|event| id_of(event)).collect::<Vec<_>>(), ids, "{account}");
        }
    }
}
