//! With which keys tokens are checked, and what must stand in them.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser as NotEmpty;

use super::{Secret, access::given};
use crate::auth::{JwksSettings, JwtSettings};

/// With which keys tokens are checked, and what must stand in them.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "JSON Web Tokens [jwt]")]
pub struct Jwt {
    /// The secret of tokens signed with HS256, at least 32 bytes; better given as the variable, since other users of the machine see flags
    #[arg(long, env = "CHAINCAST_JWT_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub jwt_secret: Option<Secret>,
    /// PEM files with public keys: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)
    #[arg(long, env = "CHAINCAST_JWT_PUBLIC_KEYS", value_name = "PATH,…", value_delimiter = ',')]
    pub jwt_public_keys: Vec<String>,
    /// Where an issuer publishes its keys, an https URL; needs an issuer and an audience
    #[arg(long, env = "CHAINCAST_JWKS_URL", value_name = "URL", hide_env_values = true, value_parser = jwks_url)]
    pub jwks_url: Option<Secret>,
    /// How often these keys are fetched
    #[arg(long, env = "CHAINCAST_JWKS_REFRESH_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(10..=86_400), default_value_t = Jwt::default().jwks_refresh_seconds)]
    pub jwks_refresh_seconds: u64,
    /// How long they are used after the last fetch that succeeded
    #[arg(long, env = "CHAINCAST_JWKS_STALE_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(10..=2_592_000), default_value_t = Jwt::default().jwks_stale_seconds)]
    pub jwks_stale_seconds: u64,
    /// What `iss` of a token must be
    #[arg(long, env = "CHAINCAST_JWT_ISSUER", value_name = "ISSUER", value_parser = NotEmpty::new())]
    pub jwt_issuer: Option<String>,
    /// What `aud` of a token must contain; without it, a token that is for an audience is refused
    #[arg(long, env = "CHAINCAST_JWT_AUDIENCE", value_name = "AUDIENCE", value_parser = NotEmpty::new())]
    pub jwt_audience: Option<String>,
    /// By how many seconds the clocks of issuer and service may differ
    #[arg(long, env = "CHAINCAST_JWT_LEEWAY_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(..=300), default_value_t = Jwt::default().jwt_leeway_seconds)]
    pub jwt_leeway_seconds: u64,
    /// The claim with a token's rights, an object
    #[arg(long, env = "CHAINCAST_JWT_RIGHTS_CLAIM", value_name = "NAME",
        value_parser = NotEmpty::new(), default_value_t = Jwt::default().jwt_rights_claim)]
    pub jwt_rights_claim: String,
    /// The claim with a token's tenant
    #[arg(long, env = "CHAINCAST_JWT_TENANT_CLAIM", value_name = "NAME",
        value_parser = NotEmpty::new(), default_value_t = Jwt::default().jwt_tenant_claim)]
    pub jwt_tenant_claim: String,
    /// The rights of a token without that claim, such as `{"subscribe":{"users":["self"]}}`; the default is none
    #[arg(long, env = "CHAINCAST_JWT_DEFAULT_RIGHTS", value_name = "JSON", value_parser = NotEmpty::new())]
    pub jwt_default_rights: Option<String>,
}

impl Default for Jwt {
    fn default() -> Self {
        let settings = JwtSettings::default();
        let jwks = JwksSettings::new("");
        Self {
            jwt_secret: None,
            jwt_public_keys: Vec::new(),
            jwks_url: None,
            jwks_refresh_seconds: jwks.refresh.as_secs(),
            jwks_stale_seconds: jwks.stale.as_secs(),
            jwt_issuer: None,
            jwt_audience: None,
            jwt_leeway_seconds: settings.leeway.as_secs(),
            jwt_rights_claim: settings.rights_claim,
            jwt_tenant_claim: settings.tenant_claim,
            jwt_default_rights: None,
        }
    }
}

impl Jwt {
    /// Whether files with keys were asked for, and none is named: an empty variable would leave the service open.
    pub(super) fn names_no_key(&self) -> bool {
        !self.jwt_public_keys.is_empty() && given(&self.jwt_public_keys).is_empty()
    }

