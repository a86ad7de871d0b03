//! Keys, revocations, settings and the record of who changed them.

use std::time::Duration;

use chaincast::{
    domain::{LogName, Timestamp},
    log::{AccessState, AccessVersion, AuditEntry, KeyKind, KeyRecord, LogError, Revocation, TenantSettings},
};
use futures::future::join_all;

use super::place::Place;

const ACTORS: usize = 4;
const ROUNDS: usize = 10;

pub(crate) fn tenant(name: &str) -> LogName {
    LogName::new(name)
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn audit(of: &str, action: &str, target: &str) -> AuditEntry {
    AuditEntry {
        tenant: Some(tenant(of)),
        actor: "key:admin0000000".into(),
        action: action.into(),
        target: target.into(),
        reason: Some("because".into()),
    }
}

pub(crate) fn key(id: &str, created_at: i64) -> KeyRecord {
    KeyRecord {
        id: id.into(),
        tenant: tenant("acme"),
        name: "indexer".into(),
        kind: KeyKind::Bearer,
        digest: [1; 32],
        generation: 1,
        previous_digest: None,
        previous_until: None,
        rights: r#"{"publish":["**"]}"#.into(),
        created_at: at(created_at),
        expires_at: Some(at(i64::MAX)),
        revoked_at: None,
    }
}

pub(crate) fn revocation(id: &str) -> Revocation {
    Revocation {
        id: id.into(),
        tenant: Some(tenant("acme")),
        subject: Some("alice".into()),
        token_id: None,
        issued_before: Some(at(7)),
        created_at: at(8),
        expires_at: None,
    }
}

pub(crate) async fn a_store_begins_with_nothing_changed(place: Place) {
    let store = place.store().await;
    assert_eq!(store.access().await.expect("reads"), AccessState::default());
    let look = store.look().await.expect("reads");
    assert_eq!((look.positions, look.access), (Vec::new(), AccessVersion(0)));
    store.open(&tenant("acme")).await.expect("opens");
    let look = store.look().await.expect("reads");
    assert_eq!((look.positions.len(), look.access), (1, AccessVersion(0)), "a log is not a change of access");
}

pub(crate) async fn a_key_reads_back_as_it_was_stored(place: Place) {
    let store = place.store().await;
    let young = KeyRecord { expires_at: None, ..key("young", 2) };
    let old = KeyRecord {
        kind: KeyKind::Signing,
        digest: [0; 32],
        generation: u32::MAX,
        previous_digest: Some([9; 32]),
        previous_until: Some(at(5)),
        revoked_at: Some(at(6)),
        ..key("old", 1)
    };
    store.create_key(&young, &audit("acme", "key.created", "young")).await.expect("stores");
    let before = store.look().await.expect("reads").access;
    store.create_key(&old, &audit("acme", "key.created", "old")).await.expect("stores");
    let state = place.store().await.access().await.expect("another instance reads");
    assert_eq!(state.keys, [old, young]);
    assert!(state.version > before);
    assert_eq!(state.version, store.look().await.expect("reads").access);
}

pub(crate) async fn a_key_whose_id_is_taken_changes_nothing(place: Place) {
    let store = place.store().await;
    store.create_key(&key("one", 1), &audit("acme", "key.created", "one")).await.expect("stores");
    let before = store.access().await.expect("reads");
    let other = KeyRecord { tenant: tenant("other"), digest: [2; 32], ..key("one", 2) };
    let taken = store.create_key(&other, &audit("other", "key.created", "one")).await;
    assert!(matches!(taken, Err(LogError::Content(_))), "{taken:?}");
    assert_eq!(store.access().await.expect("reads"), before);
    assert_eq!(store.audit_trail(None, 0, 10).await.expect("reads").len(), 1);
}

pub(crate) async fn a_rotated_key_keeps_the_secret_before_it(place: Place) {
    let store = place.store().await;
    store.create_key(&key("one", 1), &audit("acme", "key.created", "one")).await.expect("stores");
    let entry = audit("acme", "key.rotated", "one");
    let first = store.rotate_key(&tenant("acme"), "one", [2; 32], at(50), &entry).await.expect("rotates");
    let expected =
        KeyRecord { digest: [2; 32], generation: 2, previous_digest: Some([1; 32]), previous_until: Some(at(50)), ..key("one", 1) };
    assert_eq!(first.as_ref(), Some(&expected));
    let second = store.rotate_key(&tenant("acme"), "one", [3; 32], at(60), &entry).await.expect("rotates");
    let expected =
        KeyRecord { digest: [3; 32], generation: 3, previous_digest: Some([2; 32]), previous_until: Some(at(60)), ..key("one", 1) };
    assert_eq!(second, Some(expected.clone()));
    let state = store.access().await.expect("reads");
    assert_eq!(state.keys, [expected]);

    assert_eq!(store.rotate_key(&tenant("other"), "one", [4; 32], at(70), &entry).await.expect("answers"), None);
    assert_eq!(store.rotate_key(&tenant("acme"), "two", [4; 32], at(70), &entry).await.expect("answers"), None);
    assert_eq!(store.access().await.expect("reads"), state);
    assert!(store.revoke_key(&tenant("acme"), "one", &audit("acme", "key.revoked", "one")).await.expect("ends"));
    assert_eq!(store.rotate_key(&tenant("acme"), "one", [4; 32], at(70), &entry).await.expect("answers"), None);
    assert_eq!(store.audit_trail(None, 0, 10).await.expect("reads").len(), 4, "created, rotated twice, revoked");
}

pub(crate) async fn a_key_that_is_ended_twice_keeps_the_first_time(place: Place) {
    let store = place.store().await;
    store.create_key(&key("one", 1), &audit("acme", "key.created", "one")).await.expect("stores");
    let entry = audit("acme", "key.revoked", "one");
    let started = Timestamp::now();
    assert!(!store.revoke_key(&tenant("other"), "one", &entry).await.expect("answers"));
    assert!(!store.revoke_key(&tenant("acme"), "two", &entry).await.expect("answers"));
    assert!(store.revoke_key(&tenant("acme"), "one", &entry).await.expect("ends"));
    let ended = store.access().await.expect("reads");
    let revoked_at = ended.keys[0].revoked_at.expect("it is revoked");
    assert!(revoked_at.as_micros() > started.as_micros() - 1_000_000, "{revoked_at}");
    assert!(store.revoke_key(&tenant("acme"), "one", &entry).await.expect("answers"));
    assert_eq!(store.access().await.expect("reads"), ended, "neither the time nor the version moves again");
    assert_eq!(store.audit_trail(None, 0, 10).await.expect("reads").len(), 2);
}

pub(crate) async fn a_revocation_holds_until_it_is_lifted_or_expires(place: Place) {
    let store = place.store().await;
    let of_all = Revocation { tenant: None, subject: None, token_id: Some("jti".into()), created_at: at(9), ..revocation("all") };
    let over = Revocation { expires_at: Some(at(10)), ..revocation("over") };
    let lasting = Revocation { expires_at: Some(at(i64::MAX)), ..revocation("lasting") };
    for revocation in [&of_all, &over, &lasting] {
        store.revoke(revocation, &audit("acme", "revocation.created", &revocation.id)).await.expect("stores");
    }
    assert_eq!(store.access().await.expect("reads").revocations, [lasting.clone(), of_all.clone()]);
    let taken = store.revoke(&lasting, &audit("acme", "revocation.created", "lasting")).await;
    assert!(matches!(taken, Err(LogError::Content(_))), "{taken:?}");

    let before = store.access().await.expect("reads");
    let entry = audit("acme", "revocation.lifted", "all");
    for (of, id) in [(Some("acme"), "all"), (Some("other"), "lasting"), (None, "none")] {
        let of = of.map(tenant);
        assert!(!store.lift(of.as_ref(), id, &entry).await.expect("answers"), "{of:?} {id}");
    }
    assert_eq!(store.access().await.expect("reads"), before);
    assert!(store.lift(None, "all", &entry).await.expect("lifts"));
    assert!(store.lift(Some(&tenant("acme")), "lasting", &entry).await.expect("lifts"));
    let after = store.access().await.expect("reads");
    assert_eq!(after.revocations, []);
    assert!(after.version > before.version);
}

pub(crate) async fn a_logs_settings_are_set_as_a_whole(place: Place) {
    let store = place.store().await;
    let all = TenantSettings {
        retention_days: Some(1),
        retention_events: Some(1 << 40),
        max_connections: Some(0),
        publish_per_second: Some(u32::MAX),
        deliver_per_second: Some(5),
    };
    let some = TenantSettings { max_connections: Some(3), ..TenantSettings::default() };
    let (acme, other) = (tenant("acme"), tenant("other"));
    store.set_tenant(&other, &some, &audit("other", "tenant.changed", "other")).await.expect("sets");
    store.set_tenant(&acme, &all, &audit("acme", "tenant.changed", "acme")).await.expect("sets");
    assert_eq!(store.access().await.expect("reads").tenants, [(acme.clone(), all), (other.clone(), some)]);
    let before = store.look().await.expect("reads").access;
    store.set_tenant(&acme, &some, &audit("acme", "tenant.changed", "acme")).await.expect("sets");
    store.set_tenant(&other, &TenantSettings::default(), &audit("other", "tenant.changed", "other")).await.expect("sets");
    let state = store.access().await.expect("reads");
    assert_eq!(state.tenants, [(acme, some)]);
    assert!(state.version > before);
}

pub(crate) async fn the_trail_is_read_in_order_of_one_log_or_of_all(place: Place) {
    let store = place.store().await;
    let started = Timestamp::now();
    let of_all = AuditEntry { tenant: None, reason: None, ..audit("", "tenant.read", "all") };
    let entries = [audit("acme", "tenant.read", "1"), audit("other", "tenant.read", "2"), of_all, audit("acme", "tenant.read", "4")];
    for entry in &entries {
        store.record(entry).await.expect("records");
    }
    assert_eq!(store.look().await.expect("reads").access, AccessVersion(0), "nobody else must hear of it");
    let trail = store.audit_trail(None, 0, 10).await.expect("reads");
    assert_eq!(trail.iter().map(|record| record.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(trail.iter().all(|record| record.at.as_micros() > started.as_micros() - 1_000_000));
    assert_eq!(trail.into_iter().map(|record| record.entry).collect::<Vec<_>>(), entries);
    for (of, after, limit, expected) in [
        (None, 1, 2, vec![2, 3]),
        (None, 4, 2, vec![]),
        (Some("acme"), 0, 10, vec![1, 4]),
        (Some("acme"), 1, 10, vec![4]),
        (Some("acme"), 0, 1, vec![1]),
        (Some("nobody"), 0, 10, vec![]),
    ] {
        let of = of.map(tenant);
        let trail = store.audit_trail(of.as_ref(), after, limit).await.expect("reads");
        assert_eq!(trail.iter().map(|record| record.number).collect::<Vec<_>>(), expected, "{of:?} {after} {limit}");
    }
}

pub(crate) async fn the_audit_trail_is_append_only(place: Place) {
    let store = place.store().await;
    store.record(&audit("acme", "tenant.read", "1")).await.expect("records");
    let before = store.audit_trail(None, 0, 10).await.expect("reads");
    let mut attempts = vec!["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "DELETE FROM audit WHERE number = 1"];
    attempts.extend(match place {
        Place::Sqlite(_) => {
            ["INSERT OR REPLACE INTO audit VALUES (1, 1, '', '', '', '', '')", "REPLACE INTO audit VALUES (1, 1, '', '', '', '', '')"]
        }
        Place::Postgres(_) => ["TRUNCATE audit", "SET session_replication_role = replica; DELETE FROM audit"],
    });
    for attempt in attempts {
        let refused = place.try_tamper(attempt).await.expect_err(attempt).to_string();
        assert!(refused.contains("append-only"), "{attempt}: {refused}");
    }
    assert_eq!(store.audit_trail(None, 0, 10).await.expect("reads"), before);
}

pub(crate) async fn changes_become_visible_in_the_order_of_their_versions_and_numbers(place: Place) {
    let reader = place.store().await;
    let mut changing = Vec::new();
    for actor in 0..ACTORS {
        let store = place.store().await;
        changing.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                let id = format!("{actor}-{round}");
                store.revoke(&revocation(&id), &audit("acme", "revocation.created", &id)).await.expect("stores");
                store.record(&audit("acme", "tenant.read", &id)).await.expect("records");
            }
        }));
    }
    let watching = async {
        let (mut number, mut version, mut known) = (0, AccessVersion(0), 0);
        while known < ACTORS * ROUNDS {
            let looked = reader.look().await.expect("reads").access;
            assert!(looked >= version, "the version went back");
            let state = reader.access().await.expect("reads");
            assert!(state.version >= looked, "a state older than the look before it");
            assert!(state.revocations.len() >= known, "a change is gone");
            assert_eq!(state.version > version, state.revocations.len() > known, "either moved without the other");
            (version, known) = (state.version, state.revocations.len());
            for record in reader.audit_trail(None, number, 5).await.expect("reads") {
                assert_eq!(record.number, number + 1, "a line is missing or out of order");
                number = record.number;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), watching).await.expect("the reader sees everything");
    for result in join_all(changing).await {
        result.expect("no change fails");
    }
    let trail = reader.audit_trail(None, 0, 1000).await.expect("reads");
    assert_eq!(trail.len(), 2 * ACTORS * ROUNDS, "one line for each");
}

pub(crate) async fn a_service_secret_is_made_once(place: Place) {
    let mut stores = Vec::new();
    for _ in 0..ACTORS {
        stores.push(place.store().await);
    }
    let secrets = join_all(stores.iter().map(|store| store.service_secret())).await;
    let first = secrets[0].clone().expect("answers");
    assert_ne!(first, [0; 32]);
    for secret in secrets {
        assert_eq!(secret.expect("answers"), first);
    }
    assert_eq!(place.store().await.service_secret().await.expect("answers"), first, "later ones find it");
    assert_eq!(place.count("SELECT count(*) FROM service_secret").await, 1);
}
