//! Signed requests, as [Standard Webhooks](https://www.standardwebhooks.com) has them: the secret never travels, and neither body nor time can be changed.
//!
//! A signature is over `id.timestamp.body`, the bytes as received. It holds for five minutes either way; a request that is sent again within
//! them is not refused here but is a duplicate in the log, on whichever instance it arrives: events that have no id of their own get one
//! from the request's (`ingest::MissingIds`). So nothing needs to be remembered of requests that were seen.

use std::{fmt, time::Duration};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{AuthError, ShownOnce};
use crate::domain::Timestamp;

/// How far the sender's clock and ours may be apart, with the way in between.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// The longest `webhook-id`: behind it an event's id has room for `#` and any index.
pub const MAX_WEBHOOK_ID_BYTES: usize = 255 - "#".len() - 20;
const SECRET_PREFIX: &str = "whsec_";
/// Of the scheme's signatures, the ones made with a shared secret.
const VERSION: &str = "v1,";

/// The three headers of a signed request.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    id: &'a str,
    timestamp: &'a str,
    at: Timestamp,
    signatures: &'a str,
}

impl<'a> Signed<'a> {
    /// From `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] says which of them is malformed.
    pub fn parse(id: &'a str, timestamp: &'a str, signatures: &'a str) -> Result<Self, AuthError> {
        // a full stop would let one signature stand for two splits of the same bytes
        let is_id = !id.is_empty() && id.len() <= MAX_WEBHOOK_ID_BYTES && id.bytes().all(|b| b.is_ascii_graphic() && b != b'.');
        if !is_id {
            return Err(AuthError::invalid("webhook-id must be visible ASCII without full stops, at most 234 bytes long"));
        }
        // digits only: `parse` would take a sign, and no more than a Timestamp holds
        let is_number = timestamp.len() <= 12 && timestamp.bytes().all(|b| b.is_ascii_digit());
        let seconds: i64 = timestamp
            .parse()
            .ok()
            .filter(|_| is_number)
            .ok_or(AuthError::invalid("webhook-timestamp must be seconds since 1970, in decimal digits"))?;
        Ok(Self { id, timestamp, at: Timestamp::from_micros(seconds * 1_000_000), signatures })
    }

    /// The message's own id, the same whenever it is sent again.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// Checks that one of `secrets` signed `body`, and lately.
    ///
    /// # Errors
    /// [`AuthError::Invalid`].
    pub fn check(&self, body: &[u8], secrets: &[SigningSecret], now: Timestamp) -> Result<(), AuthError> {
        let tolerance = TOLERANCE.as_micros().try_into().unwrap_or(u64::MAX);
        if self.at.as_micros().abs_diff(now.as_micros()) > tolerance {
            return Err(AuthError::invalid("webhook-timestamp is more than five minutes from now"));
        }
        let given: Vec<Vec<u8>> = self
            .signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix(VERSION))
            .filter_map(|signature| BASE64_STANDARD.decode(signature).ok())
            .collect();
        if given.is_empty() {
            return Err(AuthError::invalid("webhook-signature holds no signature of version v1"));
        }
        let good = secrets.iter().map(|secret| secret.sign(self.id, self.timestamp, body)).any(|expected| {
            // every one is compared, so that the time does not tell which was good
            given.iter().fold(false, |good, given| good | verify_slices_are_equal(expected.as_ref(), given).is_ok())
        });
        if good { Ok(()) } else { Err(AuthError::invalid("no signature is good for this body")) }
    }
}

impl fmt::Debug for Signed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("id", &self.id).field("timestamp", &self.timestamp).finish_non_exhaustive()
    }
}

/// What a request is signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// From bytes that nobody can guess.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// From `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`AuthError::Invalid`].
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        let bytes = text.strip_prefix(SECRET_PREFIX).and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
        let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
        bytes.map(Self).ok_or(AuthError::invalid("a signing secret is `whsec_` and base64 of 24 to 64 bytes"))
    }

    /// The text that [`SigningSecret::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> ShownOnce {
        ShownOnce::new(format!("{SECRET_PREFIX}{}", BASE64_STANDARD.encode(&self.0)))
    }

    /// The value of `webhook-signature` for a message.
    #[must_use]
    pub fn signature(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        format!("{VERSION}{}", BASE64_STANDARD.encode(self.sign(id, timestamp, body)))
    }

    /// Piece by piece, because a body may be megabytes.
    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> hmac::Tag {
        let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            signing.update(part);
        }
        signing.sign()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

#[cfg(test)]
mod tests;
