//! Tickets: bound by their first use, each use newer than the last.

use std::{sync::Arc, time::Duration};

use chaincast::{
    domain::Timestamp,
    log::{AccessVersion, LogError, Redeemed, Store, TicketRecord},
};
use futures::future::join_all;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::Barrier;

use super::{
    access::{audit, revocation},
    place::Place,
};

const CLAIMANTS: u8 = 4;
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

fn ticket(number: u8) -> TicketRecord {
    TicketRecord {
        digest: [number; 32],
        principal: format!(r#"{{"subject":"{number}"}}"#),
        first_use_within: HALF_A_MINUTE,
        expires_at: NEVER,
    }
}

fn taken(number: u8, uses: u64) -> Option<Redeemed> {
    Some(Redeemed { principal: ticket(number).principal, uses })
}

/// Every claimant at once, on an instance of its own; the first ones of the pairs are what they claim for.
async fn claim(stores: &[Arc<dyn Store>], digest: u8, subscriptions: &[u8]) -> Vec<Option<Redeemed>> {
    let start = Arc::new(Barrier::new(stores.len()));
    let claims = stores.iter().zip(subscriptions).map(|(store, &subscription)| {
        let (store, start) = (Arc::clone(store), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            store.redeem(&[digest; 32], &[subscription; 32]).await.expect("answers")
        })
    });
    join_all(claims).await.into_iter().map(|claim| claim.expect("no panic")).collect()
}

async fn stores(place: &Place) -> Vec<Arc<dyn Store>> {
    let mut stores = Vec::new();
    for _ in 0..CLAIMANTS {
        stores.push(place.store().await);
    }
    stores
}

pub(crate) async fn the_first_use_binds_a_ticket(place: Place) {
    let store = place.store().await;
    store.issue_ticket(&ticket(1)).await.expect("stores");
    assert_eq!(store.redeem(&[2; 32], &[7; 32]).await.expect("answers"), None, "no such ticket");
    assert_eq!(store.redeem(&[1; 32], &[7; 32]).await.expect("answers"), taken(1, 1));
    assert_eq!(store.redeem(&[1; 32], &[8; 32]).await.expect("answers"), None, "bound to another subscription");
    assert_eq!(store.redeem(&[1; 32], &[7; 32]).await.expect("answers"), taken(1, 2), "and a refusal is not a use");
}

pub(crate) async fn of_first_uses_at_once_one_binding_wins(place: Place) {
    let stores = stores(&place).await;
    let subscriptions: Vec<u8> = (1..=CLAIMANTS).collect();
    for number in 0..20 {
        stores[0].issue_ticket(&ticket(number)).await.expect("stores");
        let claims = claim(&stores, number, &subscriptions).await;
        let won: Vec<_> = claims.into_iter().flatten().collect();
        assert_eq!(won, Vec::from_iter(taken(number, 1)), "one binding, and it is the first use");
    }
    assert_eq!(stores[0].look().await.expect("reads").access, AccessVersion(0), "first uses concern nobody else");
}

pub(crate) async fn uses_at_once_are_numbered_without_repetition(place: Place) {
    let stores = stores(&place).await;
    stores[0].issue_ticket(&ticket(1)).await.expect("stores");
    let mut uses = Vec::new();
    for _ in 0..10 {
        let claims = claim(&stores, 1, &[7; CLAIMANTS as usize]).await;
        uses.extend(claims.into_iter().map(|claim| claim.expect("taken").uses));
    }
    uses.sort_unstable();
    assert_eq!(uses, (1..=uses.len() as u64).collect::<Vec<_>>());
    assert_eq!(stores[0].reused_tickets(AccessVersion(0)).await.expect("reads"), [([1; 32], uses.len() as u64)]);
}

/// The same with every claimant waiting for the ticket's row, so that each judges what the one before it left.
#[tokio::test(flavor = "multi_thread")]
async fn claimants_that_waited_for_each_other_do_not_bind_a_ticket_twice() {
    let place = Place::postgres().await;
    let Place::Postgres(database) = &place else { unreachable!("just made") };
    let stores = stores(&place).await;
    stores[0].issue_ticket(&ticket(1)).await.expect("stores");
    let mut other = PgConnection::connect(&database.url()).await.expect("connects");
    let mut holding = other.begin().await.expect("begins");
    sqlx::query("SELECT FROM tickets FOR UPDATE").execute(&mut *holding).await.expect("locks");
    let claims = tokio::spawn(async move { claim(&stores, 1, &[1, 2, 3, 4]).await });
    let waiting = async {
        while place.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").await
            < i64::from(CLAIMANTS)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), waiting).await.expect("all wait");
    holding.rollback().await.expect("unlocks");
    let won: Vec<_> = claims.await.expect("no panic").into_iter().flatten().collect();
    assert_eq!(won, Vec::from_iter(taken(1, 1)));
}

