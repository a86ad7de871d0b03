//! Tokens that somebody made up or bent. Each is refused, and none of them by luck: the token that it was made from is accepted.

use serde_json::json;

use super::{
    signer::{RSA, base64url},
    *,
};

/// A service with a secret and an RSA key, and who signs for it.
fn both() -> (Jwt, Signer) {
    let folder = tempfile::TempDir::new().expect("folder");
    let path = folder.path().join("key.pem");
    std::fs::write(&path, RSA.pem()).expect("written");
    let secret = Signer::hs256();
    (service(&JwtSettings { public_keys: vec![path], ..settings_for(&secret) }), secret)
}

async fn assert_refused(jwt: &Jwt, forged: Vec<(&str, String, TokenError)>) {
    for (what, token, why) in forged {
        assert_eq!(verify(jwt, &token).await.expect_err(what), why, "{what}");
    }
}

#[tokio::test]
async fn a_token_does_not_choose_how_it_is_verified() {
    use TokenError::{Algorithm, Malformed, Signature};
    let (jwt, secret) = both();
    let payload = good().to_string();
    let mut forged = Vec::new();
    for none in ["none", "None", "NONE", "nOnE", "", "HS384", "RS384", "PS256", "ES256K", "hs256", "RS256 ", "HS256\u{0}"] {
        let header = json!({"alg": none}).to_string();
        forged.push(("an algorithm that is not accepted", secret.sign_text(&header, &payload), Algorithm));
        forged.push(("and unsigned", format!("{}.{}.", base64url(&header), base64url(&payload)), Algorithm));
    }
    for alg in [json!(null), json!(0), json!(["HS256"]), json!({"alg": "HS256"})] {
        forged.push(("no name of an algorithm", secret.sign(&json!({ "alg": alg }), &payload), Malformed));
    }
    // whoever knows the public key must not be able to sign with it as if it were the secret
    for public in [RSA.pem(), RSA.pem().trim_end().to_owned(), RSA.pem().lines().filter(|line| !line.starts_with('-')).collect()] {
        forged.push(("the public key as a secret", Signer::Hs256(public).token(&good()), Signature));
    }
    forged.push(("an RSA signature that calls itself HS256", RSA.sign(&json!({"alg": "HS256"}), &payload), Signature));
    forged.push(("an HMAC that calls itself RS256", secret.sign(&json!({"alg": "RS256"}), &payload), Signature));
    forged.push(("a kind of key that there is none of", Signer::es256().token(&good()), Algorithm));
    forged.push(("an empty secret", Signer::Hs256(String::new()).token(&good()), Signature));
    let (own, url) = (Signer::eddsa(), "https://attacker.example/keys");
    for header in [
        json!({"alg": "EdDSA", "jwk": own.jwk("a")}),
        json!({"alg": "EdDSA", "jku": url, "kid": "a"}),
        json!({"alg": "EdDSA", "x5u": url}),
        json!({"alg": "EdDSA", "x5c": [base64url("x")]}),
        json!({"alg": "EdDSA", "kid": "../../../dev/null"}),
    ] {
        forged.push(("a key that the token brings along", own.sign(&header, &payload), Algorithm));
    }
    assert_refused(&jwt, forged).await;
    for signer in [&secret, &*RSA] {
        assert!(verify(&jwt, &signer.token(&good())).await.is_ok());
    }
}

