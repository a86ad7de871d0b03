//! Retention, and what outlives it.

use std::{sync::Arc, time::Duration};

use chaincast::{
    domain::{Filter, Seq, Timestamp},
    log::{ItemStatus, RequestOutcome, Retention, Trimmed},
};

use super::place::{Place, everything, page, plains, publish, request, seqs, stream_filter};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TWO_DAYS_OLDER: &str = "UPDATE events SET received_at = received_at - 172800000000 WHERE seq <= 6;
    UPDATE ids SET received_at = received_at - 172800000000 WHERE seq <= 6";

fn at_most(events: u64) -> Retention {
    Retention { max_events: Some(events), ..Retention::default() }
}

fn statuses(outcome: &RequestOutcome) -> Vec<ItemStatus> {
    match outcome {
        RequestOutcome::Accepted(items) => items.iter().map(|item| item.status).collect(),
        RequestOutcome::Refused(conflicts) => panic!("refused: {conflicts:?}"),
    }
}

pub(crate) async fn a_trim_by_count_keeps_the_newest(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 10))).await;
    let trimmed = log.trim(id, &at_most(4)).await.expect("trims");
    assert_eq!(trimmed, Trimmed { events: 6, ids: 0 });
    for filter in [Arc::new(Filter::everything()), stream_filter(&["1"])] {
        let page = page(&log, id, filter, 0, 100).await;
        assert_eq!((seqs(&page.events), page.position.earliest, page.through), (vec![7, 8, 9, 10], Seq::new(7), Seq::new(10)));
    }
    assert_eq!(place.count("SELECT count(*) FROM postings WHERE seq < 7").await, 0);
    assert_eq!(log.trim(id, &at_most(8)).await.expect("trims"), Trimmed::default(), "earliest never goes back");
}

pub(crate) async fn a_trim_by_age_keeps_what_is_young(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 10))).await;
    place.tamper(TWO_DAYS_OLDER).await;
    let retention = Retention { max_age: Some(DAY), ..Retention::default() };
    assert_eq!(log.trim(id, &retention).await.expect("trims").events, 6);
    assert_eq!(seqs(&everything(&log, id).await), [7, 8, 9, 10]);
}

pub(crate) async fn a_trim_that_was_cut_short_is_made_up_for(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 10))).await;
    // what a crash leaves behind: the head row says they are gone, and some are
    place.tamper("UPDATE logs SET earliest = 6; DELETE FROM events WHERE seq < 3; DELETE FROM postings WHERE seq < 3").await;
    let seen = page(&log, id, stream_filter(&["1"]), 0, 100).await;
    assert_eq!((seqs(&seen.events), seen.position.earliest), (vec![6, 7, 8, 9, 10], Seq::new(6)));
    assert_eq!(log.trim(id, &Retention::default()).await.expect("trims").events, 3);
    assert_eq!(place.count("SELECT count(*) FROM events").await, 5);
    assert_eq!(place.count("SELECT count(*) FROM postings WHERE seq < 6").await, 0);
}

pub(crate) async fn an_emptied_log_goes_on_numbering(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 1200))).await;
    assert_eq!(log.trim(id, &at_most(0)).await.expect("trims").events, 1200);
    let empty = page(&log, id, Arc::new(Filter::everything()), 0, 10).await;
    assert_eq!((empty.position.earliest, empty.position.head, empty.through), (Seq::new(1201), Seq::new(1200), Seq::new(1200)));
    assert_eq!(log.seq_before(id, Timestamp::now()).await.expect("finds"), Seq::new(1200));
    publish(&log, id, request(plains(1200, 1201))).await;
    assert_eq!(seqs(&everything(&log, id).await), [1201]);
}

pub(crate) async fn ids_outlive_their_events_and_are_forgotten_after_their_time(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 10))).await;
    place.tamper(TWO_DAYS_OLDER).await;
    assert_eq!(log.trim(id, &at_most(0)).await.expect("trims"), Trimmed { events: 10, ids: 0 });
    let again = publish(&log, id, request(plains(5, 7))).await;
    assert_eq!(statuses(&again), [ItemStatus::Duplicate, ItemStatus::Duplicate]);
    let retention = Retention { dedupe: Some(DAY), ..Retention::default() };
    assert_eq!(log.trim(id, &retention).await.expect("trims"), Trimmed { events: 0, ids: 6 });
    let again = publish(&log, id, request(plains(5, 7))).await;
    assert_eq!(statuses(&again), [ItemStatus::Stored, ItemStatus::Duplicate]);
}

pub(crate) async fn the_id_of_a_kept_event_is_never_forgotten(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 10))).await;
    place.tamper(TWO_DAYS_OLDER).await;
    let kept_for_ever = Retention { dedupe: Some(DAY), ..Retention::default() };
    assert_eq!(log.trim(id, &kept_for_ever).await.expect("trims"), Trimmed::default());
    let kept_for_long = Retention { dedupe: Some(DAY), max_age: Some(3 * DAY), ..Retention::default() };
    assert_eq!(log.trim(id, &kept_for_long).await.expect("trims"), Trimmed::default());
}

pub(crate) async fn a_time_finds_the_seq_before_it(place: Place) {
    let (log, id) = place.open().await;
    assert_eq!(log.seq_before(id, Timestamp::now()).await.expect("finds"), Seq::ZERO);
    publish(&log, id, request(plains(0, 100))).await;
    place.tamper("UPDATE events SET received_at = 1000 * (seq / 10)").await;
    let mut found = Vec::new();
    for at in [-1, 0, 1, 1000, 1001, 5000, 10_000, 10_001] {
        found.push(log.seq_before(id, Timestamp::from_micros(at)).await.expect("finds").get());
    }
    assert_eq!(found, [0, 0, 9, 9, 19, 49, 99, 100]);
    log.trim(id, &at_most(50)).await.expect("trims");
    assert_eq!(log.seq_before(id, Timestamp::from_micros(1)).await.expect("finds"), Seq::new(50));
}
