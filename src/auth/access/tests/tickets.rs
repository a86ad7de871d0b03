use super::*;
use crate::auth::Credential;

const FILTER: [u8; 32] = [1; 32];

/// A service, and a ticket of a token that ends at 5000 s.
async fn issued() -> (FakeService, Arc<Access>, String) {
    let service = FakeService::default();
    let access = service.instance().await;
    let alice = service.tokens.take("GALICE", "shop", "t1", READER);
    let ticket = access.issue_ticket(&alice).await.expect("issued");
    assert_eq!((ticket.first_use_by, ticket.expires_at), (at(1030), at(5000)));
    let text = ticket.text.expose().to_owned();
    (service, access, text)
}

async fn stream(access: &Arc<Access>, ticket: &str) -> (Arc<FakeStream>, Result<Registration, AuthError>) {
    let (principal, used) = access.redeem(ticket, &FILTER).await.expect("redeemed");
    let stream = FakeStream::of(access);
    (stream.clone(), access.register(&principal, Some(used), stream))
}

#[tokio::test]
async fn a_ticket_stands_for_its_token_until_that_ends() {
    let (service, access, ticket) = issued().await;
    let (holder, _) = access.redeem(&ticket, &FILTER).await.expect("redeemed");
    let alice = access.bearer("GALICE").await.expect("token");
    assert_eq!(holder, Principal { rights: Rights { subscribe: alice.rights.subscribe.clone(), ..Rights::default() }, ..alice });
    assert!(access.redeem(&ticket, &[2; 32]).await.is_err(), "it is bound to its first subscription");
    service.clock.set(4999);
    assert!(access.redeem(&ticket, &FILTER).await.is_ok());
    service.clock.set(5000);
    assert!(access.redeem(&ticket, &FILTER).await.is_err());
}

#[tokio::test]
async fn a_ticket_that_was_not_used_in_time_is_refused() {
    let (service, access, ticket) = issued().await;
    service.clock.set(1030);
    assert!(matches!(access.redeem(&ticket, &FILTER).await, Err(AuthError::Invalid(_))));
}

#[tokio::test]
async fn a_forged_ticket_is_refused_without_asking_the_store() {
    let (service, access, ticket) = issued().await;
    service.store.set_unreachable(true);
    let mut forged = ticket.clone();
    forged.replace_range(10..11, if &ticket[10..11] == "A" { "B" } else { "A" });
    assert_eq!(access.redeem(&forged, &FILTER).await.map(|_| ()), Err(AuthError::invalid("the ticket was not issued here")));
    assert!(matches!(access.redeem(&ticket, &FILTER).await, Err(AuthError::Unavailable(_))));
}

#[tokio::test]
async fn a_ticket_of_a_revoked_token_is_refused() {
    let (_, access, ticket) = issued().await;
    let new = NewRevocation { token_id: Some("t1".into()), ..NewRevocation::default() };
    access.revoke(&operator(), new).await.expect("revoked");
    assert_eq!(access.redeem(&ticket, &FILTER).await.map(|_| ()), Err(AuthError::Revoked));
}

#[tokio::test]
async fn a_ticket_of_a_key_lives_an_hour_and_ends_with_the_key() {
    let service = FakeService::default();
    let access = service.instance().await;
    let (made, text) = key(&access, KeyKind::Bearer).await;
    let ticket = access.issue_ticket(&access.bearer(text.expose()).await.expect("key")).await.expect("issued");
    assert_eq!(ticket.expires_at, at(4600));
    let (opened, _registration) = stream(&access, ticket.text.expose()).await;
    access.revoke_key(&operator(), &made.tenant, &made.id).await.expect("revoked");
    assert_eq!(opened.ended(), Some(Ending::Revoked));
    assert_eq!(access.redeem(ticket.text.expose(), &FILTER).await.map(|_| ()), Err(AuthError::Revoked));
}

#[tokio::test]
async fn there_are_tickets_for_tokens_and_keys_that_may_see_something() {
    let service = FakeService::default();
    let access = service.instance().await;
    let blind = service.tokens.take("GALICE", "shop", "t1", r#"{"publish":{}}"#);
    let signer = Principal { credential: Credential::Signature("abcdefghijkl".into()), rights: Rights::everything(), ..blind.clone() };
    for bad in [Principal::open(), Principal::anonymous(Rights::everything()), blind, signer] {
        assert!(matches!(access.issue_ticket(&bad).await, Err(AuthError::Forbidden(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn the_newest_use_of_a_ticket_ends_the_one_before_at_once() {
    let (_, access, ticket) = issued().await;
    let (first, first_registration) = stream(&access, &ticket).await;
    let (second, second_registration) = stream(&access, &ticket).await;
    assert_eq!((first.ended(), second.ended()), (Some(Ending::Superseded), None));
    drop(first_registration);
    access.refresh().await.expect("refreshed");
    assert_eq!(second.ended(), None, "the end of the first is not the second's");
    drop(second_registration);
    assert_eq!((access.live_streams(), access.streams.tickets()), (0, 0), "nothing is kept of tickets that nobody holds");
}

#[tokio::test]
async fn an_older_use_that_arrives_late_is_refused() {
    let (_, access, ticket) = issued().await;
    let (holder, first) = access.redeem(&ticket, &FILTER).await.expect("redeemed");
    let (_, second) = access.redeem(&ticket, &FILTER).await.expect("redeemed");
    let newest = FakeStream::of(&access);
    let _registration = access.register(&holder, Some(second), newest.clone()).expect("registered");
    let late = access.register(&holder, Some(first), FakeStream::of(&access));
    assert_eq!(late.map(|_| ()), Err(AuthError::Superseded));
    assert_eq!((newest.ended(), access.live_streams()), (None, 1));
}

#[tokio::test]
async fn a_use_on_another_instance_ends_the_stream_on_this_one() {
    let (service, here, ticket) = issued().await;
    let there = service.instance().await;
    let (old, _old) = stream(&here, &ticket).await;
    let (new, _new) = stream(&there, &ticket).await;
    here.refresh().await.expect("refreshed");
    there.refresh().await.expect("refreshed");
    assert_eq!((old.ended(), new.ended()), (Some(Ending::Superseded), None));
}

#[tokio::test]
async fn news_of_a_newer_use_finds_one_whose_stream_is_not_open_yet() {
    let (service, here, ticket) = issued().await;
    let there = service.instance().await;
    let mut held = service.store.hold_redemption();
    let slow = tokio::spawn({
        let (here, ticket) = (here.clone(), ticket.clone());
        async move { stream(&here, &ticket).await }
    });
    held.reached().await;
    let (new, _new) = stream(&there, &ticket).await;
    here.refresh().await.expect("refreshed");
    held.release();
    let (_, refused) = slow.await.expect("answered");
    assert_eq!(refused.map(|_| ()), Err(AuthError::Superseded));
    assert_eq!((new.ended(), here.streams.tickets()), (None, 0));
}
