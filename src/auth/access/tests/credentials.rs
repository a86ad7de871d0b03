use super::*;
use crate::auth::{Credential, SigningSecret};

#[tokio::test]
async fn a_service_without_credentials_is_open_until_the_first_key_and_never_again() {
    let service = FakeService::default();
    let access = service.without_tokens(service.settings()).await;
    assert_eq!(access.nobody(), Ok(Principal::open()));
    let (stream, registered) = open_stream(&access, &Principal::open());
    let registration = registered.expect("open");
    let (made, _) = key(&access, KeyKind::Bearer).await;
    assert!(!access.is_open());
    assert_eq!(access.nobody(), Err(AuthError::Missing));
    assert_eq!(stream.ended(), Some(Ending::Revoked), "what was open to everyone is not any more");
    drop(registration);
    access.revoke_key(&operator(), &made.tenant, &made.id).await.expect("revoked");
    assert!(!access.is_open(), "a revoked key is a key");
    assert!(!service.without_tokens(service.settings()).await.is_open());
    assert_eq!(open_stream(&access, &Principal::open()).1.map(|_| ()), Err(AuthError::Revoked));
}

#[tokio::test]
async fn a_service_with_tokens_was_never_open() {
    let service = FakeService::default();
    assert_eq!(service.instance().await.nobody(), Err(AuthError::Missing));
}

#[tokio::test]
async fn everyone_may_do_what_the_operator_grants_everyone() {
    let service = FakeService::default();
    let rights = anonymous_rights(r#"{"subscribe":{"topics":["market.**"]}}"#).expect("rights");
    let access = service.without_tokens(AccessSettings { anonymous: Some(rights.clone()), ..service.settings() }).await;
    key(&access, KeyKind::Bearer).await;
    assert_eq!(access.nobody(), Ok(Principal::anonymous(rights)));
    let everything = NewRevocation { tenant: Some(LogName::new(LogName::DEFAULT)), ..NewRevocation::default() };
    access.revoke(&operator(), everything).await.expect("revoked");
    assert!(access.nobody().is_ok(), "there is no credential that could be revoked");
}

#[tokio::test]
async fn a_key_and_a_token_are_taken_and_everything_else_is_refused() {
    let service = FakeService::default();
    let access = service.instance().await;
    let alice = service.tokens.take("GALICE", "shop", "t1", READER);
    assert_eq!(access.bearer("GALICE").await, Ok(alice));
    let (made, text) = key(&access, KeyKind::Bearer).await;
    let principal = access.bearer(text.expose()).await.expect("taken");
    assert_eq!(principal.credential, Credential::Key(made.id.as_str().into()));
    let (_, another) = key(&access, KeyKind::Bearer).await;
    let mixed = format!("cck_{}{}", made.id, &another.expose()[16..]);
    for bad in [mixed.as_str(), "cck_", "cct_AAAA", "", "GBOB"] {
        assert!(matches!(access.bearer(bad).await, Err(AuthError::Invalid(_))), "{bad}");
    }
    service.clock.set(5000);
    assert_eq!(access.bearer("GALICE").await, Err(AuthError::Expired));
}

#[tokio::test]
async fn a_rotated_key_is_taken_with_either_secret_while_they_overlap() {
    let service = FakeService::default();
    let access = service.instance().await;
    let (made, old) = key(&access, KeyKind::Bearer).await;
    let overlap = Duration::from_secs(60);
    let (_, new) = access.rotate_key(&operator(), &made.tenant, &made.id, overlap).await.expect("rotated");
    assert_eq!(access.bearer(old.expose()).await.expect("overlap").expires_at, Some(at(1060)));
    service.clock.set(1060);
    assert!(access.bearer(old.expose()).await.is_err());
    assert!(access.bearer(new.expose()).await.is_ok());
}

#[tokio::test]
async fn a_signed_request_is_taken_with_the_secret_that_was_shown() {
    let service = FakeService::default();
    let access = service.instance().await;
    let (made, text) = key(&access, KeyKind::Signing).await;
    let sign = |text: &ShownOnce| SigningSecret::parse(text.expose()).expect("secret").signature("msg_1", "1000", b"{}");
    let ask = |id: &str, signature: &str, body: &[u8]| access.signed(id, &Signed::parse("msg_1", "1000", signature)?, body);
    let old = sign(&text);
    assert_eq!(ask(&made.id, &old, b"{}").expect("taken").credential, Credential::Signature(made.id.as_str().into()));
    assert!(ask(&made.id, &old, b"{} ").is_err());
    assert!(ask("abcdefghijkl", &old, b"{}").is_err());
    let (_, text) = access.rotate_key(&operator(), &made.tenant, &made.id, Duration::from_secs(60)).await.expect("rotated");
    assert_ne!(sign(&text), old);
    assert!(ask(&made.id, &sign(&text), b"{}").is_ok() && ask(&made.id, &old, b"{}").is_ok());
    service.clock.set(1060);
    assert!(ask(&made.id, &sign(&text), b"{}").is_ok());
    assert!(ask(&made.id, &old, b"{}").is_err());
    access.revoke_key(&operator(), &made.tenant, &made.id).await.expect("revoked");
    assert_eq!(ask(&made.id, &sign(&text), b"{}"), Err(AuthError::Revoked));
}

#[tokio::test]
async fn without_the_operators_secret_there_are_no_signing_keys() {
    let service = FakeService::default();
    let (made, text) = key(&service.instance().await, KeyKind::Signing).await;
    let access = service.without_tokens(AccessSettings { secret: None, ..service.settings() }).await;
    let wanted = new_key("shop", KeyKind::Signing, "{}");
    assert!(matches!(access.create_key(&operator(), wanted).await, Err(AuthError::Refused { member: "kind", .. })));
    let signature = SigningSecret::parse(text.expose()).expect("secret").signature("m", "1000", b"");
    let signed = Signed::parse("m", "1000", &signature).expect("whole");
    assert!(matches!(access.signed(&made.id, &signed, b""), Err(AuthError::Unavailable(_))), "this instance cannot tell");
    assert!(matches!(access.signed("unknown", &signed, b""), Err(AuthError::Invalid(_))));
}

#[tokio::test]
async fn neither_the_store_nor_anything_printed_has_a_secret() {
    let service = FakeService::default();
    let access = service.instance().await;
    let reader = service.tokens.take("GALICE", "shop", "t1", READER);
    let (record, bearer) = key(&access, KeyKind::Bearer).await;
    let (_, signing) = key(&access, KeyKind::Signing).await;
    let ticket = access.issue_ticket(&reader).await.expect("issued");
    let (_, used) = access.redeem(ticket.text.expose(), &[0; 32]).await.expect("redeemed");
    let refusal = access.bearer(&format!("{}x", bearer.expose())).await.expect_err("refused");
    let printed =
        format!("{access:?} {record:?} {bearer:?} {signing:?} {ticket:?} {used:?} {refusal:?} {refusal}{}", service.store.printed());
    for secret in [&bearer.expose()[17..], &signing.expose()[6..], &ticket.text.expose()[4..]] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}
