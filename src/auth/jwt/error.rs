//! Why a token is refused.

use crate::auth::AuthError;

/// The longest description, in bytes.
const MAX_DESCRIPTION: usize = 200;

/// Why a token is refused. Says nothing of the token's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token of three parts with a header that can be read, or a header that asks for what is not supported.
    #[error("the token is malformed")]
    Malformed,
    /// An algorithm that the key is not for, or that no key is for.
    #[error("the token is signed in a way that is not accepted")]
    Algorithm,
    /// The signature is another's, or of another text.
    #[error("the signature does not match")]
    Signature,
    /// Signed with a key that is not, or no longer, accepted.
    #[error("the token's key is not known")]
    UnknownKey,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is ahead.
    #[error("the token is not valid yet")]
    NotYet,
    /// `iss` is missing or another.
    #[error("the token is from another issuer")]
    Issuer,
    /// `aud` names somebody else, or nobody where somebody is wanted, or somebody where nobody is.
    #[error("the token is for another audience")]
    Audience,
    /// A claim that is missing, of the wrong kind, or not allowed.
    #[error("{0}")]
    Claims(String),
    /// The keys could not be fetched, so whether the token is good is not known. Not the token's fault.
    #[error("the keys that tokens are checked with are not available")]
    KeysUnavailable,
}

impl TokenError {
    /// The reason as an `error_description` of RFC 6750 §3 may hold it: printable ASCII without `"` and `\`.
    #[must_use]
    pub fn description(&self) -> String {
        let permitted = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
        self.to_string().chars().map(|c| if permitted(c) { c } else { '\'' }).take(MAX_DESCRIPTION).collect()
    }
}

impl From<TokenError> for AuthError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::KeysUnavailable => Self::Unavailable(error.to_string()),
            TokenError::Expired => Self::Expired,
            TokenError::Malformed => Self::invalid("the token is malformed"),
            TokenError::Algorithm => Self::invalid("the token is signed in a way that is not accepted"),
            TokenError::Signature => Self::invalid("the token's signature does not match"),
            TokenError::UnknownKey => Self::invalid("the token's key is not known"),
            TokenError::NotYet => Self::invalid("the token is not valid yet"),
            TokenError::Issuer => Self::invalid("the token is from another issuer"),
            TokenError::Audience => Self::invalid("the token is for another audience"),
            // its signature is good, so this tells nobody of claims that were not theirs; and a misspelt right is found at once
            TokenError::Claims(_) => Self::Invalid(error.description().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_fits_into_a_header() {
        let awkward = TokenError::Claims("\"a\\b\r\nSet-Cookie: ü`".repeat(50));
        let text = awkward.description();
        assert!(text.starts_with("'a'b''Set-Cookie: '`") && text.len() == MAX_DESCRIPTION, "{text}");
        assert_eq!(AuthError::from(awkward), AuthError::Invalid(text.into()));
    }
}
