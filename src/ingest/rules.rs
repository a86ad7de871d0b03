//! The rules of an event's strings that are no names of the domain: texts, times, chains, status.
//!
//! These members are carried, not looked at, so what is checked is only what could hurt those who read them: length, control characters,
//! and a spelling that two readers could take for different things.

use crate::domain::{NameError, Timestamp};

/// The longest string member besides `data`, in bytes.
const MAX_TEXT_BYTES: usize = 255;
const STATUSES: [&str; 4] = ["pending", "confirmed", "final", "reverted"];

/// Which rule a value breaks.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) code: &'static str,
    pub(super) detail: String,
}

impl Broken {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl From<NameError> for Broken {
    fn from(error: NameError) -> Self {
        let code = match error {
            NameError::Reserved => "reserved",
            NameError::TooLong(_) => "too_long",
            NameError::Empty | NameError::NotVisible | NameError::Comma | NameError::EmptySegment => "invalid",
            NameError::TooDeep | NameError::Wildcard => "invalid",
        };
        Self::new(code, error.to_string())
    }
}

/// Unicode text without control characters.
pub(super) fn text(s: &str) -> Result<String, Broken> {
    if s.is_empty() {
        return Err(Broken::new("invalid", "must not be empty"));
    }
    if s.len() > MAX_TEXT_BYTES {
        return Err(Broken::new("too_long", format!("must be at most {MAX_TEXT_BYTES} bytes long")));
    }
    if s.chars().any(char::is_control) {
        return Err(Broken::new("invalid", "must not hold control characters"));
    }
    Ok(s.to_owned())
}

/// A date-time, kept in the publisher's spelling.
pub(super) fn time(s: &str) -> Result<String, Broken> {
    let s = text(s)?;
    Timestamp::parse(&s).map_err(|error| Broken::new("invalid", error.to_string()))?;
    Ok(s)
}

/// A CAIP-2 chain id.
pub(super) fn chain(s: &str) -> Result<String, Broken> {
    let is_namespace = |s: &str| (3..=8).contains(&s.len()) && s.bytes().all(|b| b == b'-' || b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_reference = |s: &str| (1..=32).contains(&s.len()) && s.bytes().all(|b| matches!(b, b'-' | b'_') || b.is_ascii_alphanumeric());
    match s.split_once(':') {
        Some((namespace, reference)) if is_namespace(namespace) && is_reference(reference) => Ok(s.to_owned()),
        _ => Err(Broken::new("invalid", "must be a CAIP-2 chain id such as `stellar:pubnet`")),
    }
}

/// How settled the event is.
pub(super) fn status(s: &str) -> Result<String, Broken> {
    if STATUSES.contains(&s) { Ok(s.to_owned()) } else { Err(Broken::new("invalid", format!("must be one of {}", STATUSES.join(", ")))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_follow_caip_2() {
        for good in ["stellar:pubnet", "eip155:1", "cosmos:cosmoshub-3", "bip122:000000000019d6689c085ae165831e93"] {
            assert!(chain(good).is_ok(), "{good}");
        }
        for bad in ["", "stellar", "ab:1", "Stellar:pubnet", "toolongns:1", "eip155:", "eip155:a:b", "eip155:a b", "abc:é"] {
            assert!(chain(bad).is_err(), "{bad:?}");
        }
        assert!(chain(&format!("abc:{}", "x".repeat(33))).is_err());
    }

    #[test]
    fn texts_are_bounded_and_without_control_characters() {
        assert!(text("Überweisung/1").is_ok());
        for bad in ["", "a\nb", "a\0", "\u{85}", "\u{7f}", &"x".repeat(256)] {
            assert!(text(bad).is_err(), "{bad:?}");
        }
    }
}
