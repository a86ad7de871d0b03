//! What tokens are checked with and against, and which of it does not go together.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::{fetch, key::KeyFault};
use crate::auth::{Rights, Role};

/// The shortest secret, in bytes: as long as the digest that it keys (RFC 7518 §3.2).
const MIN_SECRET_BYTES: usize = 32;
/// The most keys in files: a token without a name of its key is held against each of them.
const MAX_KEY_FILES: usize = 16;
/// The most that clocks may differ.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// What tokens are checked with and against.
#[derive(Clone, Debug)]
pub struct JwtSettings {
    /// The secret of HS256.
    pub secret: Option<SecretString>,
    /// PEM files with public keys.
    pub public_keys: Vec<PathBuf>,
    /// Where an issuer publishes its keys.
    pub jwks: Option<JwksSettings>,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must contain.
    pub audience: Option<String>,
    /// How much clocks may differ.
    pub leeway: Duration,
    /// Which claim has the rights.
    pub rights_claim: String,
    /// Which claim has the tenant.
    pub tenant_claim: String,
    /// The rights of a token without that claim, as JSON.
    pub default_rights: Option<String>,
}

impl Default for JwtSettings {
    fn default() -> Self {
        Self {
            secret: None,
            public_keys: Vec::new(),
            jwks: None,
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(30),
            rights_claim: "chaincast".to_owned(),
            tenant_claim: "tenant".to_owned(),
            default_rights: None,
        }
    }
}

/// Where an issuer publishes its keys, and how they are kept.
#[derive(Clone, Debug)]
pub struct JwksSettings {
    /// An https URL.
    pub url: String,
    /// How often it is fetched.
    pub refresh: Duration,
    /// How long keys are used after the last fetch that succeeded, when further ones fail.
    pub stale: Duration,
    /// The shortest time between two fetches that tokens cause.
    pub spacing: Duration,
    /// The longest that a fetch may take.
    pub deadline: Duration,
    /// Who vouches for the server.
    pub authorities: Authorities,
}

impl JwksSettings {
    /// With the times that a service runs with.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            refresh: Duration::from_secs(300),
            stale: Duration::from_secs(86_400),
            spacing: Duration::from_secs(10),
            deadline: Duration::from_secs(5),
            authorities: Authorities::Machine,
        }
    }
}

/// Who vouches for a server.
#[derive(Clone, Debug)]
pub enum Authorities {
    /// Whom this machine trusts; `SSL_CERT_FILE` says so too.
    Machine,
    /// Only these certificates, in DER: for a test's own server.
    Only(Vec<Vec<u8>>),
}

/// Settings of tokens that are wrong, or do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtConfigError {
    /// It could be guessed.
    #[error("CHAINCAST_JWT_SECRET must have at least {MIN_SECRET_BYTES} bytes; `openssl rand -base64 48` makes a good one")]
    ShortSecret,
    /// A public key as a secret would let everyone sign.
    #[error("CHAINCAST_JWT_SECRET is a PEM: put a public key into a file, and name that in CHAINCAST_JWT_PUBLIC_KEYS")]
    SecretIsPem,
    /// Each would be tried.
    #[error("CHAINCAST_JWT_PUBLIC_KEYS names more than {MAX_KEY_FILES} files")]
    TooManyKeyFiles,
    /// A key that is not accepted.
    #[error("CHAINCAST_JWT_PUBLIC_KEYS: {}: {fault}", path.display())]
    KeyFile {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// Keys from anywhere else could be anyone's.
    #[error("CHAINCAST_JWKS_URL must be an https URL without user, password and fragment")]
    JwksUrl,
    /// With a set of keys but not both of these.
    #[error(
        "CHAINCAST_JWKS_URL needs CHAINCAST_JWT_ISSUER and CHAINCAST_JWT_AUDIENCE: \
         with the same keys the issuer signs tokens for other services, which would be accepted here"
    )]
    JwksForAnyone,
    /// Keys would be dropped before their next fetch.
    #[error("CHAINCAST_JWKS_STALE_SECONDS must not be less than CHAINCAST_JWKS_REFRESH_SECONDS")]
    StaleBelowRefresh,
    /// No server could be trusted.
    #[error("CHAINCAST_JWKS_URL: this machine has no certificates of authorities; install ca-certificates, or set SSL_CERT_FILE")]
    NoAuthorities,
    /// Expired tokens would live on.
    #[error("CHAINCAST_JWT_LEEWAY_SECONDS must be at most {}", MAX_LEEWAY.as_secs())]
    Leeway,
    /// One claim cannot be both.
    #[error("CHAINCAST_JWT_RIGHTS_CLAIM and CHAINCAST_JWT_TENANT_CLAIM must name two claims")]
    ClaimNames,
    /// What tokens without rights of their own would get cannot be read.
    #[error("CHAINCAST_JWT_DEFAULT_RIGHTS: {0}")]
    DefaultRights(String),
    /// A rule for tokens, and nothing to check them with: the service would not ask for any.
    #[error("{0} is set, but no key: set CHAINCAST_JWT_SECRET, CHAINCAST_JWT_PUBLIC_KEYS or CHAINCAST_JWKS_URL as well")]
    NoKeys(&'static str),
}

impl JwtSettings {
    /// Finds what is wrong without reading a file.
    ///
    /// # Errors
    /// The first [`JwtConfigError`].
    pub fn check(&self) -> Result<(), JwtConfigError> {
        if let Some(secret) = self.secret.as_ref().map(|secret| secret.expose_secret()) {
            if secret.contains("-----BEGIN ") {
                return Err(JwtConfigError::SecretIsPem);
            }
            if secret.trim().len() < MIN_SECRET_BYTES {
                return Err(JwtConfigError::ShortSecret);
            }
        }
        if self.public_keys.len() > MAX_KEY_FILES {
            return Err(JwtConfigError::TooManyKeyFiles);
        }
        if let Some(jwks) = &self.jwks {
            if !fetch::is_acceptable(&jwks.url) {
                return Err(JwtConfigError::JwksUrl);
            }
            if self.issuer.is_none() || self.audience.is_none() {
                return Err(JwtConfigError::JwksForAnyone);
            }
            if jwks.stale < jwks.refresh {
                return Err(JwtConfigError::StaleBelowRefresh);
            }
        }
        if self.leeway > MAX_LEEWAY {
            return Err(JwtConfigError::Leeway);
        }
        if self.rights_claim.is_empty() || self.tenant_claim.is_empty() || self.rights_claim == self.tenant_claim {
            return Err(JwtConfigError::ClaimNames);
        }
        if let Some(rights) = &self.default_rights {
            // `self` is whoever holds the token
            let rights = Rights::parse(rights, Some("somebody")).map_err(|error| JwtConfigError::DefaultRights(error.to_string()))?;
            if rights.role != Role::None {
                return Err(JwtConfigError::DefaultRights("a role is for tokens that say so themselves".to_owned()));
            }
        }
        let rules = [
            ("CHAINCAST_JWT_ISSUER", self.issuer.is_some()),
            ("CHAINCAST_JWT_AUDIENCE", self.audience.is_some()),
            ("CHAINCAST_JWT_DEFAULT_RIGHTS", self.default_rights.is_some()),
        ];
        let has_key = self.secret.is_some() || !self.public_keys.is_empty() || self.jwks.is_some();
        match rules.iter().find(|(_, is_set)| *is_set && !has_key) {
            Some((name, _)) => Err(JwtConfigError::NoKeys(name)),
            None => Ok(()),
        }
    }
}
