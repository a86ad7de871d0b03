//! Where a service is, and what is asked of it, as a URL.

use std::{fmt::Write as _, str::FromStr};

use ureq::http::Uri;

use crate::outbound;

/// The base URL of a service: `https://events.example.org`, or with a path where a proxy serves it below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    base: String,
    secure: bool,
    loopback: bool,
}

/// The text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the URL of a service: expected http:// or https://, a host, and neither a user, a query nor a fragment, such as http://127.0.0.1:3001"
)]
pub struct TargetError;

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(s: &str) -> Result<Self, TargetError> {
        let uri: Uri = s.parse().map_err(|_| TargetError)?;
        let authority = uri.authority().ok_or(TargetError)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(TargetError),
        };
        // a user in a URL would end in logs; credentials go into a header
        if authority.host().is_empty() || authority.as_str().contains('@') || uri.query().is_some() || s.contains('#') {
            return Err(TargetError);
        }
        Ok(Self { base: s.trim_end_matches('/').to_owned(), secure, loopback: outbound::is_loopback(authority.host()) })
    }
}

impl Target {
    /// Whether what is sent is encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The URL of a path below it.
    #[must_use]
    pub fn at(&self, path: &str, query: &Query) -> String {
        format!("{}{path}{}", self.base, query.0)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base)
    }
}

/// Query parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(String);

impl Query {
    /// With one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~*:".contains(&byte) {
                self.0.push(byte.into());
            } else {
                // writing to a String cannot fail
                let _ = write!(self.0, "%{byte:02X}");
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_scheme_host_and_perhaps_a_path() {
        let target: Target = "https://events.example.org/chain/".parse().expect("a service");
        let query = Query::default().with("topics", "a.**").with("since", "2026-01-01T00:00:00+01:00 &é");
        let expected = "https://events.example.org/chain/events?topics=a.**&since=2026-01-01T00:00:00%2B01:00%20%26%C3%A9";
        assert_eq!(target.at("/events", &query), expected);
        assert!(target.is_secure() && !target.is_loopback());
        for local in ["http://127.0.0.1:3001", "http://localhost", "http://[::1]:80/"] {
            assert!(local.parse::<Target>().expect("a service").is_loopback(), "{local}");
        }
    }

    #[test]
    fn what_is_no_service_is_refused() {
        for bad in ["", "localhost:3001", "ftp://a", "http://", "http://u:p@h", "http://h/?a=1", "http://h/#a", "/events"] {
            assert_eq!(bad.parse::<Target>(), Err(TargetError), "{bad}");
        }
    }
}
