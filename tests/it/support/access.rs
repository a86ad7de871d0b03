//! Credentials as an identity provider and an operator hand them out, made without a word of the service's own code.

use aws_lc_rs::hmac;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::process::Settings;

/// Whose tokens the service takes in these tests.
pub(crate) struct Issuer {
    secret: String,
}

impl Issuer {
    /// One with a secret of its own.
    pub(crate) fn new() -> Self {
        Self { secret: format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..)) }
    }

    /// Has a service take this issuer's tokens.
    pub(crate) fn trusted_by(&self, settings: Settings) -> Settings {
        settings
            .with("CHAINCAST_JWT_SECRET", &self.secret)
            .with("CHAINCAST_JWT_AUDIENCE", "chaincast")
            .with("CHAINCAST_JWT_ISSUER", "https://id.example")
    }

    /// A token with these claims beside those that every token has; `null` leaves one out.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let now = now();
        let mut all = json!({"iss": "https://id.example", "aud": "chaincast", "iat": now, "exp": now + 3600});
        for (name, value) in claims.as_object().expect("claims are an object") {
            all[name] = value.clone();
        }
        all.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        self.sign(&json!({"alg": "HS256", "typ": "JWT"}), &all)
    }

    /// Whatever, signed with HS256 whatever its header says.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signature = hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token of `subject` in `tenant` with these rights.
    pub(crate) fn rights(&self, tenant: &str, subject: &str, rights: &Value) -> String {
        self.token(&json!({"sub": subject, "tenant": tenant, "chaincast": rights}))
    }

    /// What must appear nowhere.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The headers of the Standard Webhooks form for a body, signed with a secret as it is shown (`whsec_…`).
pub(crate) fn signed_headers(secret: &str, id: &str, timestamp: u64, body: &str) -> [(&'static str, String); 3] {
    let bytes = STANDARD.decode(secret.strip_prefix("whsec_").expect("a signing secret")).expect("base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
    let signature = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", format!("v1,{}", STANDARD.encode(signature))),
    ]
}