#[tokio::test]
async fn a_bent_token_is_refused() {
    use TokenError::{Malformed, Signature};
    let (jwt, secret) = both();
    for signer in [&secret, &*RSA] {
        let token = signer.token(&good());
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let other = base64url(with(json!({"sub": "GMALLORY"})).to_string());
        let mut forged = vec![
            ("another payload", format!("{header}.{other}.{signature}"), Signature),
            ("another header", format!("{}.{payload}.{signature}", base64url(json!({"alg": signer.alg()}).to_string())), Signature),
            ("no signature", format!("{header}.{payload}."), Signature),
            ("half a signature", format!("{header}.{payload}.{}", &signature[..signature.len() / 2]), Signature),
            ("a longer signature", format!("{token}AAAA"), Signature),
            ("two parts", format!("{header}.{payload}"), Malformed),
            ("one part", header.to_owned(), Malformed),
            ("nothing", String::new(), Malformed),
            ("dots", "..".to_owned(), Malformed),
            ("a fourth part", format!("{token}."), Malformed),
            ("a dot in front", format!(".{token}"), Malformed),
            ("five parts", format!("{token}.{payload}.{signature}"), Malformed),
            ("a padded signature", format!("{token}=="), Signature),
            ("a padded payload", format!("{header}.{payload}=.{signature}"), Signature),
            ("a padded header", format!("{header}=.{payload}.{signature}"), Malformed),
            ("a line break at the end", format!("{token}\n"), Signature),
            ("a space in front", format!(" {token}"), Malformed),
            ("standard base64", format!("{header}.{payload}.{}", "+/".repeat(20)), Signature),
            ("beyond ASCII", format!("{header}.{payload}.ü"), Signature),
            ("huge", format!("{header}.{payload}.{}", "A".repeat(8 * 1024)), Malformed),
            ("a huge number of dots", ".".repeat(8 * 1024), Malformed),
        ];
        // the last character has bits that stand for nothing: setting one must not make a second spelling
        let last = signature.chars().last().expect("a character");
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let next = alphabet.chars().nth(alphabet.find(last).expect("base64url") + 1).expect("stray bits are zero");
        forged.push(("stray bits", format!("{}{next}", &token[..token.len() - 1]), Signature));
        assert_refused(&jwt, forged).await;
        assert!(verify(&jwt, &token).await.is_ok());
    }
}

#[tokio::test]
async fn a_header_that_asks_for_more_is_refused() {
    use TokenError::Malformed;
    let (jwt, secret) = both();
    let payload = good().to_string();
    let sign = |header: &str| secret.sign_text(header, &payload);
    let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(256));
    let forged = vec![
        ("an extension", sign(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#), Malformed),
        ("no extension, but said so", sign(r#"{"alg":"HS256","crit":[]}"#), Malformed),
        ("an unencoded payload", sign(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#), Malformed),
        ("two algorithms", sign(r#"{"alg":"none","alg":"HS256"}"#), Malformed),
        ("two, one in disguise", sign(r#"{"alg":"HS256","\u0061lg":"HS256"}"#), Malformed),
        ("a kid that is no string", sign(r#"{"alg":"HS256","kid":1}"#), Malformed),
        ("a long kid", sign(&long), Malformed),
        ("a list", sign(r#"["HS256"]"#), Malformed),
        ("no JSON", sign("HS256"), Malformed),
        ("text behind it", sign(r#"{"alg":"HS256"} x"#), Malformed),
        ("not UTF-8", format!("{}.{}.x", base64url([b'{', 0xff, b'}']), base64url(&payload)), Malformed),
    ];
    assert_refused(&jwt, forged).await;
    let known = r#"{"alg":"HS256","typ":"at+jwt","cty":"x","jku":"https://a.example","x5c":"nonsense","jwk":7}"#;
    assert!(verify(&jwt, &sign(known)).await.is_ok(), "what is not read does no harm");
}

#[tokio::test]
async fn no_error_shows_the_token_nor_what_its_claims_hold() {
    let (jwt, secret) = both();
    let claims = [
        json!({"chaincast": {"subscribe": {"topics": ["hunter2*"]}}}),
        json!({"chaincast": {"subscribe": {"all": "hunter2, expected hunter2 at line hunter2"}}}),
        json!({"chaincast": {"role": "hunter2"}}),
        json!({"chaincast": {"subscribe": "hunter2"}}),
        json!({"tenant": "hunter2 "}),
    ];
    for token in claims.map(|claims| secret.token(&with(claims))).into_iter().chain(["hunter2.hunter2.hunter2".to_owned()]) {
        let error = verify(&jwt, &token).await.expect_err("refused");
        let shown = format!("{error} {error:?} {}", error.description());
        assert!(!shown.contains("hunter2") && !shown.contains(&token), "{shown}");
    }
}
