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
    access.revoke(&operator(), new).await.expect("revoked");
    held.release();
    assert_eq!(slow.await.expect("joined").expect("refreshed"), service.store.version());
    assert_eq!(access.bearer("GALICE").await, Err(AuthError::Revoked));
    assert_eq!(open_stream(&access, &alice).1.map(|_| ()), Err(AuthError::Revoked));
}

#[tokio::test]
async fn a_store_that_has_gone_back_brings_no_credential_back() {
    let service = FakeService::default();
    let access = service.instance().await;
    service.tokens.take("GALICE", "shop", "t1", READER);
    let backup = service.store.backup();
    let new = NewRevocation { subject: Some("GALICE".into()), ..NewRevocation::default() };
    access.revoke(&operator(), new).await.expect("revoked");
    let newest = access.version();
    service.store.restore(backup);
    assert_eq!(access.refresh().await.expect("read"), newest);
    assert_eq!(access.bearer("GALICE").await, Err(AuthError::Revoked));
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
