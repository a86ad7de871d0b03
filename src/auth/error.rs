//! Why a credential, or what someone wants to change with it, is not taken.

use std::borrow::Cow;

use crate::log::LogError;

/// Why a credential, or what someone wants to change with it, is not taken. Its text is for whoever asked; the cause of an
/// [`AuthError::Unavailable`] is not in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is none, and it takes one.
    #[error("a credential is needed")]
    Missing,
    /// It is not one of ours, or not whole.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// It was good once.
    #[error("the credential has expired")]
    Expired,
    /// Someone ended it.
    #[error("the credential was revoked")]
    Revoked,
    /// The ticket was used again since.
    #[error("the ticket was used again since, and its newest use counts")]
    Superseded,
    /// It is good, and not for this.
    #[error("{0}")]
    Forbidden(String),
    /// What it is about does not exist, or not for whoever asks.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A change that makes no sense.
    #[error("{member}: {problem}")]
    Refused {
        /// What is wrong.
        member: &'static str,
        /// How.
        problem: String,
    },
    /// It cannot be told now.
    #[error("credentials cannot be looked up at the moment")]
    Unavailable(
        /// The cause, for the log only.
        String,
    ),
}

impl AuthError {
    /// It is not one of ours, or not whole, in words that fit them all.
    #[must_use]
    pub const fn invalid(why: &'static str) -> Self {
        Self::Invalid(Cow::Borrowed(why))
    }
}

impl From<LogError> for AuthError {
    fn from(error: LogError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
