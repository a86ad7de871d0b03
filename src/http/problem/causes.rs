//! What errors of other modules are to a client.

use super::Problem;
use crate::{
    auth::{AuthError, Denied},
    http::{code::Code, limits::Limited},
    hub::{CloseReason, OpenError},
    ingest::{ParseError, PublishError},
    log::LogError,
};

impl From<ParseError> for Problem {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Malformed { detail } => Self::new(Code::Malformed).detail(detail),
            ParseError::Invalid { faults } => Self::invalid(faults),
            error @ ParseError::TooLarge { .. } => Self::new(Code::TooLarge).detail(error.to_string()),
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Conflict(items) => Self::conflict(&items),
            PublishError::Unavailable => Self::new(Code::Unavailable),
            PublishError::OutcomeUnknown => {
                Self::new(Code::OutcomeUnknown).detail("repeat the request with the same ids: what was stored is answered as a duplicate")
            }
            PublishError::Overloaded => Self::new(Code::Overloaded),
            PublishError::Refused(cause) => Self::new(Code::Refused).caused_by(&cause),
            PublishError::Internal => Self::new(Code::Internal),
            PublishError::Stopping => Self::new(Code::Draining),
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Missing => Self::unauthenticated(),
            AuthError::Invalid(why) => Self::bad_credential(why),
            AuthError::Expired | AuthError::Revoked | AuthError::Superseded => Self::bad_credential(error.to_string()),
            AuthError::Forbidden(why) => Self::new(Code::Forbidden).detail(why),
            AuthError::NotFound(_) => Self::new(Code::NotFound).detail(error.to_string()),
            AuthError::Refused { member, problem } => {
                let pointer = format!("/{}", member.replace('.', "/"));
                Self::invalid(vec![crate::ingest::Fault { pointer, code: "invalid", detail: problem }])
            }
            AuthError::Unavailable(cause) => Self::new(Code::CredentialsUnavailable).caused_by(&cause),
        }
    }
}

impl From<Limited> for Problem {
    fn from(limited: Limited) -> Self {
        Self::new(Code::Limited).detail(limited.by.detail()).retry_after(limited.retry_after.as_secs())
    }
}

impl From<CloseReason> for Problem {
    fn from(reason: CloseReason) -> Self {
        Self::new(match reason {
            CloseReason::Limited => Code::Limited,
            CloseReason::Draining => Code::Draining,
            CloseReason::Unavailable => Code::Unavailable,
            CloseReason::Expired | CloseReason::Revoked | CloseReason::Superseded => Code::Unauthorized,
            CloseReason::Overloaded | CloseReason::Lagging | CloseReason::Lifetime => Code::Overloaded,
        })
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::forbidden(denied.parameter, denied.to_string())
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::TooMany => Self::new(Code::Overloaded).detail("as many tenants are served as may be").caused_by(&error),
            OpenError::Log(error) => error.into(),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        let code = match error {
            LogError::Unavailable(_) | LogError::Unknown(_) => Code::Unavailable,
            LogError::Content(_) | LogError::Internal(_) => Code::Internal,
        };
        Self::new(code).caused_by(&error)
    }
}
