//! An event as the log or `tail --json` shows it, turned back into one that can be published: without what only the log says of it.

use std::borrow::Cow;

use serde_json::Value;

use crate::ingest;

/// The member in which an export says, in hexadecimal, by what the log knows a repetition of the event.
pub const DIGEST: &str = "contentDigest";

/// Members that the log adds; nobody may publish them.
const LOGS_OWN: [&str; 5] = ["seq", "receivedAt", "cursor", "source", DIGEST];

/// An event's text, and what was taken out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members<'a> {
    /// The event as a publisher would send it.
    pub event: Cow<'a, str>,
    /// The source under which it was stored, if it says one.
    pub source: Option<String>,
    /// By what a repetition of it is known there, as text; nothing where it says none.
    pub digest: Option<String>,
}

/// Takes out what only the log says, if this is an event of a log: one with `seq` and `receivedAt`. Anything else stays as it is.
#[must_use]
pub fn without_the_logs_own(json: &str) -> Members<'_> {
    let as_it_is = Members { event: Cow::Borrowed(json), source: None, digest: None };
    let Ok(pairs) = ingest::pairs(json) else { return as_it_is };
    let has = |wanted: &str| pairs.iter().any(|(name, _)| name == wanted);
    if !has("seq") || !has("receivedAt") {
        return as_it_is;
    }
    let text = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| serde_json::from_str(value).ok());
    let (source, digest) = (text("source"), text(DIGEST));
    let kept = pairs.iter().filter(|(name, _)| !LOGS_OWN.contains(&&**name));
    // one spelling for every line, so that what was exported twice is the same event
    let members: Vec<String> = kept.map(|(name, value)| format!("{}:{value}", Value::from(&**name))).collect();
    Members { event: Cow::Owned(format!("{{{}}}", members.join(","))), source, digest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_a_log_loses_its_place_and_keeps_every_byte_of_its_own() {
        let line = r#"{"cursor":"e-3","seq":3,"id":"a\"b","source":"ix","type":"x.y","data":{"n":12345678901234567890,"seq":1},"receivedAt":"1970","contentDigest":"00ff"}"#;
        let members = without_the_logs_own(line);
        assert_eq!(members.event, r#"{"id":"a\"b","type":"x.y","data":{"n":12345678901234567890,"seq":1}}"#);
        assert_eq!((members.source.as_deref(), members.digest.as_deref()), (Some("ix"), Some("00ff")));
    }

    #[test]
    fn anything_else_stays_as_it_is() {
        for line in [r#"{"id":"a","source":"x"}"#, "[1]", "not JSON", r#"{"seq":1}"#] {
            assert_eq!(without_the_logs_own(line), Members { event: Cow::Borrowed(line), source: None, digest: None });
        }
    }
}
