use std::sync::Mutex;

use super::*;

async fn sign_out(access: &Arc<Access>, subject: &str) -> crate::log::Revocation {
    let new = NewRevocation { subject: Some(subject.into()), ..NewRevocation::default() };
    access.revoke(&operator(), new).await.expect("revoked")
}

#[tokio::test]
async fn a_revocation_ends_the_streams_that_it_strikes_and_no_others() {
    let service = FakeService::default();
    let access = service.instance().await;
    let (alice, bob) = (service.tokens.take("GALICE", "shop", "t1", READER), service.tokens.take("GBOB", "shop", "t2", READER));
    let anyone = Principal::anonymous(Rights::default());
    let ((of_alice, _alice), (of_bob, _bob), (of_anyone, _anyone)) =
        (open_stream(&access, &alice), open_stream(&access, &bob), open_stream(&access, &anyone));
    let revocation = sign_out(&access, "GALICE").await;
    assert_eq!((of_alice.ended(), of_bob.ended()), (Some(Ending::Revoked), None));
    assert_eq!(access.bearer("GALICE").await, Err(AuthError::Revoked));
    access.lift(&operator(), &revocation.id).await.expect("lifted");
    assert!(access.bearer("GALICE").await.is_ok());
    let tenant = NewRevocation { tenant: Some(LogName::new("shop")), ..NewRevocation::default() };
    access.revoke(&operator(), tenant).await.expect("revoked");
    assert_eq!((of_bob.ended(), of_anyone.ended()), (Some(Ending::Revoked), None));
}

#[tokio::test]
async fn the_streams_of_a_key_end_when_it_is_revoked() {
    let service = FakeService::default();
    let access = service.instance().await;
    let ((first, text), (_, other)) = (key(&access, KeyKind::Bearer).await, key(&access, KeyKind::Bearer).await);
    let holder = access.bearer(text.expose()).await.expect("taken");
    let (stream, _registration) = open_stream(&access, &holder);
    let (spared, _spared) = open_stream(&access, &access.bearer(other.expose()).await.expect("taken"));
    access.rotate_key(&operator(), &first.tenant, &first.id, Duration::ZERO).await.expect("rotated");
    assert_eq!(stream.ended(), None, "it is the same key");
    access.revoke_key(&operator(), &first.tenant, &first.id).await.expect("revoked");
    assert_eq!((stream.ended(), spared.ended()), (Some(Ending::Revoked), None));
    let tenant = NewRevocation { tenant: Some(first.tenant), issued_before: Some(at(1001)), ..NewRevocation::default() };
    access.revoke(&operator(), tenant).await.expect("revoked");
    assert_eq!(spared.ended(), Some(Ending::Revoked));
    assert_eq!(access.bearer(other.expose()).await, Err(AuthError::Revoked));
}

#[tokio::test]
async fn a_revocation_between_the_credential_and_the_stream_is_not_missed() {
    let service = FakeService::default();
    let access = service.instance().await;
    service.tokens.take("GALICE", "shop", "t1", READER);
    let alice = access.bearer("GALICE").await.expect("not yet revoked");
    sign_out(&access, "GALICE").await;
    let (_, refused) = open_stream(&access, &alice);
    assert_eq!(refused.map(|_| ()), Err(AuthError::Revoked));
    assert_eq!(access.live_streams(), 0, "what is refused is not kept");
}

/// When it is ended, another stream with the same credential opens, behind the walk that ends this one.
struct FollowedByAnother {
    access: Arc<Access>,
    principal: Principal,
    other: Mutex<Option<Result<Registration, AuthError>>>,
}

impl LiveStream for FollowedByAnother {
    fn end(&self, _: Ending) {
        *self.other.lock().expect("lock") = Some(open_stream(&self.access, &self.principal).1);
    }
}

