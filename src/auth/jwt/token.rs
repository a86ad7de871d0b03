//! A token's parts, and of its header the two members that choose a key.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;

use super::{TokenError, key, members::Members};

/// The longest token, in bytes: what fits into a request's head beside everything else.
const MAX_BYTES: usize = 8 * 1024;
/// The longest name of a key, in bytes.
const MAX_KEY_ID: usize = 255;

/// A token of which nothing has been verified.
pub(super) struct Token<'a> {
    /// How it says that it is signed.
    pub(super) algorithm: Algorithm,
    /// With which key.
    pub(super) key_id: Option<String>,
    /// What is signed: header and payload.
    pub(super) message: &'a str,
    /// The signature, in base64url.
    pub(super) signature: &'a str,
    payload: &'a str,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > MAX_BYTES {
            return Err(TokenError::Malformed);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        if payload.contains('.') {
            return Err(TokenError::Malformed);
        }
        let header = decode(header)?;
        let header = Members::parse(&header).ok_or(TokenError::Malformed)?;
        // what `crit` names must be understood, and no extension is
        if header.text("crit").is_some() {
            return Err(TokenError::Malformed);
        }
        let string = |name| header.read::<String>(name).map_err(|_| TokenError::Malformed);
        let algorithm = string("alg")?.ok_or(TokenError::Malformed)?;
        let algorithm = key::accepted(&algorithm).ok_or(TokenError::Algorithm)?;
        let key_id = string("kid")?;
        if key_id.as_ref().is_some_and(|id| id.len() > MAX_KEY_ID) {
            return Err(TokenError::Malformed);
        }
        Ok(Self { algorithm, key_id, message, signature, payload })
    }

    /// The claims' JSON.
    pub(super) fn payload(&self) -> Result<Vec<u8>, TokenError> {
        decode(self.payload)
    }
}

/// No padding, no other alphabet, no stray bits at the end: a token has one spelling.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}
