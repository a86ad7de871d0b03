//! A key, and the one algorithm that it is for.
//!
//! A key is checked when it is read, not when the first token fails: its kind, its size, and that it is the public half.

use std::{fs::File, io::Read as _, path::Path};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    crypto::{self, aws_lc::DEFAULT_PROVIDER},
};
use serde::Deserialize;

use super::{TokenError, token::Token};

/// The algorithm of a shared secret. A set of public keys never has one.
pub(super) const SYMMETRIC: Algorithm = Algorithm::HS256;
/// The smallest and largest RSA modulus, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// More than any public key needs.
const MAX_PEM_BYTES: u64 = 16 * 1024;

/// The algorithm of this name, spelt just so, if it is one of those that are accepted at all.
pub(super) fn accepted(name: &str) -> Option<Algorithm> {
    match name {
        "HS256" => Some(Algorithm::HS256),
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// Why a key is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// A private key: whoever can verify with it could sign with it.
    #[error("holds a private key: give its public half, as `openssl pkey -pubout` writes it")]
    Private,
    /// No PEM with one public key.
    #[error("must be one PEM block, BEGIN PUBLIC KEY")]
    NotPublic,
    /// Neither RSA nor P-256 nor Ed25519, or a point that is not on its curve.
    #[error("must be an RSA, P-256 or Ed25519 key")]
    Kind,
    /// An RSA key that is too small, or absurdly large.
    #[error("an RSA key must have {} to {} bits", RSA_BITS.start(), RSA_BITS.end())]
    Size,
}

/// A key.
pub(super) struct Key {
    /// Its name, in a set.
    pub(super) id: Option<Box<str>>,
    /// What it is for.
    pub(super) algorithm: Algorithm,
    material: DecodingKey,
}

impl Key {
    pub(super) fn from_secret(secret: &[u8]) -> Self {
        Self { id: None, algorithm: SYMMETRIC, material: DecodingKey::from_secret(secret) }
    }

    /// A public key as a file holds it.
    pub(super) fn from_pem(pem: &str) -> Result<Self, KeyFault> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(KeyFault::Private);
        }
        // a second block would be ignored, and a certificate is more than its key
        let public = pem.contains("-----BEGIN PUBLIC KEY-----") || pem.contains("-----BEGIN RSA PUBLIC KEY-----");
        if !public || pem.matches("-----BEGIN ").count() != 1 {
            return Err(KeyFault::NotPublic);
        }
        if let Ok(key) = DecodingKey::from_ec_pem(pem.as_bytes()) {
            return Self::elliptic(bytes(&key)?, &ECDSA_P256_SHA256_FIXED);
        }
        if let Ok(key) = DecodingKey::from_ed_pem(pem.as_bytes()) {
            return Self::edwards(bytes(&key)?);
        }
        let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyFault::Kind)?;
        let components = DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key;
        let (modulus, exponent) = components(bytes(&key)?).map_err(|_| KeyFault::Kind)?;
        Self::rsa(&modulus, &exponent)
    }

    /// A public key as a set holds it; `None` if it is not for this, or of a kind that is not accepted.
    pub(super) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let for_this = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
        if !for_this {
            return None;
        }
        let part = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Self::rsa(&part(&jwk.n)?, &part(&jwk.e)?),
            ("EC", Some("P-256")) => {
                let (x, y) = (part(&jwk.x)?, part(&jwk.y)?);
                let whole = x.len() == 32 && y.len() == 32;
                whole.then(|| Self::elliptic(&[&[4], &x[..], &y[..]].concat(), &ECDSA_P256_SHA256_FIXED))?
            }
            ("OKP", Some("Ed25519")) => Self::edwards(&part(&jwk.x)?),
            _ => return None,
        };
        let key = key.ok()?;
        // a set may say what a key is for, and then it is for nothing else
        let pinned = jwk.alg.as_deref().is_none_or(|alg| accepted(alg) == Some(key.algorithm));
        pinned.then(|| Self { id: jwk.kid.as_deref().map(Into::into), ..key })
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyFault> {
        let significant = modulus.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &modulus[at..]);
        let bits = significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyFault::Size);
        }
        // 3 and 65537 are what there is in practice; a huge one would make every verification slow
        let value = exponent.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        if exponent.len() > 4 || value < 3 || value % 2 == 0 {
            return Err(KeyFault::Kind);
        }
        Ok(Self { id: None, algorithm: Algorithm::RS256, material: DecodingKey::from_rsa_raw_components(significant, exponent) })
    }

    fn elliptic(point: &[u8], algorithm: &'static dyn VerificationAlgorithm) -> Result<Self, KeyFault> {
        // the curve is told by the length, and that the point is on it by the parser
        if point.len() != 65 || ParsedPublicKey::new(algorithm, point).is_err() {
            return Err(KeyFault::Kind);
        }
        Ok(Self { id: None, algorithm: Algorithm::ES256, material: DecodingKey::from_ec_der(point) })
    }

    fn edwards(point: &[u8]) -> Result<Self, KeyFault> {
        if point.len() != 32 || ParsedPublicKey::new(&ED25519, point).is_err() {
            return Err(KeyFault::Kind);
        }
        Ok(Self { id: None, algorithm: Algorithm::EdDSA, material: DecodingKey::from_ed_der(point) })
    }

    /// Whether a token is signed with it, in the way that it is for.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), TokenError> {
        if token.algorithm != self.algorithm {
            return Err(TokenError::Algorithm);
        }
        match crypto::verify(token.signature, token.message.as_bytes(), &self.material, self.algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(TokenError::Signature),
        }
    }
}

fn bytes(key: &DecodingKey) -> Result<&[u8], KeyFault> {
    key.try_get_as_bytes().map_err(|_| KeyFault::Kind)
}

/// Reads a file with a public key.
pub(super) fn read_pem(path: &Path) -> Result<Key, KeyFault> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_PEM_BYTES).read_to_string(&mut text));
    read.map_err(|error| KeyFault::Unreadable(error.to_string()))?;
    Key::from_pem(&text)
}

/// A key of a set (RFC 7517): what is looked at of it.
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}
