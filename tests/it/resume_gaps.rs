//! Coming back to what is gone: **no silent gap**. Whoever asks for events that the log no longer has is told so, and told how many.

use std::fs;

use serde_json::Value;

use crate::{
    resume::publish,
    support::{
        http::Http,
        process::{Service, Settings},
        sse_client::SseClient,
        sse_parser::{Frame, seq_of},
        store::{Store, for_each_store},
        wait::eventually,
    },
};

pub(crate) async fn gap(client: &mut SseClient) -> Value {
    client.until("hub.gap", |frame| frame.name() == "hub.gap").await.json()
}

pub(crate) fn event_seqs(transcript: &[Frame]) -> Vec<u64> {
    transcript.iter().filter(|frame| frame.is_event()).filter_map(Frame::id_seq).collect()
}

pub(crate) fn seq_at(data: &Value, member: &str) -> u64 {
    seq_of(data[member].as_str().unwrap_or_else(|| panic!("no {member}: {data}")))
}

pub(crate) async fn epoch_of(http: &Http) -> String {
    http.stats().await["log"]["epoch"].as_str().expect("an epoch").to_owned()
}

/// An epoch that is not this one.
fn foreign(epoch: &str) -> &'static str {
    if epoch == "00000000" { "11111111" } else { "00000000" }
}

