//! Secrets: where they come from, and that they are seen only by whoever asks for them by name.

use std::fmt;

use aws_lc_rs::{hmac, rand};

/// The characters of a key's id: none that a URL, a header or a file would have to quote.
const ID_CHARACTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// How long an id is.
pub(super) const ID_LENGTH: usize = 12;

/// From which the service derives the secrets that it does not store.
#[derive(Clone)]
pub struct ServiceSecret(hmac::Key);

impl ServiceSecret {
    /// The shortest that is taken, in bytes.
    pub const MIN_BYTES: usize = 32;

    /// A secret as the operator wrote it: the text's own bytes, so that no two instances read it differently.
    ///
    /// # Errors
    /// [`SecretTooShort`].
    pub fn parse(text: &str) -> Result<Self, SecretTooShort> {
        let bytes = text.trim().as_bytes();
        if bytes.len() < Self::MIN_BYTES { Err(SecretTooShort) } else { Ok(Self::new(bytes)) }
    }

    /// From bytes that nobody can guess.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The secret of this name.
    pub(super) fn derive(&self, name: &str) -> [u8; 32] {
        hmac::sign(&self.0, name.as_bytes()).as_ref().try_into().expect("HMAC-SHA256 is 32 bytes long")
    }
}

impl fmt::Debug for ServiceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceSecret(…)")
    }
}

/// An operator's secret that could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret must be at least {} bytes long, such as the output of `openssl rand -base64 32`", ServiceSecret::MIN_BYTES)]
pub struct SecretTooShort;

/// The text of a credential that was just made. It is shown to whoever asked for it, and never again.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownOnce(String);

impl ShownOnce {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShownOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownOnce(…)")
    }
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system always has randomness");
    bytes
}

/// A name for a key or a revocation; two are never the same by accident.
pub(super) fn random_id() -> String {
    let mut id = String::with_capacity(ID_LENGTH);
    while id.len() < ID_LENGTH {
        // the bytes behind the last multiple would make the first characters likelier
        let usable = random::<16>().into_iter().filter(|byte| usize::from(*byte) < 256 / ID_CHARACTERS.len() * ID_CHARACTERS.len());
        let characters = usable.map(|byte| char::from(ID_CHARACTERS[usize::from(byte) % ID_CHARACTERS.len()]));
        id.extend(characters.take(ID_LENGTH - id.len()));
    }
    id
}

/// Whether `text` could be one of [`random_id`]'s.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| ID_CHARACTERS.contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_secret_that_could_be_guessed_is_refused_and_none_is_printed() {
        assert!(ServiceSecret::parse("secret").is_err());
        assert!(ServiceSecret::parse(&format!("{}\n ", "x".repeat(31))).is_err(), "blanks do not count");
        let secret = ServiceSecret::parse("0123456789abcdef0123456789abcdef\n").expect("long enough");
        assert_eq!(format!("{secret:?} {:?}", ShownOnce::new("cck_x".into())), "ServiceSecret(…) ShownOnce(…)");
        let same = ServiceSecret::parse("0123456789abcdef0123456789abcdef").expect("long enough");
        assert_eq!(secret.derive("a"), same.derive("a"));
        assert_ne!(secret.derive("a"), secret.derive("b"));
    }

    #[test]
    fn ids_are_of_the_one_form_and_never_the_same() {
        let ids: BTreeSet<String> = (0..1000).map(|_| random_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| is_id(id)));
        assert!(!is_id("ABCDEFGHIJKL") && !is_id("short") && !is_id("a_b_c_d_e_f_"));
    }
}
