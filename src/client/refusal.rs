//! An answer that is no success, in words: what of RFC 9457 came, or the status alone when something else than the service answered.

use std::{fmt, time::Duration};

use serde::Deserialize;

/// The longest wait that is taken from the other side.
pub(super) const MOST_ASKED: Duration = Duration::from_secs(600);
/// The longest text of an answer that is repeated, in characters.
const MAX_TEXT: usize = 500;

/// An answer that is no success.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// What went wrong, for machines.
    pub code: Option<String>,
    /// What went wrong, for people.
    pub title: Option<String>,
    /// What went wrong this time.
    pub detail: Option<String>,
    /// The query parameter or header at fault.
    pub parameter: Option<String>,
    /// Under which the service's log speaks of it.
    pub request_id: Option<String>,
    /// Every rule that events break.
    pub errors: Vec<Fault>,
    /// Every id that is known with other content.
    pub conflicts: Vec<Conflict>,
    /// When to try again, as far as a wait is taken from the other side.
    pub retry_after: Option<Duration>,
}

/// One rule that an event breaks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// Where, as a JSON Pointer into the body.
    pub pointer: String,
    /// Which rule.
    pub detail: String,
}

/// One id that is known with other content.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Conflict {
    /// Which event of the request, from 0.
    pub index: usize,
    /// The id.
    pub id: String,
    /// Where the event stands that has it.
    pub seq: Option<u64>,
}

/// The members of a problem; all others are left out.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Problem {
    code: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    parameter: Option<String>,
    request_id: Option<String>,
    errors: Vec<Fault>,
    conflicts: Vec<Conflict>,
}

impl Refusal {
    /// What an answer says. `retry_after` is its header, in seconds; a date is not understood, and left to backoff.
    #[must_use]
    pub fn of(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let short = |text: Option<String>| text.map(|text| text.chars().take(MAX_TEXT).collect());
        Self {
            status,
            code: short(problem.code),
            title: short(problem.title),
            detail: short(problem.detail),
            parameter: short(problem.parameter),
            request_id: short(problem.request_id),
            errors: problem.errors,
            conflicts: problem.conflicts,
            retry_after: retry_after.and_then(|text| text.trim().parse().ok()).map(|seconds| Duration::from_secs(seconds).min(MOST_ASKED)),
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn will_pass(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500 | 502..=504)
    }

    /// Which event of the request is meant, as far as a pointer says: `/3/type` means 3.
    #[must_use]
    pub fn index_of(pointer: &str) -> Option<usize> {
        pointer.strip_prefix('/')?.split('/').next()?.parse().ok()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.title, &self.detail) {
            (Some(title), Some(detail)) => write!(f, "{title}: {detail}")?,
            (Some(text), None) | (None, Some(text)) => f.write_str(text)?,
            (None, None) => f.write_str("refused, and not by a chaincast service as it seems")?,
        }
        if let Some(parameter) = &self.parameter {
            write!(f, " (parameter {parameter})")?;
        }
        write!(f, " [status {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request {id}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_in_its_own_words() {
        let body = br#"{"type":"urn:x","title":"A parameter is not valid","code":"invalid_parameter","detail":"empty","parameter":"topics","requestId":"r1"}"#;
        let refusal = Refusal::of(400, None, body);
        assert_eq!(refusal.to_string(), "A parameter is not valid: empty (parameter topics) [status 400, invalid_parameter, request r1]");
        assert!(!refusal.will_pass());
    }

    #[test]
    fn what_a_proxy_says_is_a_status() {
        let refusal = Refusal::of(503, Some("7"), b"<html>");
        assert_eq!(refusal.to_string(), "refused, and not by a chaincast service as it seems [status 503]");
        assert_eq!((refusal.retry_after, refusal.will_pass()), (Some(Duration::from_secs(7)), true));
    }

    #[test]
    fn no_wait_that_is_asked_for_is_longer_than_anyone_waits() {
        for (asked, taken) in [("600", Some(600)), ("601", Some(600)), ("18446744073709551615", Some(600)), ("-1", None), ("soon", None)] {
            assert_eq!(Refusal::of(503, Some(asked), b"").retry_after, taken.map(Duration::from_secs), "{asked}");
        }
    }

    #[test]
    fn a_pointer_says_which_event() {
        assert_eq!(Refusal::index_of("/3/type"), Some(3));
        assert_eq!(Refusal::index_of("/0"), Some(0));
        for none in ["", "/type", "3"] {
            assert_eq!(Refusal::index_of(none), None, "{none}");
        }
    }
}
