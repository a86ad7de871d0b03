//! Keys that an issuer publishes.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::yield_now};

use super::{
    super::{Authorities, JwksSettings},
    server::KeyServer,
    signer::RSA,
    *,
};

const NEVER: Duration = Duration::from_secs(86_400);

fn subscriber(jwks: JwksSettings) -> Arc<Jwt> {
    Arc::new(service(&JwtSettings {
        jwks: Some(jwks),
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        ..JwtSettings::default()
    }))
}

#[tokio::test]
async fn a_token_is_verified_with_the_key_that_it_names_and_no_other() {
    let (elliptic, edwards, other) = (Signer::es256(), Signer::eddsa(), Signer::es256());
    let server = KeyServer::start(&[RSA.jwk("r"), elliptic.jwk("e"), edwards.jwk("d"), other.jwk("o")]).await;
    let jwt = subscriber(JwksSettings { spacing: NEVER, ..server.settings() });
    for (signer, kid) in [(&*RSA, "r"), (&elliptic, "e"), (&edwards, "d"), (&other, "o")] {
        assert!(verify(&jwt, &signer.token_of(kid, &good())).await.is_ok(), "{kid}");
    }
    assert_eq!(verify(&jwt, &elliptic.token_of("o", &good())).await, Err(TokenError::Signature));
    assert_eq!(verify(&jwt, &elliptic.token_of("r", &good())).await, Err(TokenError::Algorithm));
    assert_eq!(verify(&jwt, &elliptic.token_of("E", &good())).await, Err(TokenError::UnknownKey));
    assert_eq!(verify(&jwt, &Signer::Hs256(RSA.pem()).token_of("r", &good())).await, Err(TokenError::Algorithm));
    // without a name: only if there is just one key for the algorithm
    assert!(verify(&jwt, &RSA.token(&good())).await.is_ok());
    assert_eq!(verify(&jwt, &elliptic.token(&good())).await, Err(TokenError::UnknownKey));
    assert_eq!(server.requests(), ["/keys"]);
}

