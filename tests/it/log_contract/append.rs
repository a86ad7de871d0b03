//! Numbering, idempotency and atomicity of one writer.

use chaincast::{
    domain::{LogName, Seq, Source},
    log::{AppendRequest, Conflict, Item, ItemStatus, NewEvent, OnConflict, RequestOutcome},
};

use super::place::{Place, event, everything, plain, plains, publish, request, seqs};

fn item(seq: u64, status: ItemStatus) -> Item {
    Item { seq: Seq::new(seq), status }
}

fn accepted(items: &[(u64, ItemStatus)]) -> RequestOutcome {
    RequestOutcome::Accepted(items.iter().map(|&(seq, status)| item(seq, status)).collect())
}

pub(crate) async fn seqs_are_dense_from_one_and_in_request_order(place: Place) {
    let (log, id) = place.open().await;
    let appended = log.append(id, &[request(plains(0, 2)), request(vec![]), request(plains(2, 3))]).await.expect("appends");
    assert_eq!((appended.before, appended.head), (Seq::ZERO, Seq::new(3)));
    assert_eq!(appended.outcomes[0], accepted(&[(1, ItemStatus::Stored), (2, ItemStatus::Stored)]));
    assert_eq!(appended.outcomes[1], accepted(&[]));
    assert_eq!(appended.outcomes[2], accepted(&[(3, ItemStatus::Stored)]));
    let nothing = log.append(id, &[]).await.expect("appends nothing");
    assert_eq!((nothing.before, nothing.head, nothing.outcomes.len()), (Seq::new(3), Seq::new(3), 0));
    let events = everything(&log, id).await;
    assert_eq!(seqs(&events), [1, 2, 3]);
    assert_eq!(events[2].envelope.data(), r#""2""#);
    assert_eq!(events[2].received_at, appended.received_at);
}

pub(crate) async fn the_same_content_again_is_a_duplicate_of_the_first(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 2))).await;
    let again = publish(&log, id, request(plains(1, 3))).await;
    assert_eq!(again, accepted(&[(2, ItemStatus::Duplicate), (3, ItemStatus::Stored)]));
    assert_eq!(seqs(&everything(&log, id).await), [1, 2, 3]);
}

pub(crate) async fn other_content_under_a_known_id_refuses_its_request_and_no_other(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 2))).await;
    let conflicting = request(vec![plain("new", "1"), plain("e1", "other"), plain("e0", "other")]);
    let appended = log.append(id, &[conflicting, request(plains(2, 3))]).await.expect("appends");
    let conflicts = vec![Conflict { index: 1, seq: Some(Seq::new(2)) }, Conflict { index: 2, seq: Some(Seq::new(1)) }];
    assert_eq!(appended.outcomes, [RequestOutcome::Refused(conflicts), accepted(&[(3, ItemStatus::Stored)])]);
    assert_eq!(publish(&log, id, request(vec![plain("new", "1")])).await, accepted(&[(4, ItemStatus::Stored)]));
}

pub(crate) async fn with_keep_the_rest_of_the_request_is_stored(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 1))).await;
    let events = vec![plain("e0", "other"), plain("new", "1"), plain("new", "other"), plain("e0", "0")];
    let kept = publish(&log, id, AppendRequest { on_conflict: OnConflict::Keep, ..request(events) }).await;
    let expected = [(1, ItemStatus::Conflict), (2, ItemStatus::Stored), (2, ItemStatus::Conflict), (1, ItemStatus::Duplicate)];
    assert_eq!(kept, accepted(&expected));
    assert_eq!(seqs(&everything(&log, id).await), [1, 2]);
}

pub(crate) async fn a_repetition_within_a_request_belongs_to_the_first(place: Place) {
    let (log, id) = place.open().await;
    let twice = publish(&log, id, request(vec![plain("a", "1"), plain("b", "2"), plain("a", "1")])).await;
    assert_eq!(twice, accepted(&[(1, ItemStatus::Stored), (2, ItemStatus::Stored), (1, ItemStatus::Duplicate)]));
    let torn = publish(&log, id, request(vec![plain("c", "1"), plain("c", "2"), plain("d", "3")])).await;
    assert_eq!(torn, RequestOutcome::Refused(vec![Conflict { index: 1, seq: None }]));
    assert_eq!(seqs(&everything(&log, id).await), [1, 2]);
}