pub(crate) async fn a_ticket_that_is_late_is_not_taken(place: Place) {
    let store = place.store().await;
    store.issue_ticket(&TicketRecord { first_use_within: Duration::ZERO, ..ticket(1) }).await.expect("stores");
    store.issue_ticket(&TicketRecord { expires_at: Timestamp::from_micros(1), ..ticket(2) }).await.expect("stores");
    store.issue_ticket(&TicketRecord { first_use_within: Duration::MAX, ..ticket(3) }).await.expect("stores");
    assert_eq!(store.redeem(&[1; 32], &[7; 32]).await.expect("answers"), None, "not used in time");
    assert_eq!(store.redeem(&[2; 32], &[7; 32]).await.expect("answers"), None, "expired");
    assert_eq!(store.redeem(&[3; 32], &[7; 32]).await.expect("answers"), taken(3, 1));
    place.tamper("UPDATE tickets SET first_use_by = 1").await;
    assert_eq!(store.redeem(&[3; 32], &[7; 32]).await.expect("answers"), taken(3, 2), "used in time");
    place.tamper("UPDATE tickets SET expires_at = 1").await;
    assert_eq!(store.redeem(&[3; 32], &[7; 32]).await.expect("answers"), None, "expired since");
}

pub(crate) async fn a_ticket_may_be_stored_again_until_it_is_used(place: Place) {
    let store = place.store().await;
    store.issue_ticket(&ticket(1)).await.expect("stores");
    store.issue_ticket(&ticket(1)).await.expect("a repetition whose answer was lost");
    let of_another = TicketRecord { principal: "another".into(), ..ticket(1) };
    let refused = store.issue_ticket(&of_another).await;
    assert!(matches!(refused, Err(LogError::Content(_))), "{refused:?}");
    assert_eq!(store.redeem(&[1; 32], &[7; 32]).await.expect("answers"), taken(1, 1));
    let refused = store.issue_ticket(&ticket(1)).await;
    assert!(matches!(refused, Err(LogError::Content(_))), "{refused:?}");
}

pub(crate) async fn a_use_after_the_first_is_told_behind_the_version_before_it(place: Place) {
    let store = place.store().await;
    for number in 1..=3 {
        store.issue_ticket(&ticket(number)).await.expect("stores");
        store.redeem(&[number; 32], &[7; 32]).await.expect("answers");
    }
    assert_eq!(store.look().await.expect("reads").access, AccessVersion(0), "first uses concern nobody else");
    assert_eq!(store.reused_tickets(AccessVersion(0)).await.expect("reads"), []);
    store.redeem(&[1; 32], &[7; 32]).await.expect("answers");
    let first = store.look().await.expect("reads").access;
    store.redeem(&[1; 32], &[8; 32]).await.expect("answers");
    assert_eq!(store.look().await.expect("reads").access, first, "a refusal changes nothing");
    store.redeem(&[2; 32], &[7; 32]).await.expect("answers");
    let second = store.look().await.expect("reads").access;
    assert!(AccessVersion(0) < first && first < second);
    let reader = place.store().await;
    assert_eq!(reader.reused_tickets(AccessVersion(0)).await.expect("reads"), [([1; 32], 2), ([2; 32], 2)]);
    assert_eq!(reader.reused_tickets(first).await.expect("reads"), [([2; 32], 2)]);
    assert_eq!(reader.reused_tickets(second).await.expect("reads"), []);
    store.redeem(&[1; 32], &[7; 32]).await.expect("answers");
    assert_eq!(reader.reused_tickets(second).await.expect("reads"), [([1; 32], 3)]);
    assert_eq!(reader.access().await.expect("reads").version, reader.look().await.expect("reads").access);
}

pub(crate) async fn what_has_expired_is_forgotten_in_steps(place: Place) {
    let store = place.store_in_steps_of(2).await;
    for number in 1..=15 {
        store.issue_ticket(&ticket(number)).await.expect("stores");
    }
    for number in 6..=15 {
        store.redeem(&[number; 32], &[7; 32]).await.expect("answers");
    }
    for id in ["over-1", "over-2", "over-3", "over-4", "lasting"] {
        store.revoke(&revocation(id), &audit("acme", "revocation.created", id)).await.expect("stores");
    }
    let before = store.look().await.expect("reads").access;
    store.forget_expired().await.expect("forgets");
    assert_eq!(place.count("SELECT count(*) FROM tickets").await, 15, "nothing has expired");
    // five were never used and ten were; of those five have expired
    place.tamper("UPDATE tickets SET first_use_by = 1").await;
    place
        .tamper("UPDATE tickets SET expires_at = 1 WHERE digest IN (SELECT digest FROM tickets WHERE uses = 1 ORDER BY digest LIMIT 5)")
        .await;
    place.tamper("UPDATE revocations SET expires_at = 1 WHERE id <> 'lasting'").await;
    store.forget_expired().await.expect("forgets");
    assert_eq!(place.count("SELECT count(*) FROM tickets").await, 5);
    assert_eq!(place.count("SELECT count(*) FROM revocations").await, 1);
    assert_eq!(store.redeem(&[15; 32], &[7; 32]).await.expect("answers"), taken(15, 2), "one in use is kept");
    let state = store.access().await.expect("reads");
    assert_eq!(state.revocations, [revocation("lasting")]);
    store.forget_expired().await.expect("forgets");
    assert_eq!(store.look().await.expect("reads").access, state.version, "forgetting does not move the version");
    assert!(before < state.version, "the use did");
}
