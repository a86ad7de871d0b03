//! Issuers: keys of each kind, signing as RFC 7515 says and not with the library that verifies.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    rand::{self, SystemRandom},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

pub(super) enum Signer {
    Hs256(String),
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// One of each kind; RSA keys take a while to make.
pub(super) static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect("key")));

pub(super) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(super) fn hs256() -> Self {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).expect("randomness");
        Self::Hs256(STANDARD.encode(bytes))
    }

    pub(super) fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("key"))
    }

    pub(super) fn eddsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().expect("key"))
    }

    pub(super) fn alg(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    pub(super) fn secret(&self) -> Option<String> {
        match self {
            Self::Hs256(secret) => Some(secret.clone()),
            _ => None,
        }
    }

    /// A token of its own kind without a `kid`.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"typ": "JWT", "alg": self.alg()}), &claims.to_string())
    }

    /// A token that names its key.
    pub(super) fn token_of(&self, kid: &str, claims: &Value) -> String {
        self.sign(&json!({"alg": self.alg(), "kid": kid}), &claims.to_string())
    }

    /// Signs whatever is put into header and payload.
    pub(super) fn sign(&self, header: &Value, payload: &str) -> String {
        self.sign_text(&header.to_string(), payload)
    }

    pub(super) fn sign_text(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", base64url(header), base64url(payload));
        let signature = self.signature(message.as_bytes());
        format!("{message}.{}", base64url(signature))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Hs256(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message).as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("signed");
                signature
            }
            Self::Es256(key) => key.sign(&random, message).expect("signed").as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// The public half as `openssl pkey -pubout` writes it.
    pub(super) fn pem(&self) -> String {
        let der = match self {
            Self::Hs256(_) => unreachable!("a secret has no public half"),
            Self::Rs256(key) => der(key.public_key()),
            Self::Es256(key) => der(key.public_key()),
            Self::EdDsa(key) => der(key.public_key()),
        };
        pem("PUBLIC KEY", &der)
    }

    /// The public half as a member of a JWK set.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Hs256(secret) => json!({"kty": "oct", "k": base64url(secret), "alg": "HS256", "kid": kid}),
            Self::Rs256(key) => {
                let parts = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({"kty": "RSA", "n": base64url(parts.n), "e": base64url(parts.e), "kid": kid, "use": "sig"})
            }
            Self::Es256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y), "kid": kid})
            }
            Self::EdDsa(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key()), "kid": kid, "alg": "EdDSA"}),
        }
    }
}

fn der(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Vec<u8> {
    key.as_der().expect("DER").as_ref().to_vec()
}

pub(super) fn pem(tag: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", lines.join("\n"))
}
