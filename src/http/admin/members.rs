//! A body's members, each read by its own rule, with everything that is wrong told at once.
//!
//! A member that nobody knows, or that stands twice, is a fault: a limit that is misspelt must not silently be none. `null` is like not given.

use std::fmt;

use actix_web::{
    HttpRequest,
    http::header,
    web::{self, Bytes},
};
use serde_json::value::RawValue;

use super::{BODY_BYTES, BODY_DEADLINE, Caller, Console};
use crate::{
    auth::{Rights, RightsError},
    domain::{LogName, Timestamp},
    http::{code::Code, media_type, problem::Problem},
    ingest::{BodyForm, Fault, pairs},
};

/// The longest text that a member may hold, in bytes.
const MAX_TEXT_BYTES: usize = 255;

const NOTHING: &[u8] = b"{}";

/// Which rule a value breaks.
pub(super) struct Broken {
    pointer: String,
    code: &'static str,
    detail: String,
}

/// The members that were given.
pub(super) struct Members<'a> {
    given: Vec<(&'static str, &'a str)>,
    faults: Vec<Fault>,
}

/// Reads a small JSON body that may be left out: none, or `null`, is as good as `{}`.
pub(super) async fn optional_body(
    caller: &Caller,
    console: &Console,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Bytes, Problem> {
    let body = arrived(caller, console, request, payload).await?;
    if body.is_empty() {
        return Ok(Bytes::from_static(NOTHING));
    }
    let body = typed(request, body)?;
    Ok(if body.trim_ascii() == b"null" { Bytes::from_static(NOTHING) } else { body })
}

/// Reads a small JSON body. An empty one is none: where every member may be left out, a request that lost its body would reset them all.
pub(super) async fn body(caller: &Caller, console: &Console, request: &HttpRequest, payload: web::Payload) -> Result<Bytes, Problem> {
    let body = arrived(caller, console, request, payload).await?;
    if body.is_empty() {
        return Err(Problem::new(Code::Malformed).detail("the body is empty; send a JSON object, `{}` at least"));
    }
    typed(request, body)
}

/// Whoever sends a body must still be good when it has arrived: what ends a credential ends also what it had begun.
async fn arrived(caller: &Caller, console: &Console, request: &HttpRequest, payload: web::Payload) -> Result<Bytes, Problem> {
    let reading = tokio::time::timeout(BODY_DEADLINE, payload.to_bytes_limited(BODY_BYTES));
    let read = reading.await.map_err(|_| Problem::new(Code::RequestTimeout))?;
    let read = read.map_err(|_| Problem::new(Code::TooLarge).detail(format!("the body may have at most {BODY_BYTES} bytes")))?;
    let body = read.map_err(|error| Problem::new(Code::BadRequest).detail("the body ended early").caused_by(&error))?;
    let refused = |error| console.scrutiny.refuse(console.scrutiny.client(request), error);
    console.admin.recheck(caller.principal()).map_err(refused)?;
    Ok(body)
}

fn typed(request: &HttpRequest, body: Bytes) -> Result<Bytes, Problem> {
    // a page of another site cannot send this type unasked
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match content_type.and_then(media_type::body_form) {
        Some(BodyForm::Json) => Ok(body),
        _ => Err(Problem::new(Code::UnsupportedMediaType).detail("send application/json, in UTF-8")),
    }
}

impl<'a> Members<'a> {
    /// Reads an object with these members at most.
    pub(super) fn read(body: &'a [u8], known: &[&'static str]) -> Result<Self, Problem> {
        let malformed = |error: &dyn fmt::Display| Problem::new(Code::Malformed).detail(error.to_string());
        let text = std::str::from_utf8(body).map_err(|error| malformed(&error))?;
        let json = serde_json::from_str::<&RawValue>(text).map_err(|error| malformed(&error))?.get();
        let mut members = Self { given: Vec::new(), faults: Vec::new() };
        if !json.starts_with('{') {
            members.fault("", "wrong_type", "must be an object");
            return Err(Problem::invalid(members.faults));
        }
        let pairs = pairs(json).map_err(|error| malformed(&error))?;
        for (name, value) in pairs {
            match known.iter().find(|known| **known == name) {
                None => members.fault(pointer(&name), "unknown_member", format!("is none of {}", known.join(", "))),
                Some(known) if members.given.iter().any(|(given, _)| given == known) => {
                    members.fault(pointer(&name), "repeated_member", "is given more than once");
                }
                Some(known) => members.given.push((known, value)),
            }
        }
        Ok(members)
    }

    /// Notes that a rule is broken.
    pub(super) fn fault(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        if self.faults.len() < Fault::MAX {
            self.faults.push(Fault { pointer: pointer.into(), code, detail: detail.into() });
        }
    }

    /// A member that may be left out, and what `rule` makes of its JSON.
    pub(super) fn optional<T>(&mut self, name: &'static str, rule: impl FnOnce(&'a str) -> Result<T, Broken>) -> Option<T> {
        let (_, json) = self.given.iter().find(|(given, json)| *given == name && *json != "null")?;
        match rule(json) {
            Ok(value) => Some(value),
            Err(Broken { pointer, code, detail }) => {
                self.fault(format!("/{name}{pointer}"), code, detail);
                None
            }
        }
    }

    /// A member that must be there.
    pub(super) fn required<T>(&mut self, name: &'static str, rule: impl FnOnce(&'a str) -> Result<T, Broken>) -> Option<T> {
        if !self.given.iter().any(|(given, json)| *given == name && *json != "null") {
            self.fault(format!("/{name}"), "missing", "is required");
        }
        self.optional(name, rule)
    }

    /// Fails with everything that was wrong.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(self.faults)) }
    }
}

