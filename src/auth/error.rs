//! Why a credential, or the lack of one, does not open the door.

/// A refusal; none of its texts holds a credential, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No credential was presented, and nobody may do this without.
    #[error("a credential is needed")]
    Missing,
    /// It is not accepted.
    #[error("{0}")]
    Invalid(&'static str),
    /// It has ended.
    #[error("the credential has expired")]
    Expired,
    /// Someone ended it.
    #[error("the credential was revoked")]
    Revoked,
    /// It is accepted, and does not allow this.
    #[error("{0}")]
    Forbidden(String),
    /// It can't be told at the moment: what lies behind is for the log of the service only.
    #[error("credentials cannot be checked: {0}")]
    Unavailable(String),
}