    /// What tokens are checked with and against.
    #[must_use]
    pub fn settings(&self) -> JwtSettings {
        let jwks = |url: &Secret| JwksSettings {
            refresh: Duration::from_secs(self.jwks_refresh_seconds),
            stale: Duration::from_secs(self.jwks_stale_seconds),
            ..JwksSettings::new(url.expose())
        };
        JwtSettings {
            secret: self.jwt_secret.as_ref().map(Secret::to_secrecy),
            // `a.pem, b.pem,` in a file of variables is two
            public_keys: given(&self.jwt_public_keys).into_iter().map(Into::into).collect(),
            jwks: self.jwks_url.as_ref().map(jwks),
            issuer: self.jwt_issuer.clone(),
            audience: self.jwt_audience.clone(),
            leeway: Duration::from_secs(self.jwt_leeway_seconds),
            rights_claim: self.jwt_rights_claim.clone(),
            tenant_claim: self.jwt_tenant_claim.clone(),
            default_rights: self.jwt_default_rights.clone(),
        }
    }
}

/// A URL, which some issuers have a key in.
fn jwks_url(text: &str) -> Result<Secret, String> {
    if text.is_empty() { Err("must not be empty (URL is wanted)".to_owned()) } else { Ok(Secret::from(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::JwtConfigError,
        config::{Config, ConfigError},
    };

    const SECRET: &str = "a secret of a test, and of nothing else";

    fn refusal(jwt: Jwt) -> String {
        Config { jwt, ..Config::default() }.check().expect_err("refused").to_string()
    }

    #[test]
    fn the_secret_is_not_shown_with_the_settings() {
        let jwt = Jwt { jwt_secret: Some(SECRET.parse().expect("infallible")), ..Jwt::default() };
        assert_eq!(Config { jwt: jwt.clone(), ..Config::default() }.check(), Ok(()));
        let shown = format!("{jwt:?} {:?}", jwt.settings());
        assert!(!shown.contains(SECRET), "{shown}");
    }

    #[test]
    fn a_short_secret_is_refused_and_not_shown() {
        let text = refusal(Jwt { jwt_secret: Some("hunter2".parse().expect("infallible")), ..Jwt::default() });
        assert!(text.contains("CHAINCAST_JWT_SECRET") && text.contains("32 bytes") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_issuers_keys_need_an_issuer_and_an_audience() {
        let url = |url: &str| Jwt { jwks_url: Some(url.into()), ..Jwt::default() };
        let text = refusal(url("https://issuer.example/jwks.json"));
        assert!(text.contains("CHAINCAST_JWT_ISSUER and CHAINCAST_JWT_AUDIENCE"), "{text}");
        for bad in
            ["http://issuer.example/jwks.json", "https://user:pass@issuer.example/", "file:///etc/keys", "issuer.example", "https://"]
        {
            let jwt = Jwt { jwt_issuer: Some("i".into()), jwt_audience: Some("a".into()), ..url(bad) };
            assert_eq!(Config { jwt, ..Config::default() }.check(), Err(ConfigError::Jwt(JwtConfigError::JwksUrl)), "{bad}");
        }
        let complete = Jwt { jwt_issuer: Some("i".into()), jwt_audience: Some("a".into()), ..url("https://issuer.example/jwks.json") };
        assert_eq!(Config { jwt: complete.clone(), ..Config::default() }.check(), Ok(()));
        let jwt = Jwt { jwks_stale_seconds: complete.jwks_refresh_seconds - 1, ..complete };
        assert!(refusal(jwt).contains("CHAINCAST_JWKS_STALE_SECONDS"));
    }

    #[test]
    fn a_rule_for_tokens_without_a_key_is_refused() {
        let text = refusal(Jwt { jwt_issuer: Some("https://issuer.example".into()), ..Jwt::default() });
        assert!(text.starts_with("CHAINCAST_JWT_ISSUER is set, but no key"), "{text}");
    }

    #[test]
    fn default_rights_are_read_at_start() {
        let jwt = |rights: &str| Jwt {
            jwt_secret: Some(SECRET.parse().expect("infallible")),
            jwt_default_rights: Some(rights.to_owned()),
            ..Jwt::default()
        };
        let config = Config { jwt: jwt(r#"{"subscribe":{"users":["self"]}}"#), ..Config::default() };
        assert_eq!(config.check(), Ok(()));
        assert!(refusal(jwt(r#"{"subscribes":{}}"#)).starts_with("CHAINCAST_JWT_DEFAULT_RIGHTS: unknown field"));
    }

    #[test]
    fn blank_paths_are_none() {
        let jwt = Jwt { jwt_public_keys: vec!["a.pem".into(), " b.pem".into(), "".into()], ..Jwt::default() };
        assert_eq!(jwt.settings().public_keys, ["a.pem", "b.pem"].map(std::path::PathBuf::from));
    }
}
