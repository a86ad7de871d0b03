use super::*;

fn spawn_run(access: &Arc<Access>) -> (watch::Sender<AccessVersion>, tokio::task::JoinHandle<()>) {
    let looks = watch::Sender::new(access.version());
    let running = tokio::spawn(access.clone().run(looks.subscribe(), std::future::pending()));
    (looks, running)
}

/// Waits until the instance has loaded what the store has.
async fn caught_up(access: &Access, version: AccessVersion) {
    until(|| access.version() >= version).await;
}

#[tokio::test]
async fn a_change_that_another_instance_made_is_followed() {
    let service = FakeService::default();
    let (here, there) = (service.instance().await, service.instance().await);
    let (looks, running) = spawn_run(&here);
    let (made, text) = key(&there, KeyKind::Bearer).await;
    looks.send_replace(service.store.version());
    caught_up(&here, service.store.version()).await;
    let (stream, _registration) = open_stream(&here, &here.bearer(text.expose()).await.expect("known here too"));
    there.revoke_key(&operator(), &made.tenant, &made.id).await.expect("revoked");
    looks.send_replace(service.store.version());
    until(|| stream.ended().is_some()).await;
    assert_eq!(stream.ended(), Some(Ending::Revoked));
    drop(looks);
    running.await.expect("it ends with the looks");
}

#[tokio::test]
async fn the_end_of_open_mode_is_told_wherever_the_first_key_was_made() {
    let service = FakeService::default();
    let (here, there) = (service.without_tokens(service.settings()).await, service.without_tokens(service.settings()).await);
    let (mut closed, closed_there) = (here.closed(), there.closed());
    let (looks, running) = spawn_run(&here);
    assert_eq!((*closed.borrow_and_update(), *closed_there.borrow()), (false, false));
    let (made, _) = key(&there, KeyKind::Bearer).await;
    assert!(*closed_there.borrow() && !there.is_open());
    looks.send_replace(service.store.version());
    closed.changed().await.expect("told");
    assert!(*closed.borrow_and_update() && !here.is_open());
    there.revoke_key(&operator(), &made.tenant, &made.id).await.expect("revoked");
    looks.send_replace(service.store.version());
    caught_up(&here, service.store.version()).await;
    assert!(!closed.has_changed().expect("open"), "it is told once");
    running.abort();
}

#[tokio::test]
async fn a_change_that_could_not_be_loaded_is_loaded_later() {
    let service = FakeService::default();
    let (here, there) = (service.instance().await, service.instance().await);
    let (_, text) = key(&there, KeyKind::Bearer).await;
    service.store.set_unreachable(true);
    let (looks, running) = spawn_run(&here);
    looks.send_replace(service.store.version());
    until(|| service.store.refused_loads() > 0).await;
    assert!(here.bearer(text.expose()).await.is_err());
    service.store.set_unreachable(false);
    caught_up(&here, service.store.version()).await;
    assert!(here.bearer(text.expose()).await.is_ok());
    running.abort();
}

#[tokio::test]
async fn what_has_expired_is_forgotten_until_the_service_stops() {
    let service = FakeService::default();
    let access = service.instance().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let looks = watch::Sender::new(access.version());
    let running = tokio::spawn(access.clone().run(looks.subscribe(), async { drop(stopped.await) }));
    until(|| service.store.forgotten() > 0).await;
    drop(stop);
    running.await.expect("stopped");
}

#[tokio::test]
async fn a_state_that_arrives_late_does_not_replace_a_newer_one() {
    let service = FakeService::default();
    let access = service.instance().await;
    let alice = service.tokens.take("GALICE", "shop", "t1", READER);
    let mut held = service.store.hold_load();
    let slow = tokio::spawn({
        let access = access.clone();
        async move { access.refresh().await }
    });
    held.reached().await;
    let new = NewRevocation { subject: Some("GALICE".into()), ..NewRevocation::default() };
    let revoking = tokio::spawn({
        let access = access.clone();
        async move { access.revoke(&operator(), new).await }
    });
    let before = access.version();
    until(|| service.store.version() > before).await;
    held.release();
    assert!(slow.await.expect("joined").is_ok());
    revoking.await.expect("joined").expect("revoked");
    assert_eq!(access.version(), service.store.version());
    assert_eq!(access.bearer("GALICE").await, Err(AuthError::Revoked));
    assert_eq!(open_stream(&access, &alice).1.map(|_| ()), Err(AuthError::Revoked));
}

