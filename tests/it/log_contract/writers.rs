//! Several instances on one store.

use std::{sync::Arc, time::Duration};

use chaincast::{
    domain::Filter,
    log::{AppendRequest, OnConflict},
};
use futures::future::join_all;

use super::place::{Place, default_log, page, plain, request};

const WRITERS: usize = 4;
const ROUNDS: usize = 25;

pub(crate) async fn concurrent_writers_leave_no_hole_and_a_tailing_reader_sees_every_seq_in_order(place: Place) {
    let (reader, id) = place.open().await;
    let mut writing = Vec::new();
    for writer in 0..WRITERS {
        let log = place.connect().await;
        let own = log.open(&default_log()).await.expect("opens");
        writing.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                // every id is published by two writers, at about the same time
                let ids = [format!("{}-{round}", writer / 2), format!("w{writer}-{round}")];
                let events = ids.iter().map(|name| plain(name, name)).collect();
                log.append(own, &[AppendRequest { on_conflict: OnConflict::Keep, ..request(events) }]).await.expect("appends");
            }
        }));
    }
    let total = (ROUNDS * (WRITERS / 2 + WRITERS)) as u64;
    let tailing = async {
        let mut seen = 0;
        while seen < total {
            let page = page(&reader, id, Arc::new(Filter::everything()), seen, 7).await;
            for event in &page.events {
                assert_eq!(event.seq.get(), seen + 1, "a seq is missing or out of order");
                seen += 1;
            }
            assert_eq!(page.through.get(), seen);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tailing).await.expect("the reader sees everything");
    for result in join_all(writing).await {
        result.expect("no writer fails");
    }
    let position = reader.positions().await.expect("reads")[0];
    assert_eq!(position.head.get(), total);
}
