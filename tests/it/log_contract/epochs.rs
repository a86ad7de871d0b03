//! Numberings and positions.

use std::collections::HashMap;

use chaincast::{
    domain::{LogName, Seq},
    log::Position,
};

use super::place::{Place, default_log, plains, publish, request};

pub(crate) async fn a_log_has_an_epoch_from_its_first_moment_and_keeps_it(place: Place) {
    let (log, id) = place.open().await;
    let chain = log.epochs(id).await.expect("reads");
    assert_eq!((chain.links().len(), chain.links()[0].first), (1, Seq::new(1)));
    let appended = log.append(id, &[request(plains(0, 3))]).await.expect("appends");
    assert_eq!(appended.epoch, chain.current());
    let again = place.connect().await;
    assert_eq!(again.open(&default_log()).await.expect("opens"), id);
    assert_eq!(again.epochs(id).await.expect("reads"), chain);
}

pub(crate) async fn a_new_epoch_starts_behind_the_head(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 3))).await;
    let before = log.epochs(id).await.expect("reads").current();
    let epoch = log.new_epoch(id, "restored").await.expect("starts");
    let chain = log.epochs(id).await.expect("reads");
    assert_eq!(chain.last_common(before), Some(Seq::new(3)));
    assert_eq!((chain.current(), chain.links()[1].first), (epoch, Seq::new(4)));
    let appended = log.append(id, &[request(plains(3, 4))]).await.expect("appends");
    assert_eq!((appended.epoch, appended.head), (epoch, Seq::new(4)));
    assert_eq!(log.epochs(id).await.expect("reads").links().len(), 2, "appending starts no other");
}

pub(crate) async fn positions_tell_of_every_log(place: Place) {
    let (log, id) = place.open().await;
    let other = log.open(&LogName::new("tenant")).await.expect("opens");
    publish(&log, id, request(plains(0, 3))).await;
    let epochs = [log.epochs(id).await.expect("reads").current(), log.epochs(other).await.expect("reads").current()];
    let expected = [
        Position { log: id, epoch: epochs[0], head: Seq::new(3), earliest: Seq::new(1) },
        Position { log: other, epoch: epochs[1], head: Seq::ZERO, earliest: Seq::new(1) },
    ];
    assert_eq!(log.positions().await.expect("reads"), expected);
    assert!(log.size_bytes().await.expect("measures") > 0);
}

pub(crate) async fn a_look_says_what_every_log_is_called(place: Place) {
    let (log, id) = place.open().await;
    let tenant = LogName::new("tenant");
    let other = log.open(&tenant).await.expect("opens");
    assert_eq!(log.look().await.expect("looks").names, HashMap::from([(id, default_log()), (other, tenant)]));
}

pub(crate) async fn a_number_that_a_restore_took_away_is_not_given_out_again(place: Place) {
    let (log, id) = place.open().await;
    let lost = log.open(&LogName::new("lost")).await.expect("opens");
    // as if the store were put back to the moment before
    place.tamper("DELETE FROM epochs WHERE log <> 1; DELETE FROM logs WHERE id <> 1").await;
    // with where it counts from, if it does
    let _ = place.try_tamper("ALTER TABLE logs ALTER COLUMN id RESTART WITH 2").await;
    let new = log.open(&LogName::new("new")).await.expect("opens");
    assert_ne!(new, lost);
    let again = log.open(&LogName::new("lost")).await.expect("opens");
    assert!(![id, lost, new].contains(&again));
    publish(&log, again, request(plains(0, 3))).await;
    assert_eq!(log.open(&default_log()).await.expect("opens"), id);
}
