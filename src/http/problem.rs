//! The one mapping of errors to HTTP: RFC 9457 `application/problem+json`.
//!
//! Handlers return `Result<_, Problem>`. [`super::observe`] adds the request's id to the body and writes what only the log may say: the body of a
//! 5xx tells nothing of the inside. Which code has which status stands in [`Code`]; which error of another module has which code, in
//! `causes`.

mod causes;

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
use crate::ingest::{ConflictingId, Fault};

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
    /// When it passes, where the table of codes does not know better.
    retry_after_seconds: Option<u32>,
    /// A credential was presented, and is bad.
    bad_credential: bool,
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
    /// The trace that this request is part of (W3C Trace Context), in the service's own log and where traces are collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
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

    /// No credential where one is needed.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(Code::Unauthorized).detail("send `Authorization: Bearer` with a token or an API key")
    }

    /// A credential that is not taken, and why, without a part of it.
    #[must_use]
    pub fn bad_credential(why: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::new(Code::Unauthorized).detail(why);
        problem.extra.bad_credential = true;
        problem
    }

    /// Events that the credential may not publish.
    #[must_use]
    pub fn not_yours(faults: Vec<Fault>) -> Self {
        Self { code: Code::Forbidden, ..Self::invalid(faults) }
    }

    /// What a parameter asks for, and the credential does not allow.
    #[must_use]
    pub fn forbidden(parameter: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Code::Forbidden, ..Self::parameter(parameter, detail) }
    }

    /// The same refusal to someone who has not said who they are: 401 in place of 403.
    #[must_use]
    pub fn without_credential(mut self) -> Self {
        if self.code == Code::Forbidden {
            self.code = Code::Unauthorized;
        }
        self
    }

    /// Another tenant's log without a word why.
    #[must_use]
    pub fn reason_required(detail: &'static str) -> Self {
        Self { code: Code::ReasonRequired, ..Self::parameter("reason", detail) }
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

    /// Says when the same request may succeed.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.extra.retry_after_seconds = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// After how many seconds the same request may succeed; `None` when it will not by itself.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.extra.retry_after_seconds.or(self.code.retry_after_seconds())
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

    /// RFC 6750 §3: no error to whoever presented nothing.
    fn challenge(&self) -> String {
        let realm = "Bearer realm=\"chaincast\"";
        match &self.detail {
            Some(why) if self.extra.bad_credential => {
                // what the grammar of `error_description` lets through
                let plain = |c: char| if c.is_ascii() && !c.is_ascii_control() && c != '"' && c != '\\' { c } else { '\'' };
                let why: String = why.chars().map(plain).collect();
                format!("{realm}, error=\"invalid_token\", error_description=\"{why}\"")
            }
            _ => realm.to_owned(),
        }
    }

    /// The body, with the ids of the request and of its trace if it has them.
    #[must_use]
    pub(super) fn body(&self, ids: Option<(&str, &str)>) -> Vec<u8> {
        let Self { code, detail, extra, .. } = self;
        let (request_id, trace_id) = ids.unzip();
        let body = Body {
            kind: format!("urn:chaincast:problem:{}", code.as_str()),
            title: code.title(),
            status: code.status().as_u16(),
            code: code.as_str(),
            detail: detail.as_deref(),
            request_id,
            trace_id,
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
        if let Some(seconds) = self.retry_after_seconds() {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if self.code == Code::Unauthorized {
            response.insert_header((header::WWW_AUTHENTICATE, self.challenge()));
        }
        if let Some(allow) = self.extra.allow {
            response.insert_header((header::ALLOW, allow));
        }
        response.body(self.body(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::AuthError, log::LogError};

    fn json(problem: &Problem) -> serde_json::Value {
        serde_json::from_slice(&problem.body(Some(("r-1", "t-1")))).expect("JSON")
    }

    #[test]
    fn a_body_has_the_members_of_rfc_9457_and_its_extensions() {
        let body = json(&Problem::parameter("limit", "must be a number"));
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:chaincast:problem:invalid_parameter", "title": "A parameter is not valid", "status": 400,
                "code": "invalid_parameter", "detail": "must be a number", "requestId": "r-1", "traceId": "t-1", "parameter": "limit",
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
    fn a_challenge_says_what_is_wrong_only_to_whoever_presented_something() {
        let challenge = |error: AuthError| {
            let response = Problem::from(error).error_response();
            response.headers().get(header::WWW_AUTHENTICATE).map(|value| value.to_str().expect("ASCII").to_owned())
        };
        assert_eq!(challenge(AuthError::Missing).as_deref(), Some("Bearer realm=\"chaincast\""));
        let invalid = "Bearer realm=\"chaincast\", error=\"invalid_token\", error_description=";
        assert_eq!(challenge(AuthError::invalid("a \"b\" \\ é")), Some(format!("{invalid}\"a 'b' ' '\"")));
        assert_eq!(challenge(AuthError::Expired), Some(format!("{invalid}\"the credential has expired\"")));
        assert_eq!(challenge(AuthError::Revoked), Some(format!("{invalid}\"the credential was revoked\"")));
        assert_eq!(challenge(AuthError::Forbidden("no".into())), None);
        assert_eq!(challenge(AuthError::Unavailable("10.0.0.9".into())), None);
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
