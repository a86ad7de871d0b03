//! JSON Web Tokens of subscribers and publishers: from the text of one to its [`Claims`], or to the reason why it is refused.
//!
//! The library does the arithmetic of signatures and reads PEM; the rules stand here, because its own are laxer than a service wants (its clock is the
//! machine's, a missing `iss` passes, an `nbf` is not looked at, and what a token says of itself is parsed before anything is known of it). What a key may
//! verify is a property of the key, never of the token: a header only chooses among keys, and `jku`, `x5u`, `jwk` and `x5c` are not read.
//!
//! Keys are the operator's (a shared secret, PEM files) or an issuer's, fetched from one https URL and kept ([`remote`]). Without an answer from there
//! it is unknown whether a token is good, so it is neither accepted nor refused: [`TokenError::KeysUnavailable`].
//!
//! A token holds until `exp` and the leeway have passed, for a request as for a stream: [`Claims::expires_at`] is that moment, so that no stream is ended
//! whose reconnect would be accepted, nor the other way round.

mod claims;
mod error;
mod fetch;
mod key;
mod key_set;
mod members;
mod mint;
mod remote;
mod settings;
#[cfg(test)]
mod tests;
mod token;

use std::{future::Future, pin::pin, sync::Arc};

use async_trait::async_trait;
use secrecy::ExposeSecret as _;

use self::{claims::Rules, key::Key, key_set::KeySet, remote::Remote, token::Token};
use super::{AuthError, Principal, Tokens};
use crate::domain::Timestamp;

pub use claims::Claims;
pub use error::TokenError;
pub use key::KeyFault;
pub use mint::{MintError, WantedToken, claims_unverified};
pub use settings::{Authorities, JwksSettings, JwtConfigError, JwtSettings};

/// Verifies tokens.
pub struct Jwt {
    local: KeySet,
    remote: Option<Arc<Remote>>,
    rules: Rules,
}

impl Jwt {
    /// Reads the keys that are files; those behind a URL are fetched by [`Jwt::run`], or when the first token needs them.
    ///
    /// # Errors
    /// [`JwtConfigError`] says which setting to change.
    pub fn new(settings: &JwtSettings) -> Result<Self, JwtConfigError> {
        settings.check()?;
        let mut keys = Vec::new();
        if let Some(secret) = &settings.secret {
            keys.push(Key::from_secret(secret.expose_secret().as_bytes()));
        }
        for path in &settings.public_keys {
            let key = key::read_pem(path).map_err(|fault| JwtConfigError::KeyFile { path: path.clone(), fault })?;
            keys.push(key);
        }
        let remote = settings.jwks.as_ref().map(Remote::new).transpose()?;
        Ok(Self { local: KeySet::new(keys), remote: remote.map(Arc::new), rules: Rules::new(settings) })
    }

    /// Whether any token can be good.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.remote.is_some() || !self.local.is_empty()
    }

    /// What a token claims, if it holds at `now`.
    ///
    /// Waits for a fetch of keys, no longer than its deadline, when the token names a key that is not known.
    ///
    /// # Errors
    /// [`TokenError`]; all of them but [`TokenError::KeysUnavailable`] are the token's fault.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let token = Token::parse(token)?;
        self.verify_signature(&token).await?;
        // nothing of the payload is read before this
        self.rules.claims(&token.payload()?, now)
    }

    async fn verify_signature(&self, token: &Token<'_>) -> Result<(), TokenError> {
        let remote = self.remote.as_ref().filter(|_| token.algorithm != key::SYMMETRIC);
        let Some(remote) = remote else { return self.local.verify_with_any(token) };
        // an issuer's key goes by its name alone: no other key gets to see the token
        if let Some(key) = remote.known().as_deref().and_then(|keys| keys.named(token.key_id.as_deref()?)) {
            return key.verify(token);
        }
        // the operator's keys have no names
        if self.local.verify_with_any(token).is_ok() {
            return Ok(());
        }
        match &token.key_id {
            Some(id) => remote.with_key(id).await?.named(id).ok_or(TokenError::UnknownKey)?.verify(token),
            None => remote.with_any().await?.sole(token.algorithm).ok_or(TokenError::UnknownKey)?.verify(token),
        }
    }

    /// Keeps the fetched keys fresh until `stop`.
    pub async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        match &self.remote {
            Some(remote) => {
                tokio::select! {
                    () = &mut stop => {}
                    () = remote.keep_fresh() => {}
                }
            }
            None => stop.await,
        }
    }
}

#[async_trait]
impl Tokens for Jwt {
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, AuthError> {
        Ok(Self::verify(self, token, now).await?.into())
    }
}
