//! What must stand in a token, and what becomes of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{Credential, Principal, Rights, Role},
    domain::LogName,
};

fn claims_error(text: &str) -> TokenError {
    TokenError::Claims(text.to_owned())
}

#[tokio::test]
async fn a_token_becomes_a_principal() {
    let signer = Signer::hs256();
    let token = signer.token(&with(json!({
        "tenant": "acme", "jti": "7", "aud": ["other", AUDIENCE],
        "chaincast": {"subscribe": {"users": ["self"]}, "publish": {"types": ["stream.*"]}, "role": "admin"},
    })));
    let claims = verify(&service(&settings_for(&signer)), &token).await.expect("good");
    let rights = r#"{"subscribe":{"users":["GALICE"]},"publish":{"types":["stream.*"]},"role":"admin"}"#;
    let expected = Claims {
        subject: Some("GALICE".into()),
        tenant: LogName::new("acme"),
        token_id: Some("7".into()),
        issued_at: Some(seconds(NOW - 60)),
        expires_at: seconds(NOW + 60 + 30),
        rights: Rights::parse(rights, None).expect("rights"),
    };
    assert_eq!(claims, expected);
    let principal = Principal::from(claims);
    assert_eq!((principal.credential, principal.expires_at), (Credential::Token, Some(seconds(NOW + 90))));
    assert_eq!(principal.rights.role, Role::Admin);
}

#[tokio::test]
async fn every_claim_is_held_against_its_rule() {
    use TokenError::{Audience, Expired, Issuer, NotYet};
    let signer = Signer::hs256();
    let jwt = service(&settings_for(&signer));
    let number = |claim: &str| claims_error(&format!("`{claim}` must be a number"));
    let since = |claim: &str| claims_error(&format!("`{claim}` must be seconds since 1970"));
    let table = [
        (json!({"exp": null}), claims_error("`exp` is missing")),
        (json!({"exp": NOW - 30}), Expired),
        (json!({"exp": NOW - 1_000_000}), Expired),
        (json!({"exp": 0}), Expired),
        (json!({"exp": NOW.to_string()}), number("exp")),
        (json!({"exp": [NOW]}), number("exp")),
        (json!({"exp": true}), number("exp")),
        (json!({"exp": -1}), since("exp")),
        (json!({"exp": -1e300}), since("exp")),
        (json!({"exp": u64::MAX}), since("exp")),
        (json!({"exp": 1e300}), since("exp")),
        (json!({"exp": NOW * 1000}), since("exp")),
        (json!({"nbf": NOW + 31}), NotYet),
        (json!({"nbf": "now"}), number("nbf")),
        (json!({"nbf": u64::MAX}), since("nbf")),
        (json!({"iat": NOW + 31}), NotYet),
        (json!({"iat": {}}), number("iat")),
        (json!({"iss": null}), Issuer),
        (json!({"iss": "https://issuer.example/"}), Issuer),
        (json!({"iss": [ISSUER]}), Issuer),
        (json!({"aud": null}), Audience),
        (json!({"aud": "Chaincast"}), Audience),
        (json!({"aud": []}), Audience),
        (json!({"aud": ["other", "another"]}), Audience),
        (json!({"aud": [AUDIENCE, 1]}), Audience),
        (json!({"aud": {"chaincast": true}}), Audience),
        (json!({"sub": 7}), claims_error("`sub` must be a string")),
        (json!({"sub": ""}), claims_error("`sub` must have 1 to 255 bytes")),
        (json!({"sub": "s".repeat(256)}), claims_error("`sub` must have 1 to 255 bytes")),
        (json!({"sub": "a\nb"}), claims_error("`sub` must not have control characters")),
        (json!({"jti": "\u{0}"}), claims_error("`jti` must not have control characters")),
        (json!({"tenant": 1}), claims_error("`tenant` must be a string")),
        (json!({"tenant": ""}), claims_error("`tenant` must not be empty")),
        (json!({"tenant": "a b"}), claims_error("`tenant` must be visible ASCII")),
        (json!({"chaincast": []}), claims_error("`chaincast` is not what rights are: rights, `subscribe` and `publish` are objects")),
        (
            json!({"chaincast": {"subscribe": {"al": true}}}),
            claims_error("`chaincast` is not what rights are: unknown field `al`, expected one of `streams`, `users`, `topics`, `all`"),
        ),
        (
            json!({"chaincast": {"subscribe": {"topics": ["a**"]}}}),
            claims_error(
                "`chaincast` has a bad selector: subscribe.topics `*` must be a whole segment, `**` the last one, and both only in a filter",
            ),
        ),
        (json!({"sub": null}), claims_error("`chaincast` says `self`, and there is no `sub`")),
        (json!({"sub": "not, a user"}), claims_error("`chaincast` has a bad selector: subscribe.users must be visible ASCII")),
    ];
    for (change, why) in table {
        assert_eq!(verify(&jwt, &signer.token(&with(change.clone()))).await.expect_err(&change.to_string()), why, "{change}");
    }
    for change in [
        json!({"exp": NOW - 29}),
        json!({"exp": NOW as f64 + 0.5}),
        json!({"nbf": NOW + 30}),
        json!({"iat": NOW + 30}),
        json!({"iat": null}),
    ] {
        assert!(verify(&jwt, &signer.token(&with(change.clone()))).await.is_ok(), "{change}");
    }
}