#[tokio::test]
async fn a_stream_that_opens_while_others_are_being_ended_is_refused() {
    let service = FakeService::default();
    let access = service.instance().await;
    let principal = service.tokens.take("GALICE", "shop", "t1", READER);
    let stream = FollowedByAnother { access: access.clone(), principal: principal.clone(), other: Mutex::default() };
    let stream = Arc::new(stream);
    let registration = access.register(&principal, None, stream.clone()).expect("registered");
    sign_out(&access, "GALICE").await;
    let other = stream.other.lock().expect("lock").take().expect("it was ended");
    assert_eq!(other.map(|_| ()), Err(AuthError::Revoked));
    drop(registration);
    assert_eq!(access.live_streams(), 0);
}

#[tokio::test]
async fn every_stream_of_a_crowd_is_ended_wherever_it_stands_on_the_list() {
    let service = FakeService::default();
    let access = service.without_tokens(service.settings()).await;
    let mut crowd: Vec<_> = (0..2000).map(|_| open_stream(&access, &Principal::open())).collect();
    // holes, as after a day of coming and going
    let mut at = 0;
    crowd.retain(|_| {
        at += 1;
        at % 3 > 0
    });
    key(&access, KeyKind::Bearer).await;
    assert!(crowd.iter().all(|(stream, _)| stream.ended() == Some(Ending::Revoked)));
    assert_eq!(access.live_streams(), crowd.len());
    drop(crowd);
    assert_eq!(access.live_streams(), 0);
}

#[tokio::test]
async fn whoever_was_recognised_is_looked_at_again_after_a_wait() {
    let service = FakeService::default();
    let access = service.without_tokens(service.settings()).await;
    let open = access.nobody().expect("open");
    assert_eq!(access.recheck(&open), Ok(()));
    let (made, text) = key(&access, KeyKind::Bearer).await;
    assert_eq!(access.recheck(&open), Err(AuthError::Missing), "the first key has closed it");
    let holder = access.bearer(text.expose()).await.expect("taken");
    let (alice, bob) = (service.tokens.take("GALICE", "shop", "t1", READER), service.tokens.take("GBOB", "shop", "t2", READER));
    for principal in [&holder, &alice, &bob, &Principal::anonymous(Rights::default())] {
        assert_eq!(access.recheck(principal), Ok(()));
    }
    access.revoke_key(&operator(), &made.tenant, &made.id).await.expect("revoked");
    sign_out(&access, "GALICE").await;
    assert_eq!([access.recheck(&holder), access.recheck(&alice)], [Err(AuthError::Revoked), Err(AuthError::Revoked)]);
    service.clock.set(5000);
    assert_eq!(access.recheck(&bob), Err(AuthError::Expired));
}

#[tokio::test]
async fn an_admin_cannot_revoke_those_above_it() {
    let service = FakeService::default();
    let access = service.instance().await;
    let above = service.tokens.take("GROOT", "shop", "t1", r#"{"role":"super_admin"}"#);
    let admin = service.tokens.take("GADMIN", "shop", "t2", r#"{"role":"admin"}"#);
    let wanted = new_key("shop", KeyKind::Bearer, r#"{"role":"super_admin"}"#);
    let (_, text) = access.create_key(&operator(), wanted).await.expect("made");
    let (stream, _registration) = open_stream(&access, &above);
    let shop = Some(LogName::new("shop"));
    let of_all = NewRevocation { tenant: shop.clone(), ..NewRevocation::default() };
    let of_it = NewRevocation { subject: Some("GROOT".into()), token_id: Some("t1".into()), ..of_all.clone() };
    for new in [of_it.clone(), of_all] {
        access.revoke(&Actor::from(&admin), new).await.expect("within its tenant");
    }
    assert_eq!(access.bearer("GADMIN").await, Err(AuthError::Revoked));
    assert_eq!((stream.ended(), access.bearer("GROOT").await.is_ok(), access.bearer(text.expose()).await.is_ok()), (None, true, true));
    access.revoke(&Actor::from(&above), NewRevocation { tenant: None, ..of_it }).await.expect("by one like it");
    assert_eq!((stream.ended(), access.bearer("GROOT").await), (Some(Ending::Revoked), Err(AuthError::Revoked)));
}
