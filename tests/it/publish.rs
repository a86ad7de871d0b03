//! Publishing as design.md §5 has it: atomic, idempotent, and told apart item by item.

use serde_json::{Value, json};

use crate::support::{
    http::Http,
    model::Model,
    process::{Service, Settings},
    publisher::EventMaker,
    store::{Store, for_each_store},
};

fn statuses(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["status"].as_str().expect("a status")).collect()
}

for_each_store! {
    async fn a_publish_is_idempotent(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        let events = EventMaker::new("again").events(20);
        let first = http.publish(&json!(events)).await;
        assert_eq!(first.status, 201, "{first:?}");
        let again = http.publish_ndjson(&events).await;
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(statuses(&again.items()), ["duplicate"; 20]);
        let (mut model, mut told_again) = (Model::default(), Model::default());
        model.acknowledged(&events, &first.items());
        told_again.acknowledged(&events, &again.items());
        model.merge(told_again);
        assert_eq!(model.len(), 20);
        model.check_log(&http).await;
    }

    async fn an_id_repeated_within_a_batch_is_stored_once(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        let event = json!({"id": "once", "type": "a.b", "data": 1});
        let items = http.publish_ok(&json!([event, event])).await;
        assert_eq!(statuses(&items), ["stored", "duplicate"]);
        assert_eq!(items[0]["seq"], items[1]["seq"]);
        assert_eq!(http.until_stat("/log/head", |head| head >= 1).await, 1);
    }

    async fn the_same_id_with_other_content_is_refused_with_all_of_its_batch(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        let event = |id: &str, data: u64| json!({"id": id, "type": "a.b", "data": data});
        http.publish_ok(&json!([event("one", 1), event("two", 2)])).await;
        let mixed = json!([event("three", 3), event("two", 9), event("one", 1), event("one", 8)]);
        let refused = http.publish(&mixed).await;
        assert_eq!(refused.problem(409), "id_conflict");
        let conflicts = refused.json()["conflicts"].clone();
        let found: Vec<_> = conflicts.as_array().expect("a list").iter().map(|c| (c["index"].as_u64(), c["seq"].as_u64())).collect();
        assert_eq!(found, [(Some(1), Some(2)), (Some(3), Some(1))]);
        assert_eq!(http.until_stat("/log/head", |head| head >= 2).await, 2, "a batch is atomic");

        let kept = http.try_post("/events?on_conflict=keep", "application/json", mixed.to_string()).await.expect("reached");
        assert_eq!(kept.status, 201, "{kept:?}");
        assert_eq!(statuses(&kept.items()), ["stored", "conflict", "duplicate", "conflict"]);
        let log = http.whole_history("all=true", "earliest").await;
        let data: Vec<Value> = log.iter().map(|text| serde_json::from_str::<Value>(text).expect("JSON")["data"].clone()).collect();
        assert_eq!(data, [1, 2, 3], "what is stored stays");
    }

    async fn data_keeps_its_bytes_but_for_whitespace_outside_strings(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        let data = r#"{"z":123456789012345678901234567890,"a":1.10,"e":1E400,"s":"a  b\u0000\u000a","n":null,"a\/b":[ ]}"#;
        let body = format!("{{\r\n\t\"type\" : \"a.b\",\n \"data\":{}\n}}\n", data.replace(',', " ,\r\n\t "));
        let answer = http.post("application/json", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let log = http.whole_history("all=true", "earliest").await;
        assert!(log[0].contains(&format!("\"data\":{}", data.replace("[ ]", "[]"))), "{}", log[0]);
    }
}