#[tokio::test]
async fn null_is_not_the_same_as_absent() {
    let signer = Signer::hs256();
    let jwt = service(&settings_for(&signer));
    for claim in ["exp", "nbf", "iat", "iss", "aud", "sub", "jti", "tenant", "chaincast"] {
        let mut claims = good();
        claims[claim] = Value::Null;
        assert!(verify(&jwt, &signer.token(&claims)).await.is_err(), "{claim}");
    }
}

#[tokio::test]
async fn a_payload_that_parsers_read_differently_is_refused() {
    let signer = Signer::hs256();
    let jwt = service(&settings_for(&signer));
    let text = good().to_string();
    let twice = |member: &str| format!("{}{member}}}", text.strip_suffix('}').expect("an object"));
    assert!(verify(&jwt, &signer.sign_text(r#"{"alg":"HS256"}"#, &twice(r#","more":{"a":1,"a":2}"#))).await.is_ok());
    let bad = [
        twice(r#","exp":9999999999"#),
        twice(r#","\u0065xp":9999999999"#),
        format!("[{text}]"),
        format!("{text}{text}"),
        String::new(),
        "null".to_owned(),
    ];
    for payload in bad {
        assert_eq!(verify(&jwt, &signer.sign_text(r#"{"alg":"HS256"}"#, &payload)).await, Err(TokenError::Malformed), "{payload}");
    }
    let rights_twice = text.replace(r#""chaincast":{"#, r#""chaincast":{"role":"none","role":"super_admin","#);
    assert!(matches!(verify(&jwt, &signer.sign_text(r#"{"alg":"HS256"}"#, &rights_twice)).await, Err(TokenError::Claims(_))));
}

#[tokio::test]
async fn a_token_ends_when_its_leeway_does() {
    let signer = Signer::hs256();
    let token = signer.token(&good());
    for leeway in [0, 30, 300] {
        let jwt = service(&JwtSettings { leeway: Duration::from_secs(leeway), ..settings_for(&signer) });
        let end = verify(&jwt, &token).await.expect("good").expires_at;
        let before = Timestamp::from_micros(end.as_micros() - 1);
        assert!(jwt.verify(&token, before).await.is_ok());
        assert_eq!(jwt.verify(&token, end).await, Err(TokenError::Expired));
    }
}

#[tokio::test]
async fn without_an_audience_of_ones_own_a_token_for_somebody_is_refused() {
    let signer = Signer::hs256();
    let jwt = service(&JwtSettings { audience: None, issuer: None, ..settings_for(&signer) });
    for audience in [json!("chaincast"), json!([]), json!(["chaincast"])] {
        assert_eq!(verify(&jwt, &signer.token(&with(json!({ "aud": audience })))).await, Err(TokenError::Audience));
    }
    assert!(verify(&jwt, &signer.token(&with(json!({"aud": null, "iss": "whoever"})))).await.is_ok());
}

#[tokio::test]
async fn a_token_without_rights_gets_the_default_ones_and_no_other_does() {
    let signer = Signer::hs256();
    let plain = signer.token(&with(json!({"chaincast": null})));
    let none = verify(&service(&settings_for(&signer)), &plain).await.expect("good").rights;
    assert_eq!(none, Rights::default());
    let default_rights = Some(r#"{"subscribe":{"users":["self"],"topics":["market.**"]}}"#.to_owned());
    let jwt = service(&JwtSettings { default_rights, ..settings_for(&signer) });
    let own = verify(&jwt, &plain).await.expect("good").rights;
    assert_eq!(own, Rights::parse(r#"{"subscribe":{"users":["GALICE"],"topics":["market.**"]}}"#, None).expect("rights"));
    assert_eq!(verify(&jwt, &signer.token(&with(json!({"chaincast": {}})))).await.expect("good").rights, Rights::default());
    let nobody = signer.token(&with(json!({"chaincast": null, "sub": null})));
    assert!(matches!(verify(&jwt, &nobody).await, Err(TokenError::Claims(_))));
}

#[tokio::test]
async fn the_claims_may_have_other_names() {
    let signer = Signer::hs256();
    let names = JwtSettings { rights_claim: "https://acme.example/rights".into(), tenant_claim: "org".into(), ..settings_for(&signer) };
    let token = signer.token(&with(json!({"https://acme.example/rights": {"role": "admin"}, "org": "acme", "tenant": "other"})));
    let claims = verify(&service(&names), &token).await.expect("good");
    assert_eq!((claims.tenant, claims.rights.role, claims.rights.subscribe.is_nothing()), (LogName::new("acme"), Role::Admin, true));
}
