use super::*;

fn admin_of(tenant: &str, service: &FakeService) -> Actor {
    Actor::from(&service.tokens.take("GADMIN", tenant, "t", r#"{"role":"admin"}"#))
}

fn forbidden<T: std::fmt::Debug>(result: Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Forbidden(_)))
}

#[tokio::test]
async fn an_admin_acts_for_its_own_tenant() {
    let service = FakeService::default();
    let access = service.instance().await;
    let admin = admin_of("shop", &service);
    let (shop, bank) = (LogName::new("shop"), LogName::new("bank"));
    let (own, _) = access.create_key(&admin, new_key("shop", KeyKind::Bearer, r#"{"role":"admin"}"#)).await.expect("own");
    let (other, _) = access.create_key(&operator(), new_key("bank", KeyKind::Bearer, "{}")).await.expect("made");
    let of_bank = NewRevocation { tenant: Some(bank.clone()), subject: Some("x".into()), ..NewRevocation::default() };
    let settings = TenantSettings::default();
    assert!(forbidden(access.create_key(&admin, new_key("bank", KeyKind::Bearer, "{}")).await));
    assert!(forbidden(access.rotate_key(&admin, &bank, &other.id, Duration::ZERO).await));
    assert_eq!(access.rotate_key(&admin, &shop, &other.id, Duration::ZERO).await, Err(AuthError::NotFound("key")));
    assert!(forbidden(access.revoke_key(&admin, &bank, &other.id).await));
    assert!(forbidden(access.revoke(&admin, of_bank.clone()).await));
    assert!(forbidden(access.revoke(&admin, NewRevocation { tenant: None, ..of_bank.clone() }).await));
    assert!(forbidden(access.set_tenant(&admin, &bank, &settings).await));
    assert!(forbidden(access.record_read(&admin, &bank, "curious").await));
    assert!(forbidden(access.keys(&admin, &bank)) && forbidden(access.audit_trail(&admin, None, 0, 9).await));
    let elsewhere = access.revoke(&operator(), of_bank).await.expect("revoked");
    assert_eq!(access.lift(&admin, &elsewhere.id).await, Err(AuthError::NotFound("revocation")));
    let here = NewRevocation { tenant: Some(shop.clone()), subject: Some("x".into()), ..NewRevocation::default() };
    let here = access.revoke(&admin, here).await.expect("own");
    assert_eq!(access.revocations(&admin), Ok(vec![here.clone()]));
    access.lift(&admin, &here.id).await.expect("own");
    access.set_tenant(&admin, &shop, &settings).await.expect("own");
    access.revoke_key(&admin, &shop, &own.id).await.expect("own");
    assert_eq!(access.keys(&admin, &shop).expect("own").len(), 1);
}

#[tokio::test]
async fn an_admin_gets_no_secret_of_anyone_who_may_do_more() {
    let service = FakeService::default();
    let access = service.instance().await;
    let admin = admin_of("shop", &service);
    let wanted = new_key("shop", KeyKind::Bearer, r#"{"role":"super_admin"}"#);
    assert!(forbidden(access.create_key(&admin, wanted.clone()).await));
    let (above, _) = access.create_key(&operator(), wanted).await.expect("made");
    assert!(forbidden(access.rotate_key(&admin, &above.tenant, &above.id, Duration::ZERO).await), "its new secret would be the admin's");
    assert!(forbidden(access.revoke_key(&admin, &above.tenant, &above.id).await));
}

#[tokio::test]
async fn whoever_looks_after_nothing_changes_nothing() {
    let service = FakeService::default();
    let access = service.instance().await;
    let nobody = Actor::from(&service.tokens.take("GALICE", "shop", "t", READER));
    let shop = LogName::new("shop");
    assert!(forbidden(access.create_key(&nobody, new_key("shop", KeyKind::Bearer, "{}")).await));
    assert!(forbidden(access.revoke(&nobody, NewRevocation { tenant: Some(shop.clone()), ..NewRevocation::default() }).await));
    assert!(forbidden(access.lift(&nobody, "x").await) && forbidden(access.keys(&nobody, &shop)));
    assert_eq!(service.store.trail(), Vec::<String>::new());
}

#[tokio::test]
async fn whoever_reaches_an_open_service_may_make_its_first_key() {
    let service = FakeService::default();
    let access = service.without_tokens(service.settings()).await;
    let first = new_key("default", KeyKind::Bearer, r#"{"role":"super_admin"}"#);
    access.create_key(&Actor::from(&access.nobody().expect("open")), first).await.expect("made");
    assert_eq!(access.nobody(), Err(AuthError::Missing));
}

#[tokio::test]
async fn every_change_is_recorded_with_who_made_it() {
    let service = FakeService::default();
    let access = service.instance().await;
    let admin = admin_of("shop", &service).because("ticket 17").expect("a reason");
    let (made, _) = access.create_key(&admin, new_key("shop", KeyKind::Bearer, "{}")).await.expect("made");
    access.rotate_key(&admin, &made.tenant, &made.id, Duration::ZERO).await.expect("rotated");
    access.revoke_key(&admin, &made.tenant, &made.id).await.expect("revoked");
    let new = NewRevocation { subject: Some("GBOB".into()), ..NewRevocation::default() };
    let revocation = access.revoke(&operator(), new).await.expect("revoked");
    access.lift(&operator(), &revocation.id).await.expect("lifted");
    access
        .set_tenant(&operator(), &made.tenant, &TenantSettings { max_connections: Some(7), ..TenantSettings::default() })
        .await
        .expect("set");
    access.record_read(&operator(), &made.tenant, "an incident").await.expect("recorded");
    let (key, revoked) = (&made.id, &revocation.id);
    let expected = [
        format!(
            r#"token:GADMIN key.created {key} (a key): {{"subscribe":{{"streams":[],"users":[],"topics":[],"all":false}},"role":"none"}}"#
        ),
        format!("token:GADMIN key.rotated {key}"),
        format!("token:GADMIN key.revoked {key}"),
        format!("cli:ops revocation.created {revoked} sub=GBOB"),
        format!("cli:ops revocation.lifted {revoked} sub=GBOB"),
        "cli:ops tenant.changed shop maxConnections=7".to_owned(),
        "cli:ops tenant.read shop".to_owned(),
    ];
    assert_eq!(service.store.trail(), expected);
    let trail = access.audit_trail(&admin, Some(&made.tenant), 0, 9).await.expect("own");
    assert_eq!(trail[0].entry.reason.as_deref(), Some("ticket 17"));
    assert_eq!(trail.last().and_then(|line| line.entry.reason.as_deref()), Some("an incident"));
}

#[tokio::test]
async fn what_a_super_admin_lifts_is_told_in_the_trail_of_the_tenant_that_it_is_about() {
    let service = FakeService::default();
    let (here, there) = (service.instance().await, service.instance().await);
    let admin = admin_of("shop", &service);
    let tenant = LogName::new("shop");
    let new = NewRevocation { tenant: Some(tenant.clone()), subject: Some("GBOB".into()), ..NewRevocation::default() };
    let made = there.revoke(&admin, new).await.expect("made");
    here.lift(&operator(), &made.id).await.expect("lifted, though this instance had not heard of it");
    let trail = here.audit_trail(&admin, Some(&tenant), 0, 9).await.expect("own");
    let told: Vec<_> = trail.iter().map(|line| (line.entry.actor.as_str(), line.entry.action.as_str())).collect();
    assert_eq!(told, [("token:GADMIN", "revocation.created"), ("cli:ops", "revocation.lifted")]);
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused_by_member() {
    let service = FakeService::default();
    let access = service.instance().await;
    let member = |result: Result<(), AuthError>| match result {
        Err(AuthError::Refused { member, .. }) => member,
        other => panic!("{other:?}"),
    };
    let plain = new_key("shop", KeyKind::Bearer, "{}");
    for (expected, new) in [
        ("name", NewKey { name: " ".into(), ..plain.clone() }),
        ("name", NewKey { name: "x".repeat(256), ..plain.clone() }),
        ("name", NewKey { name: "a\nb".into(), ..plain.clone() }),
        ("expiresAt", NewKey { expires_at: Some(at(1000)), ..plain }),
    ] {
        assert_eq!(member(access.create_key(&operator(), new).await.map(|_| ())), expected);
    }
    for (expected, new) in [
        ("revocation", NewRevocation::default()),
        ("subject", NewRevocation { subject: Some(String::new()), ..NewRevocation::default() }),
        ("expiresAt", NewRevocation { subject: Some("x".into()), expires_at: Some(at(999)), ..NewRevocation::default() }),
    ] {
        assert_eq!(member(access.revoke(&operator(), new).await.map(|_| ())), expected);
    }
    let (made, _) = key(&access, KeyKind::Bearer).await;
    let overlap = MAX_OVERLAP + Duration::from_secs(1);
    assert_eq!(member(access.rotate_key(&operator(), &made.tenant, &made.id, overlap).await.map(|_| ())), "overlap");
    access.rotate_key(&operator(), &made.tenant, &made.id, MAX_OVERLAP).await.expect("the longest");
    access.create_key(&operator(), NewKey { name: "x".repeat(255), ..new_key("shop", KeyKind::Bearer, "{}") }).await.expect("the longest");
    assert_eq!(member(access.record_read(&operator(), &made.tenant, "").await), "reason");
    let longest = format!("GET /events/subscribe: {}", "\u{1f980}".repeat(500));
    access.record_read(&operator(), &made.tenant, &longest).await.expect("the longest");
    assert_eq!(member(access.record_read(&operator(), &made.tenant, &"x".repeat(2101)).await), "reason");
}

#[tokio::test]
async fn a_key_whose_change_is_stored_is_shown_even_when_this_instance_cannot_load_it() {
    let service = FakeService::default();
    let access = service.instance().await;
    let mut held = service.store.hold_load();
    let making = tokio::spawn({
        let access = access.clone();
        async move { key(&access, KeyKind::Bearer).await }
    });
    held.reached().await;
    service.store.set_unreachable(true);
    held.release();
    let (_, text) = making.await.expect("shown");
    assert!(access.bearer(text.expose()).await.is_err());
    service.store.set_unreachable(false);
    access.refresh().await.expect("refreshed");
    assert!(access.bearer(text.expose()).await.is_ok());
}
