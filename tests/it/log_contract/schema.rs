//! Schemas that a newer version has migrated.

use chaincast::log::LogError;

use super::place::{Place, everything, plains, publish, request};

/// What a newer version notes of its migrations, in words that both stores understand.
pub(crate) const ADDED: &str = "
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9000, 'add a table', true, '1', 0);
    CREATE TABLE of_a_newer_version (one integer)";
const TAKEN_AWAY: &str = "
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9001, 'needs 9000 drop a table', true, '1', 0)";

pub(crate) async fn a_schema_that_a_newer_version_has_added_to_is_served(place: Place) {
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 3))).await;
    place.tamper(ADDED).await;
    // an instance of the older version is started again while the newer one rolls out
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(3, 5))).await;
    assert_eq!(everything(&log, id).await.len(), 5);
}

pub(crate) async fn a_schema_from_which_a_newer_version_took_something_away_is_refused(place: Place) {
    place.open().await;
    place.tamper(ADDED).await;
    place.tamper(TAKEN_AWAY).await;
    let refused = place.refused().await;
    assert!(matches!(&refused, LogError::Internal(why) if why.contains("knows migration 9000")), "{refused:?}");
}
