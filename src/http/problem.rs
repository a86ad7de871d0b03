//! The one mapping of errors to HTTP: RFC 9457 `application/problem+json`.
//!
//! Handlers return `Result<_, Problem>`. [`super::observe`] adds the request's id to the body and writes what only the log may say: the body of a
//! 5xx tells nothing of the inside. Which code has which status stands in [`Code`].

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{code::Code, gap::Gap};
use crate::{
    hub::OpenError,
    ingest::{ConflictingId, Fault, ParseError, PublishError},
    log::LogError,
};

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal or failure on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: Option<Cow<'static, str>>,
    /// For the log of the service only.
    cause: Option<Box<str>>,
    extra: Box<Extra>,
}

#[derive(Clone, Debug, Default)]
struct Extra {
    parameter: Option<String>,
    errors: Vec<FaultMember>,
    conflicts: Vec<ConflictMember>,
    gap: Option<Gap>,
    allow: Option<&'static str>,
}

/// One rule that an event breaks.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
pub(super) struct FaultMember {
    /// JSON Pointer (RFC 6901) into the body.
    pointer: String,
    /// Which rule, for machines.
    code: &'static str,
    /// Which rule, for people.
    detail: String,
}

/// One id that is known with other content.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Conflict)]
pub(super) struct ConflictMember {
    /// Position in the request, from 0.
    index: usize,
    /// The id.
    id: String,
    /// Where the event that has the id stands; null when it is an earlier one of the same request.
    seq: Option<u64>,
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(super) struct Body<'a> {
    /// `urn:chaincast:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every occurrence of the code.
    title: &'a str,
    /// The status of the answer.
    #[schema(example = 400)]
    status: u16,
    /// What went wrong, for machines: see the list of codes.
    code: &'a str,
    /// What went wrong this time, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The id under which the service's own log speaks of this request; also the header `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// The query parameter or header at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    /// Every rule that the events break.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FaultMember],
    /// Every id that is known with other content.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    conflicts: &'a [ConflictMember],
    /// What is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<&'a Gap>,
}

impl Problem {
    /// An error without further words.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, detail: None, cause: None, extra: Box::default() }
    }

    /// A parameter, or header, that does not hold what it should.
    #[must_use]
    pub fn parameter(name: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::new(Code::InvalidParameter).detail(detail);
        problem.extra.parameter = Some(name.into());
        problem
    }

    /// A method that a path does not have; `allow` lists those it has.
    #[must_use]
    pub fn not_allowed(allow: &'static str) -> Self {
        let mut problem = Self::new(Code::MethodNotAllowed);
        problem.extra.allow = Some(allow);
        problem
    }

    /// Events that are gone, to a client that wants to fail then.
    #[must_use]
    pub fn gap(gap: Gap) -> Self {
        let mut problem = Self::new(Code::Gap);
        problem.extra.gap = Some(gap);
        problem
    }

    /// Events that break rules.
    #[must_use]
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let mut problem = Self::new(Code::Invalid);
        let members = faults.into_iter().map(|fault| FaultMember { pointer: fault.pointer, code: fault.code, detail: fault.detail });
        problem.extra.errors = members.collect();
        problem
    }

    /// Ids that are known with other content.
    #[must_use]
    pub fn conflict(items: &[ConflictingId]) -> Self {
        let member = |item: &ConflictingId| ConflictMember {
            index: item.index,
            id: item.id.as_str().to_owned(),
            seq: item.seq.map(|seq| seq.get()),
        };
        let mut problem = Self::new(Code::IdConflict);
        problem.extra.conflicts = items.iter().map(member).collect();
        problem
    }

    /// Says what went wrong this time; never of the inside.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Keeps, for the log of the service only, what lies behind.
    #[must_use]
    pub fn caused_by(mut self, cause: &dyn fmt::Display) -> Self {
        self.cause = Some(cause.to_string().into());
        self
    }

    /// What went wrong, for machines.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What the service's own log may say.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The framework's error as ours: its text goes to the client for a 4xx, to the log for a 5xx.
    #[must_use]
    pub(super) fn of(error: &actix_web::Error) -> Self {
        if let Some(problem) = error.as_error::<Self>() {
            return problem.clone();
        }
        let status = error.as_response_error().status_code();
        let problem = Self::new(Code::of_status(status));
        if status.is_client_error() { problem.detail(error.to_string()) } else { problem.caused_by(error) }
    }

    /// The body, with the id of the request if it has one.
    #[must_use]
    pub(super) fn body(&self, request_id: Option<&str>) -> Vec<u8> {
        let Self { code, detail, extra, .. } = self;
        let body = Body {
            kind: format!("urn:chaincast:problem:{}", code.as_str()),
            title: code.title(),
            status: code.status().as_u16(),
            code: code.as_str(),
            detail: detail.as_deref(),
            request_id,
            parameter: extra.parameter.as_deref(),
            errors: &extra.errors,
            conflicts: &extra.conflicts,
            gap: extra.gap.as_ref(),
        };
        serde_json::to_vec(&body).expect("strings and numbers always serialise")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())?;
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status_code());
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        if let Some(seconds) = self.code.retry_after_seconds() {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if self.code == Code::Unauthorized {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"chaincast\""));
        }
        if let Some(allow) = self.extra.allow {
            response.insert_header((header::ALLOW, allow));
        }
        response.body(self.body(None))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn json(problem: &Problem) -> serde_json::Value {
        serde_json::from_slice(&problem.body(Some("r-1"))).expect("JSON")
    }

    #[test]
    fn a_body_has_the_members_of_rfc_9457_and_its_extensions() {
        let body = json(&Problem::parameter("limit", "must be a number"));
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:chaincast:problem:invalid_parameter", "title": "A parameter is not valid", "status": 400,
                "code": "invalid_parameter", "detail": "must be a number", "requestId": "r-1", "parameter": "limit",
            })
        );
    }

    #[test]
    fn the_cause_of_a_failure_never_reaches_the_client() {
        let problem = Problem::from(LogError::Internal("relation \"events\" does not exist".into()));
        assert_eq!(problem.code(), Code::Internal);
        assert!(!json(&problem).to_string().contains("relation"));
        assert!(problem.cause().is_some_and(|cause| cause.contains("relation")));
    }

    #[test]
    fn refusals_carry_the_headers_that_their_status_demands() {
        let header = |code, name| Problem::new(code).error_response().headers().get(name).cloned();
        assert!(header(Code::Unavailable, header::RETRY_AFTER).is_some());
        assert!(header(Code::Limited, header::RETRY_AFTER).is_some());
        assert!(header(Code::Unauthorized, header::WWW_AUTHENTICATE).is_some());
        let refusal = Problem::not_allowed("GET, HEAD").error_response();
        assert_eq!(refusal.headers().get(header::ALLOW).expect("Allow"), "GET, HEAD");
    }
}