#[tokio::test]
async fn a_published_key_that_is_not_for_this_is_skipped_and_the_others_are_not() {
    let (signer, secret) = (Signer::eddsa(), Signer::hs256());
    let changed = |key: Value, member: &str, value: Value| {
        let mut key = key;
        key[member] = value;
        key
    };
    let small = json!({"kty": "RSA", "n": signer::base64url([0x9d; 128]), "e": "AQAB", "kid": "small"});
    let bad = [
        secret.jwk("secret"),
        small,
        changed(signer.jwk("encrypts"), "use", json!("enc")),
        changed(signer.jwk("signs"), "key_ops", json!(["sign"])),
        changed(signer.jwk("another alg"), "alg", json!("ES256")),
        changed(signer.jwk("an unknown alg"), "alg", json!("EdDSA2")),
        changed(signer.jwk("another curve"), "crv", json!("X25519")),
        changed(signer.jwk("no curve"), "crv", json!(7)),
        changed(signer.jwk("short"), "x", json!("AAAA")),
        changed(RSA.jwk("even exponent"), "e", json!("AQAC")),
        changed(RSA.jwk("no exponent"), "e", json!("AQ")),
        changed(RSA.jwk("huge exponent"), "e", json!("AQAAAAAAAAAB")),
        changed(RSA.jwk("another hash"), "alg", json!("RS512")),
        changed(Signer::es256().jwk("off the curve"), "y", json!(signer::base64url([1; 32]))),
        json!({"kty": "AKP", "kid": "of tomorrow"}),
        json!("nonsense"),
    ];
    let good_key = changed(signer.jwk("good"), "key_ops", json!(["verify"]));
    let mut keys = bad.to_vec();
    keys.extend([good_key, Signer::eddsa().jwk("good")]);
    let server = KeyServer::start(&keys).await;
    let jwt = subscriber(JwksSettings { spacing: NEVER, ..server.settings() });
    assert!(verify(&jwt, &signer.token_of("good", &good())).await.is_ok());
    for key in bad {
        let Some(kid) = key["kid"].as_str() else { continue };
        for signer in [&signer, &*RSA] {
            assert_eq!(verify(&jwt, &signer.token_of(kid, &good())).await, Err(TokenError::UnknownKey), "{kid}");
        }
        assert_eq!(verify(&jwt, &secret.token_of(kid, &good())).await, Err(TokenError::Algorithm), "{kid}");
    }
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_a_withdrawn_one_ends() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let server = KeyServer::start(&[old.jwk("old")]).await;
    let jwt = subscriber(server.settings());
    assert!(verify(&jwt, &old.token_of("old", &good())).await.is_ok());
    server.publish(&[new.jwk("new")]);
    assert!(verify(&jwt, &old.token_of("old", &good())).await.is_ok(), "not known to be withdrawn yet");
    assert!(verify(&jwt, &new.token_of("new", &good())).await.is_ok());
    assert_eq!(verify(&jwt, &old.token_of("old", &good())).await, Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn invented_names_of_keys_cause_no_flood_of_fetches() {
    let signer = Signer::es256();
    let server = KeyServer::start(&[signer.jwk("known")]).await;
    let jwt = subscriber(JwksSettings { spacing: NEVER, ..server.settings() });
    let tokens: Vec<String> = (0..50).map(|at| signer.token_of(&at.to_string(), &good())).collect();
    for result in join_all(tokens.iter().map(|token| verify(&jwt, token))).await {
        assert_eq!(result, Err(TokenError::UnknownKey));
    }
    assert!(verify(&jwt, &signer.token_of("known", &good())).await.is_ok());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn whoever_needs_a_fetch_shares_the_one_that_is_underway() {
    let signer = Signer::es256();
    let server = KeyServer::start(&[signer.jwk("a")]).await;
    server.hold();
    let jwt = subscriber(server.settings());
    let token = signer.token_of("a", &good());
    let waiting = join_all((0..20).map(|_| verify(&jwt, &token)));
    let released = async {
        server.asked(1).await;
        server.release();
    };
    let (results, ()) = tokio::join!(waiting, released);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_fetch_lands_though_whoever_wanted_it_has_gone() {
    let signer = Signer::es256();
    let server = KeyServer::start(&[signer.jwk("a")]).await;
    server.hold();
    let jwt = subscriber(JwksSettings { spacing: NEVER, ..server.settings() });
    let token = signer.token_of("a", &good());
    tokio::select! {
        biased;
        _ = verify(&jwt, &token) => panic!("the answer is held back"),
        () = server.asked(1) => {}
    }
    server.release();
    assert!(verify(&jwt, &token).await.is_ok());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn only_a_set_of_keys_in_a_plain_answer_is_taken() {
    let signer = Signer::es256();
    let server = KeyServer::start(&[]).await;
    let token = signer.token_of("a", &good());
    let set = json!({"keys": [signer.jwk("a")]}).to_string();
    let padded = |length: usize| set.clone().into_bytes().into_iter().chain(std::iter::repeat(b' ')).take(length).collect::<Vec<u8>>();
    for (status, body) in [
        ("302 Found\r\nLocation: /other", set.clone().into_bytes()),
        ("301 Moved Permanently\r\nLocation: http://127.0.0.1:1/", Vec::new()),
        ("404 Not Found", set.clone().into_bytes()),
        ("500 Internal Server Error", set.clone().into_bytes()),
        ("204 No Content", Vec::new()),
        ("200 OK", padded(64 * 1024 + 1)),
        ("200 OK", b"<html>".to_vec()),
        ("200 OK", b"[]".to_vec()),
        ("200 OK", Vec::new()),
    ] {
        server.answer(status, body);
        assert_eq!(verify(&subscriber(server.settings()), &token).await, Err(TokenError::KeysUnavailable), "{status}");
    }
    server.answer("200 OK", padded(64 * 1024));
    assert!(verify(&subscriber(server.settings()), &token).await.is_ok());
    assert!(server.requests().iter().all(|path| path == "/keys"));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let server = KeyServer::start(&[]).await;
    server.hold();
    let jwt = subscriber(JwksSettings { deadline: Duration::from_millis(100), ..server.settings() });
    assert_eq!(verify(&jwt, &Signer::es256().token_of("a", &good())).await, Err(TokenError::KeysUnavailable));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_asked() {
    let signer = Signer::es256();
    let (server, other) = (KeyServer::start(&[signer.jwk("a")]).await, KeyServer::start(&[]).await);
    let Authorities::Only(strangers) = other.settings().authorities else { unreachable!() };
    let jwt = subscriber(JwksSettings { authorities: Authorities::Only(strangers), ..server.settings() });
    assert_eq!(verify(&jwt, &signer.token_of("a", &good())).await, Err(TokenError::KeysUnavailable));
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn keys_outlive_a_failed_fetch_until_they_are_stale() {
    let signer = Signer::es256();
    let server = KeyServer::start(&[signer.jwk("a")]).await;
    let (known, unknown) = (signer.token_of("a", &good()), signer.token_of("b", &good()));
    for (stale, after) in [(NEVER, None), (Duration::ZERO, Some(TokenError::KeysUnavailable))] {
        server.publish(&[signer.jwk("a")]);
        let jwt = subscriber(JwksSettings { stale, ..server.settings() });
        assert!(verify(&jwt, &known).await.is_ok());
        assert_eq!(verify(&jwt, &unknown).await, Err(TokenError::UnknownKey));
        server.answer("503 Service Unavailable", Vec::new());
        assert_eq!(verify(&jwt, &unknown).await, Err(TokenError::KeysUnavailable), "it may be a new key's");
        assert_eq!(verify(&jwt, &known).await.err(), after);
        server.publish(&[signer.jwk("a"), signer.jwk("b")]);
        assert!(verify(&jwt, &unknown).await.is_ok(), "it heals");
    }
}

#[tokio::test]
async fn the_operators_own_keys_do_not_wait_for_the_issuers() {
    let (own, theirs) = (Signer::hs256(), Signer::es256());
    let server = KeyServer::start(&[theirs.jwk("a")]).await;
    server.answer("503 Service Unavailable", Vec::new());
    let jwt = service(&JwtSettings { jwks: Some(server.settings()), ..settings_for(&own) });
    assert!(verify(&jwt, &own.token_of("x", &good())).await.is_ok());
    assert_eq!(verify(&jwt, &Signer::hs256().token(&good())).await, Err(TokenError::Signature));
    assert_eq!(server.requests(), Vec::<String>::new());
    assert_eq!(verify(&jwt, &theirs.token_of("a", &good())).await, Err(TokenError::KeysUnavailable));
    assert!(verify(&jwt, &own.token(&good())).await.is_ok());
}

#[tokio::test]
async fn keys_are_fetched_again_in_the_background() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let server = KeyServer::start(&[old.jwk("old")]).await;
    let jwt = subscriber(JwksSettings { refresh: Duration::from_millis(1), spacing: NEVER, ..server.settings() });
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(jwt.clone().run(async move { drop(stopped.await) }));
    server.asked(1).await;
    assert!(verify(&jwt, &old.token_of("old", &good())).await.is_ok());
    server.publish(&[new.jwk("new")]);
    // the answer to the next request may have been on its way; the one behind it is known once a third is asked for
    server.asked(server.requests().len() + 3).await;
    assert_eq!(verify(&jwt, &old.token_of("old", &good())).await, Err(TokenError::UnknownKey));
    assert!(verify(&jwt, &new.token_of("new", &good())).await.is_ok());
    drop(stop);
    running.await.expect("it ends when it is told to");
}

#[tokio::test]
async fn it_stops_in_the_middle_of_a_fetch() {
    let server = KeyServer::start(&[]).await;
    server.hold();
    let jwt = subscriber(server.settings());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(jwt.run(async move { drop(stopped.await) }));
    server.asked(1).await;
    drop(stop);
    running.await.expect("it ends when it is told to");
    server.release();
    yield_now().await;
}
