//! Tokens with real signatures, of keys that are made anew for each run.

mod claims;
mod forged;
mod key_files;
mod published;
mod server;
mod signer;

use secrecy::SecretString;

use self::signer::Signer;
use super::{Claims, Jwt, JwtSettings, TokenError};
use crate::domain::Timestamp;

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "chaincast";
/// When every token here is looked at, in seconds.
const NOW: i64 = 1_800_000_000;

/// Claims that are accepted by every service here.
fn good() -> serde_json::Value {
    serde_json::json!({
        "sub": "GALICE", "iss": ISSUER, "aud": AUDIENCE, "iat": NOW - 60, "exp": NOW + 60,
        "chaincast": {"subscribe": {"users": ["self"]}},
    })
}

/// [`good`] with other members; `null` takes one out.
fn with(changes: serde_json::Value) -> serde_json::Value {
    let mut claims = good();
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            serde_json::Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// Settings with issuer and audience, and the secret of `signer`.
fn settings_for(signer: &Signer) -> JwtSettings {
    let secret = signer.secret().map(SecretString::from);
    JwtSettings { secret, issuer: Some(ISSUER.to_owned()), audience: Some(AUDIENCE.to_owned()), ..JwtSettings::default() }
}

fn service(settings: &JwtSettings) -> Jwt {
    Jwt::new(settings).expect("settings")
}

async fn verify(jwt: &Jwt, token: &str) -> Result<Claims, TokenError> {
    jwt.verify(token, seconds(NOW)).await
}