/// Revokes a key and the tokens of two users, of which the store then knows nothing any more. Returns the key's text.
async fn gone_back(service: &FakeService, access: &Arc<Access>) -> ShownOnce {
    service.tokens.take("GALICE", "shop", "t1", READER);
    service.tokens.take("GBOB", "bank", "t2", READER);
    service.tokens.take("GCAROL", "shop", "t3", READER);
    let (made, text) = key(access, KeyKind::Bearer).await;
    let backup = service.store.backup();
    access.revoke_key(&operator(), &made.tenant, &made.id).await.expect("revoked");
    for subject in ["GALICE", "GBOB"] {
        let new = NewRevocation { subject: Some(subject.into()), ..NewRevocation::default() };
        access.revoke(&operator(), new).await.expect("revoked");
    }
    service.store.restore(backup);
    text
}

#[tokio::test]
async fn a_store_that_has_gone_back_brings_no_credential_back_and_is_followed_from_there() {
    let service = FakeService::default();
    let access = service.instance().await;
    let text = gone_back(&service, &access).await;
    let known = access.version();
    assert_eq!(access.refresh().await.expect("read"), service.store.version());
    // what comes next has a version that was there before, and counts
    let new = NewRevocation { subject: Some("GCAROL".into()), ..NewRevocation::default() };
    let later = access.revoke(&operator(), new).await.expect("revoked");
    assert!(access.version() < known, "the case is one");
    for credential in ["GALICE", "GBOB", "GCAROL", text.expose()] {
        assert_eq!(access.bearer(credential).await, Err(AuthError::Revoked));
    }
    access.lift(&operator(), &later.id).await.expect("lifted");
    assert!(access.bearer("GCAROL").await.is_ok(), "what the store knows can be lifted");
    assert_eq!(access.bearer("GALICE").await, Err(AuthError::Revoked), "however often the state is loaded");
    let restarted = service.instance().await;
    assert!(restarted.bearer("GALICE").await.is_ok() && restarted.bearer(text.expose()).await.is_ok(), "only those that ran know");
}

#[tokio::test]
async fn a_look_at_a_store_that_has_gone_back_loads_what_it_says() {
    let service = FakeService::default();
    let access = service.instance().await;
    let (looks, running) = spawn_run(&access);
    gone_back(&service, &access).await;
    looks.send_replace(service.store.version());
    until(|| access.version() == service.store.version()).await;
    assert_eq!(access.bearer("GALICE").await, Err(AuthError::Revoked));
    drop(looks);
    running.await.expect("it ends with the looks");
}

#[tokio::test]
async fn what_a_store_had_lost_and_has_again_is_lifted_as_ever() {
    let service = FakeService::default();
    let access = service.instance().await;
    service.tokens.take("GALICE", "shop", "t1", READER);
    let backup = service.store.backup();
    let new = NewRevocation { subject: Some("GALICE".into()), ..NewRevocation::default() };
    let revoked = access.revoke(&operator(), new).await.expect("revoked");
    let newest = service.store.backup();
    for state in [backup, newest] {
        service.store.restore(state);
        access.refresh().await.expect("read");
        assert_eq!(access.bearer("GALICE").await, Err(AuthError::Revoked));
    }
    access.lift(&operator(), &revoked.id).await.expect("lifted");
    assert!(access.bearer("GALICE").await.is_ok());
}

#[tokio::test]
async fn settings_of_tenants_are_told_when_they_change() {
    let service = FakeService::default();
    let access = service.instance().await;
    let mut tenants = access.tenants();
    key(&access, KeyKind::Bearer).await;
    assert!(!tenants.has_changed().expect("open"), "a key is no setting");
    let settings = TenantSettings { retention_days: Some(7), ..TenantSettings::default() };
    access.set_tenant(&operator(), &LogName::new("shop"), &settings).await.expect("set");
    tenants.changed().await.expect("open");
    assert_eq!(**tenants.borrow(), [(LogName::new("shop"), settings)]);
}