pub(crate) async fn ids_are_scoped_by_source(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 1))).await;
    let other = AppendRequest { source: Source::new("other"), ..request(vec![plain("e0", "something else")]) };
    assert_eq!(publish(&log, id, other).await, accepted(&[(2, ItemStatus::Stored)]));
}

pub(crate) async fn an_id_shared_by_two_requests_stores_nothing(place: Place) {
    let (log, id) = place.open().await;
    let shared = log.append(id, &[request(plains(0, 2)), request(plains(1, 3))]).await;
    assert!(shared.is_err(), "{shared:?}");
    assert_eq!(everything(&log, id).await, []);
    assert_eq!(publish(&log, id, request(plains(0, 1))).await, accepted(&[(1, ItemStatus::Stored)]));
}

pub(crate) async fn time_never_runs_backwards_along_seq(place: Place) {
    let (log, id) = place.open().await;
    let before = log.append(id, &[request(plains(0, 1))]).await.expect("appends");
    // the clock that wrote the head was an hour ahead of this one
    place.tamper("UPDATE logs SET last_at = last_at + 3600000000").await;
    let after = log.append(id, &[request(plains(1, 2))]).await.expect("appends");
    assert_eq!(after.received_at.as_micros(), before.received_at.as_micros() + 3_600_000_000);
}

pub(crate) async fn logs_are_numbered_apart(place: Place) {
    let (log, id) = place.open().await;
    let other = log.open(&LogName::new("tenant")).await.expect("opens");
    assert_ne!(id, other);
    publish(&log, id, request(plains(0, 3))).await;
    assert_eq!(publish(&log, other, request(vec![plain("e0", "other")])).await, accepted(&[(1, ItemStatus::Stored)]));
    assert_eq!(seqs(&everything(&log, other).await), [1]);
    assert_eq!(seqs(&everything(&log, id).await), [1, 2, 3]);
}

pub(crate) async fn a_large_batch_is_stored_whole_and_reads_back_byte_for_byte(place: Place) {
    let (log, id) = place.open().await;
    let streams: Vec<String> = (0..16).map(|n| format!("s{n}")).collect();
    let streams: Vec<&str> = streams.iter().map(String::as_str).collect();
    let batch: Vec<_> = (0..1500)
        .map(|n| event(&format!("e{n}"), "a.b.c", &streams, &[], &format!(r#"{{"n":{n}.0000000000000000001,"z":"\u0000é\\n"}}"#)))
        .collect();
    publish(&log, id, request(batch.clone())).await;
    let events = everything(&log, id).await;
    assert_eq!(events.len(), batch.len());
    for (stored, published) in events.iter().zip(&batch) {
        assert_eq!((&stored.envelope, &stored.keys), (&published.envelope, &published.keys));
    }
}

pub(crate) async fn an_id_tells_the_digest_that_it_was_stored_with(place: Place) {
    let (log, id) = place.open().await;
    let (first, other) = (plain("e\"0\\", "1"), plain("e1", "2"));
    publish(&log, id, request(vec![first.clone(), other.clone()])).await;
    // what is kept of an id is of its first publication
    publish(&log, id, AppendRequest { on_conflict: OnConflict::Keep, ..request(vec![plain("e1", "3")]) }).await;
    let elsewhere = log.open(&LogName::new("elsewhere")).await.expect("opens");
    let key = |source: &str, event: &NewEvent| (Source::new(source), event.id.clone());
    let asked = [key("other", &other), key(Source::DEFAULT, &other), key(Source::DEFAULT, &plain("e2", "4")), key(Source::DEFAULT, &first)];
    assert_eq!(log.digests(id, &asked).await.expect("answers"), [None, Some(other.digest), None, Some(first.digest)]);
    assert_eq!(log.digests(elsewhere, &asked).await.expect("answers"), [None; 4]);
    assert_eq!(log.digests(id, &[]).await.expect("answers"), []);
}
