//! Tokens that the service's own secret signs: for development and tests, where no identity provider is at hand.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::{Jwt, JwtConfigError, JwtSettings, TokenError};
use crate::domain::Timestamp;

/// A token that is wanted; `iss` and `aud` are as the service wants them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WantedToken {
    /// `sub`.
    pub subject: Option<String>,
    /// Its tenant; without one, the service's default.
    pub tenant: Option<String>,
    /// What it allows; without it, what tokens without rights are allowed.
    pub rights: Option<Value>,
    /// How long it holds.
    pub expires_in: Duration,
}

/// Why no token is made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// Public keys verify; they cannot sign.
    #[error(
        "CHAINCAST_JWT_SECRET is not set, and only whoever has it, or a private key, can sign tokens: set it (at least 32 bytes) for development, \
         or have your identity provider make the token"
    )]
    NoSecret,
    /// The settings would not let the service start.
    #[error(transparent)]
    Settings(#[from] JwtConfigError),
    /// The service would refuse it.
    #[error("the service would refuse such a token: {0}")]
    Refused(#[from] TokenError),
}

impl WantedToken {
    /// Signs it, and has it verified as the service would.
    ///
    /// # Errors
    /// [`MintError`].
    pub async fn mint(&self, settings: &JwtSettings, now: Timestamp) -> Result<String, MintError> {
        let secret = settings.secret.as_ref().ok_or(MintError::NoSecret)?;
        let service = Jwt::new(settings)?;
        let message = format!("{}.{}", encoded(&json!({"alg": "HS256", "typ": "JWT"})), encoded(&self.claims(settings, now)));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let signature = hmac::sign(&key, message.as_bytes());
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        service.verify(&token, now).await?;
        Ok(token)
    }

    fn claims(&self, settings: &JwtSettings, now: Timestamp) -> Value {
        let issued = now.as_micros().div_euclid(1_000_000);
        let expires = issued.saturating_add_unsigned(self.expires_in.as_secs());
        let mut claims = Map::from_iter([("iat".to_owned(), json!(issued)), ("exp".to_owned(), json!(expires))]);
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let given = [
            ("sub", text(&self.subject)),
            ("iss", text(&settings.issuer)),
            ("aud", text(&settings.audience)),
            (&settings.tenant_claim, text(&self.tenant)),
            (&settings.rights_claim, self.rights.clone()),
        ];
        claims.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        claims.into()
    }
}

/// What a token says, without a look at its signature: for whoever wonders, never for whoever decides. `None` when it is none.
#[must_use]
pub fn claims_unverified(token: &str) -> Option<Value> {
    let mut parts = token.trim().split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of a test, and of nothing else";

    fn settings() -> JwtSettings {
        JwtSettings {
            secret: Some(SECRET.into()),
            issuer: Some("me".into()),
            audience: Some("us".into()),
            tenant_claim: "org".into(),
            ..JwtSettings::default()
        }
    }

    #[tokio::test]
    async fn a_token_is_as_the_settings_want_it() {
        let now = Timestamp::now();
        let wanted = WantedToken {
            subject: Some("ann".into()),
            tenant: Some("acme".into()),
            rights: Some(json!({"subscribe": {"users": ["self"]}})),
            expires_in: Duration::from_secs(60),
        };
        let token = wanted.mint(&settings(), now).await.expect("made");
        let claims = Jwt::new(&settings()).expect("valid").verify(&token, now).await.expect("accepted");
        assert_eq!((claims.subject.as_deref(), claims.tenant.as_str()), (Some("ann"), "acme"));
        let shown = claims_unverified(&token).expect("a token");
        assert_eq!((&shown["iss"], &shown["aud"], &shown["org"]), (&json!("me"), &json!("us"), &json!("acme")));
        assert_eq!(shown["exp"].as_i64().expect("a number") - shown["iat"].as_i64().expect("a number"), 60);
    }

    #[tokio::test]
    async fn no_token_is_made_that_would_be_refused_or_that_nobody_can_sign() {
        let mint = async |wanted: WantedToken, settings| wanted.mint(&settings, Timestamp::now()).await.expect_err("refused").to_string();
        let hour = WantedToken { expires_in: Duration::from_secs(3600), ..WantedToken::default() };
        assert!(mint(hour.clone(), JwtSettings { secret: None, ..settings() }).await.starts_with("CHAINCAST_JWT_SECRET is not set"));
        let misspelt = WantedToken { rights: Some(json!({"subscribes": {}})), ..hour.clone() };
        assert!(mint(misspelt, settings()).await.contains("unknown field"));
        assert!(mint(WantedToken { tenant: Some("no name".into()), ..hour }, settings()).await.contains("`org`"));
        assert_eq!((claims_unverified("a.b"), claims_unverified("")), (None, None));
    }
}
