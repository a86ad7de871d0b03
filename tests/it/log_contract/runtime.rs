//! A log that is called from other runtimes, and one that is trimmed for as long as the service runs.

use std::{sync::Arc, time::Duration};

use chaincast::{
    domain::{Seq, Timestamp},
    log::{AccessStore as _, AccessVersion, EventLog, OnRuntime, Retention, TenantSettings, TicketRecord, run_retention},
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    access::{audit, key, revocation, tenant},
    place::{Place, plains, publish, request},
};

#[test]
fn a_caller_that_goes_away_with_its_runtime_does_not_cancel_its_write() {
    let home = tokio::runtime::Runtime::new().expect("a runtime");
    let place = Place::sqlite();
    let (_, id) = home.block_on(place.open());
    let store = home.block_on(place.store());
    let log: Arc<dyn EventLog> = Arc::new(OnRuntime::new(store, home.handle().clone()));

    let worker = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let caller = Arc::clone(&log);
    worker.block_on(async {
        let requests = [request(plains(0, 100))];
        let mut append = std::pin::pin!(caller.append(id, &requests));
        // polled once, so that it is under way, and then abandoned
        let _ = futures::poll!(append.as_mut());
    });
    drop(worker);

    let stored = async {
        while log.positions().await.expect("reads")[0].head != Seq::new(100) {
            tokio::task::yield_now().await;
        }
    };
    home.block_on(async { timeout(Duration::from_secs(10), stored).await.expect("the write runs to its end") });
}

#[test]
fn access_is_called_on_the_runtime_that_opened_the_store() {
    let home = tokio::runtime::Runtime::new().expect("a runtime");
    let place = Place::sqlite();
    let inner = home.block_on(place.store());
    let store = OnRuntime::new(Arc::clone(&inner), home.handle().clone());
    // without a reactor and timers: whatever of the store were done on it would panic
    let worker = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let calls = async {
        let (acme, entry) = (tenant("acme"), audit("acme", "key.created", "one"));
        store.create_key(&key("one", 1), &entry).await.expect("stores");
        store.rotate_key(&acme, "one", [2; 32], Timestamp::from_micros(5), &entry).await.expect("answers").expect("it is there");
        assert!(store.revoke_key(&acme, "one", &entry).await.expect("ends"));
        for id in ["stays", "goes"] {
            store.revoke(&revocation(id), &entry).await.expect("stores");
        }
        assert!(store.lift(Some(&acme), "goes", &entry).await.expect("lifts"));
        let settings = TenantSettings { max_connections: Some(3), ..TenantSettings::default() };
        store.set_tenant(&acme, &settings, &entry).await.expect("sets");
        store.record(&entry).await.expect("records");
        assert_eq!(store.audit_trail(Some(&acme), 2, 5).await.expect("reads").len(), 5);
        let ticket = TicketRecord {
            digest: [1; 32],
            principal: "one".into(),
            first_use_within: Duration::from_secs(30),
            expires_at: Timestamp::from_micros(i64::MAX),
        };
        store.issue_ticket(&ticket).await.expect("stores");
        let mut uses = Vec::new();
        for _ in 0..2 {
            uses.push(store.redeem(&[1; 32], &[2; 32]).await.expect("answers").expect("taken").uses);
        }
        assert_eq!(uses, [1, 2]);
        assert_eq!(store.reused_tickets(AccessVersion(0)).await.expect("reads"), [([1; 32], 2)]);
        store.forget_expired().await.expect("forgets");
        let state = store.access().await.expect("reads");
        assert_eq!((state.keys[0].generation, state.keys[0].digest), (2, [2; 32]));
        assert_eq!((&state.revocations[..], &state.tenants[..]), (&[revocation("stays")][..], &[(acme, settings)][..]));
        (state, store.service_secret().await.expect("answers"))
    };
    let found = worker.block_on(calls);
    let inside = home.block_on(async { (inner.access().await.expect("reads"), inner.service_secret().await.expect("answers")) });
    assert_eq!(found, inside);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_trims_at_once_and_ends_at_shutdown() {
    let place = Place::sqlite();
    let (log, id) = place.open().await;
    publish(&log, id, request(plains(0, 10))).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let retention = Retention { max_events: Some(4), ..Retention::default() };
    let trimming = run_retention(Arc::clone(&log), move |_| Some(retention), Duration::from_secs(3600), Arc::default(), async {
        let _ = stopped.await;
    });
    let trimming = tokio::spawn(trimming);
    let trimmed = async {
        while log.positions().await.expect("reads")[0].earliest != Seq::new(7) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), trimmed).await.expect("it trims");
    stop.send(()).expect("it still runs");
    timeout(Duration::from_secs(10), trimming).await.expect("it ends").expect("without a panic");
}
