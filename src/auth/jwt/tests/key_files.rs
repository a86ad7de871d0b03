//! The operator's own keys.

use std::path::PathBuf;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use tempfile::TempDir;

use super::{
    super::{JwtConfigError, KeyFault},
    signer::{RSA, pem},
    *,
};

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    path
}

fn with_files(texts: &[String]) -> Result<Jwt, JwtConfigError> {
    let folder = TempDir::new().expect("folder");
    let public_keys = texts.iter().enumerate().map(|(at, text)| file(&folder, &format!("{at}.pem"), text)).collect();
    Jwt::new(&JwtSettings { public_keys, audience: Some(AUDIENCE.to_owned()), ..JwtSettings::default() })
}

fn fault(text: String) -> KeyFault {
    match with_files(&[text]) {
        Err(JwtConfigError::KeyFile { fault, .. }) => fault,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[tokio::test]
async fn each_of_the_four_algorithms_is_verified_with_its_key() {
    let (elliptic, edwards, secret) = (Signer::es256(), Signer::eddsa(), Signer::hs256());
    let by_file = with_files(&[RSA.pem(), elliptic.pem(), edwards.pem()]).expect("keys");
    for signer in [&*RSA, &elliptic, &edwards] {
        let subject = verify(&by_file, &signer.token(&good())).await.map(|claims| claims.subject);
        assert_eq!(subject, Ok(Some("GALICE".into())), "{}", signer.alg());
        // the operator's keys have no names, whatever the token calls its own
        assert!(verify(&by_file, &signer.token_of("2026-02", &good())).await.is_ok(), "{}", signer.alg());
        assert_eq!(verify(&service(&settings_for(&secret)), &signer.token(&good())).await, Err(TokenError::Algorithm));
    }
    assert!(verify(&service(&settings_for(&secret)), &secret.token(&good())).await.is_ok());
    assert_eq!(verify(&by_file, &secret.token(&good())).await, Err(TokenError::Algorithm));
}

#[tokio::test]
async fn of_two_keys_of_a_kind_either_verifies() {
    let (old, new, other) = (Signer::es256(), Signer::es256(), Signer::es256());
    let jwt = with_files(&[old.pem(), new.pem()]).expect("keys");
    for signer in [&old, &new] {
        assert!(verify(&jwt, &signer.token(&good())).await.is_ok());
    }
    assert_eq!(verify(&jwt, &other.token(&good())).await, Err(TokenError::Signature));
}

#[tokio::test]
async fn without_keys_nothing_is_accepted() {
    let jwt = service(&JwtSettings::default());
    assert!(!jwt.is_configured());
    assert!(verify(&jwt, &Signer::hs256().token(&good())).await.is_err());
}

#[test]
fn a_file_that_is_no_public_key_is_refused_with_its_path() {
    let Signer::EdDsa(private) = Signer::eddsa() else { unreachable!() };
    let private: Pkcs8V1Der<'_> = private.as_der().expect("DER");
    assert_eq!(fault(pem("PRIVATE KEY", private.as_ref())), KeyFault::Private);
    assert_eq!(fault(pem("CERTIFICATE", b"x")), KeyFault::NotPublic);
    assert_eq!(fault(String::new()), KeyFault::NotPublic);
    assert_eq!(fault(pem("PUBLIC KEY", b"x")), KeyFault::Kind);
    assert_eq!(fault(RSA.pem() + &Signer::es256().pem()), KeyFault::NotPublic);
    let missing = Jwt::new(&JwtSettings { public_keys: vec!["/nowhere/key.pem".into()], ..JwtSettings::default() });
    let text = missing.err().expect("refused").to_string();
    assert!(text.starts_with("CHAINCAST_JWT_PUBLIC_KEYS: /nowhere/key.pem: No such file"), "{text}");
}

#[test]
fn a_small_rsa_key_is_refused() {
    let modulus = [0x9d; 128];
    let pkcs1 = [&[0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00], &modulus[..], &[0x02, 0x03, 0x01, 0x00, 0x01]].concat();
    assert_eq!(fault(pem("RSA PUBLIC KEY", &pkcs1)), KeyFault::Size);
}

#[test]
fn a_curve_that_is_not_accepted_is_refused() {
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
    let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("key");
    assert_eq!(fault(Signer::Es256(key).pem()), KeyFault::Kind);
}

#[test]
fn a_public_key_is_no_secret() {
    let settings = JwtSettings { secret: Some(RSA.pem().into()), ..JwtSettings::default() };
    assert_eq!(settings.check(), Err(JwtConfigError::SecretIsPem));
}