for_each_store! {
    async fn a_reconnect_with_a_trimmed_cursor_is_told_of_the_gap(store: Store) {
        let mut service = Service::start(Settings::on(&store).with("CHAINCAST_RETENTION_EVENTS", 50)).await;
        let (http, addr) = (Http::new(service.addr()), service.addr());
        let model = publish(&http, "trimmed", 200).await;
        // retention has its own pace; a start is when it runs at the latest
        service.terminate().await;
        service.restart_same_port().await;
        let earliest = http.until_stat("/log/earliest", |earliest| earliest > 100).await;
        let history = model.check_log(&http).await;
        let cursor = format!("{}-10", epoch_of(&http).await);

        let mut client = SseClient::connect(addr, "all=true", Some(&cursor)).await;
        let told = gap(&mut client).await;
        assert_eq!((told["reason"].as_str(), told["requested"].as_str()), (Some("trimmed"), Some(&cursor[..])));
        let resumed = seq_at(&told, "resumed");
        assert!(resumed >= earliest - 1, "{told}");
        assert_eq!(told["lost"], resumed - 10);
        assert_eq!(client.transcript()[0].id, None, "who is cut off before the gap is told must be told again");
        client.until_live().await;
        client.follow_to(200).await;
        history.check_transcript("all=true", 10, client.transcript());
        assert_eq!(event_seqs(client.transcript()), (resumed + 1..=200).collect::<Vec<_>>());

        // void and trimmed: both are told, in the order in which they lie
        let epoch = epoch_of(&http).await;
        let mut client = SseClient::connect(addr, "all=true", Some(&format!("{}-10", foreign(&epoch)))).await;
        let told = [gap(&mut client).await, gap(&mut client).await];
        let reasons = told.each_ref().map(|gap| gap["reason"].as_str().expect("a reason"));
        assert_eq!(reasons, ["rewound", "trimmed"], "{told:?}");
        assert_eq!((&told[0]["resumed"], &told[1]["requested"]), (&told[1]["requested"], &Value::from(format!("{epoch}-0"))));
        assert_eq!(seq_at(&told[1], "resumed"), resumed);
        client.until_live().await;
        client.follow_to(200).await;
        assert_eq!(event_seqs(client.transcript()), (resumed + 1..=200).collect::<Vec<_>>());

        let answer = SseClient::refused(addr, "all=true&on_gap=fail", Some(&cursor)).await;
        assert_eq!(answer.problem(410), "gap");
        assert_eq!(answer.json()["gap"]["reason"], "trimmed");
        let page = http.history(&format!("all=true&limit=10&last_event_id={cursor}")).await;
        assert_eq!(page.gap.expect("told in history too")["reason"], "trimmed");
    }

    async fn a_cursor_of_a_foreign_epoch_is_told_that_the_log_was_rewound_and_gets_everything(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let (http, addr) = (Http::new(service.addr()), service.addr());
        let model = publish(&http, "foreign", 30).await;
        let epoch = epoch_of(&http).await;
        let cursor = format!("{}-17", foreign(&epoch));
        let mut client = SseClient::connect(addr, "all=true", Some(&cursor)).await;
        let told = gap(&mut client).await;
        assert_eq!((told["reason"].as_str(), told["requested"].as_str()), (Some("rewound"), Some(&cursor[..])));
        assert_eq!(told["resumed"], format!("{epoch}-0"), "never at now");
        client.until_live().await;
        client.follow_to(30).await;
        assert_eq!(event_seqs(client.transcript()), (1..=30).collect::<Vec<_>>());
        assert_eq!(model.head(), 30);
        assert_eq!(SseClient::refused(addr, "all=true&on_gap=fail", Some(&cursor)).await.problem(410), "gap");
    }

    async fn a_cursor_beyond_the_head_is_told_that_the_log_was_rewound_and_waits_at_the_head(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let (http, addr) = (Http::new(service.addr()), service.addr());
        publish(&http, "short", 30).await;
        let epoch = epoch_of(&http).await;
        let mut waiting = Vec::new();
        for beyond in [31, 1_000_000, i64::MAX] {
            let mut client = SseClient::connect(addr, "all=true", Some(&format!("{epoch}-{beyond}"))).await;
            let told = gap(&mut client).await;
            assert_eq!((told["reason"].as_str(), seq_at(&told, "resumed")), (Some("rewound"), 30), "{told}");
            client.until_live().await;
            waiting.push(client);
        }
        publish(&http, "next", 1).await;
        for client in &mut waiting {
            assert_eq!(client.next_event().await.id_seq(), Some(31));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_file_numbers_anew_and_cursors_from_before_are_told() {
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store)).await;
    let (http, addr) = (Http::new(service.addr()), service.addr());
    let mut client = SseClient::live(addr, "all=true").await;
    publish(&http, "kept", 20).await;
    service.terminate().await;

    let file = store.sqlite_file();
    let part = |suffix: &str| {
        let mut path = file.clone().into_os_string();
        path.push(suffix);
        std::path::PathBuf::from(path)
    };
    let backup: Vec<_> = ["", "-wal", "-shm"].map(|suffix| (part(suffix), fs::read(part(suffix)).ok())).into();
    service.restart_same_port().await;
    let before = epoch_of(&http).await;
    publish(&http, "lost", 20).await;
    client.follow_to(40).await;
    service.terminate().await;
    for (path, bytes) in backup {
        match bytes {
            Some(bytes) => fs::write(path, bytes).expect("restored"),
            // what did not exist then may be there now, and must not be
            None => drop(fs::remove_file(path)),
        }
    }
    service.restart_same_port().await;

    let model = publish(&http, "anew", 5).await;
    let history = crate::support::model::History::read(&http).await;
    assert_eq!((model.head(), history.head()), (25, 25), "numbers are used again");
    eventually("numbered in another epoch, as far as the instance has heard", async || {
        let known = epoch_of(&http).await;
        if known == before { Err(known) } else { Ok(()) }
    })
    .await;
    let told = client.follow_until("hub.gap", |frame| frame.name() == "hub.gap").await.json();
    assert_eq!((told["reason"].as_str(), seq_at(&told, "resumed")), (Some("rewound"), 20), "{told}");
    let from = client.transcript().len();
    client.follow_to(25).await;
    assert_eq!(event_seqs(&client.transcript()[from..]), [21, 22, 23, 24, 25]);
    for frame in client.transcript()[from..].iter().filter(|frame| frame.is_event()) {
        assert_eq!(frame.data, history.at(frame.id_seq().expect("an id")));
    }
}