fn pointer(name: &str) -> String {
    // a name that is too long to repeat points to the whole
    if name.len() > MAX_TEXT_BYTES { String::new() } else { format!("/{}", name.replace('~', "~0").replace('/', "~1")) }
}

impl Broken {
    fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: String::new(), code, detail: detail.into() }
    }
}

/// Text for people, or of another system: not empty, not long, without control characters.
pub(super) fn text(json: &str) -> Result<String, Broken> {
    let text = serde_json::from_str::<String>(json).map_err(|_| Broken::new("wrong_type", "must be a string"))?;
    match text.as_str() {
        "" => Err(Broken::new("invalid", "must not be empty")),
        _ if text.len() > MAX_TEXT_BYTES => Err(Broken::new("too_long", format!("must be at most {MAX_TEXT_BYTES} bytes long"))),
        _ if text.chars().any(char::is_control) => Err(Broken::new("invalid", "must not hold control characters")),
        _ => Ok(text),
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Result<T, Broken> {
    move |json| {
        let given = text(json)?;
        let found = words.iter().find(|(word, _)| *word == given);
        let all = || words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        found.map(|(_, value)| *value).ok_or_else(|| Broken::new("invalid", format!("must be {}", all())))
    }
}

/// A tenant's name.
pub(super) fn tenant(json: &str) -> Result<LogName, Broken> {
    LogName::parse(&text(json)?).map_err(|error| Broken::new("invalid", error.to_string()))
}

/// A moment.
pub(super) fn time(json: &str) -> Result<Timestamp, Broken> {
    Timestamp::parse(&text(json)?).map_err(|error| Broken::new("invalid", error.to_string()))
}

/// A moment that is still to come.
pub(super) fn future(json: &str) -> Result<Timestamp, Broken> {
    time(json).and_then(|at| if at > Timestamp::now() { Ok(at) } else { Err(Broken::new("invalid", "must be in the future")) })
}

/// A whole number within these bounds.
pub(super) fn number<T: TryFrom<u64>>(least: u64, most: u64) -> impl Fn(&str) -> Result<T, Broken> {
    move |json| {
        let number = serde_json::from_str::<u64>(json).ok().filter(|number| (least..=most).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| Broken::new("invalid", format!("must be a whole number from {least} to {most}")))
    }
}

/// What a credential allows.
pub(super) fn rights(json: &str) -> Result<Rights, Broken> {
    Rights::parse(json, None).map_err(|error| {
        let pointer = match &error {
            RightsError::Malformed(_) => String::new(),
            RightsError::Selector { member, .. } => format!("/{}", member.replace('.', "/")),
            RightsError::Nobody => "/subscribe/users".to_owned(),
        };
        Broken { pointer, code: "invalid", detail: error.to_string() }
    })
}
