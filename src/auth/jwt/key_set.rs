//! Keys, and which of them a token is held against.

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::{
    TokenError,
    key::{Jwk, Key},
    token::Token,
};

/// Some keys.
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    pub(super) fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// A JWK set (RFC 7517 §5). A key that is of no use here does not spoil the others; `None` if it is no set at all.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct RawSet {
            keys: Vec<serde_json::Value>,
        }

        let set: RawSet = serde_json::from_slice(json).ok()?;
        let mut keys: Vec<Key> = Vec::new();
        for (position, value) in set.keys.into_iter().enumerate() {
            let key = serde_json::from_value::<Jwk>(value).ok().and_then(|jwk| Key::from_jwk(&jwk));
            match key {
                Some(key) if key.id.is_none() || keys.iter().all(|known| known.id != key.id) => keys.push(key),
                Some(_) => tracing::debug!(position, "a key of the JWK set is skipped: another has its kid"),
                None => tracing::debug!(
                    position,
                    "a key of the JWK set is skipped: not for signatures, or of a kind or alg that is not accepted"
                ),
            }
        }
        Some(Self(keys))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of this name.
    pub(super) fn named(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id.as_deref() == Some(id))
    }

    /// The one key for this algorithm, if there is just one: among several, a token must name its own.
    pub(super) fn sole(&self, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.0.iter().filter(|key| key.algorithm == algorithm);
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Holds a token against each key for its algorithm.
    pub(super) fn verify_with_any(&self, token: &Token<'_>) -> Result<(), TokenError> {
        // without a fitting key it is not the signature that is wrong
        let mut outcome = Err(TokenError::Algorithm);
        for key in self.0.iter().filter(|key| key.algorithm == token.algorithm) {
            outcome = key.verify(token);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}
