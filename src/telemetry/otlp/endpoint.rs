//! Where spans are sent, and with which headers.

use std::{io, time::Duration};

use ureq::{
    Agent,
    http::{HeaderName, HeaderValue, Uri},
};

use crate::{
    config::Telemetry,
    outbound::{self, NoAuthorities, Trust},
};

/// Where collectors take traces, below the address that is set.
const PATH: &str = "/v1/traces";
/// How long a collector may take for one message.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read of an answer.
const MAX_ANSWER: u64 = 16 * 1024;

/// A setting that cannot be used; none is repeated, since headers and addresses may hold what nobody must read.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// No address.
    #[error(
        "CHAINCAST_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_ENDPOINT) must be an address such as http://localhost:4318, without a user, a query or a fragment"
    )]
    Address,
    /// No headers.
    #[error("CHAINCAST_OTLP_HEADERS (or OTEL_EXPORTER_OTLP_HEADERS) must be headers such as `name=value,other=value`")]
    Headers,
    /// No attributes.
    #[error("OTEL_RESOURCE_ATTRIBUTES must be attributes such as `name=value,other=value`")]
    Attributes,
    /// Nobody would believe the collector.
    #[error("CHAINCAST_OTLP_ENDPOINT is https, but this machine has no certificate authorities: install them (ca-certificates)")]
    NoAuthorities,
    /// The system gives no more threads.
    #[error("no thread for traces: {0}")]
    NoThread(#[source] io::Error),
}

/// A collector.
pub(super) struct Target {
    agent: Agent,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a collector said.
pub(super) enum Said {
    Taken,
    /// It will not take this, ever.
    Refused(String),
    /// It may take it later.
    Busy(String),
}

impl Target {
    /// The collector that is set, if one is.
    pub(super) fn of(settings: &Telemetry) -> Result<Option<Self>, EndpointError> {
        let Some(endpoint) = settings.otlp_endpoint() else { return Ok(None) };
        let uri: Uri = format!("{}{PATH}", endpoint.trim_end_matches('/')).parse().map_err(|_| EndpointError::Address)?;
        let is_plain = uri.authority().is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
        if !is_plain || !matches!(uri.scheme_str(), Some("http" | "https")) || endpoint.contains(['?', '#']) {
            return Err(EndpointError::Address);
        }
        let named = pairs(settings.otlp_headers().unwrap_or_default()).ok_or(EndpointError::Headers)?;
        let header = |(name, value): (String, String)| Some((name.parse().ok()?, value.parse().ok()?));
        let headers = named.into_iter().map(header).collect::<Option<_>>().ok_or(EndpointError::Headers)?;
        let trust = (uri.scheme_str() == Some("https")).then_some(Trust::Machine);
        let is_here = uri.host().is_some_and(outbound::is_loopback);
        let config = outbound::agent(is_here, trust)
            .map_err(|NoAuthorities| EndpointError::NoAuthorities)?
            // a redirect could lead the headers to where the operator did not mean to send them
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_idle_connections(1)
            .user_agent(concat!("chaincast/", env!("CARGO_PKG_VERSION")));
        Ok(Some(Self { agent: config.build().new_agent(), uri, headers }))
    }

    /// Where it is, for the log.
    pub(super) fn shown(&self) -> String {
        self.uri.to_string()
    }

    /// Whether it is where collectors listen for something else.
    pub(super) fn is_for_grpc(&self) -> bool {
        self.uri.port_u16() == Some(4317)
    }

    /// Sends a message, and waits for [`PATIENCE`] at most.
    pub(super) fn send(&self, message: &[u8]) -> Said {
        let mut request = self.agent.post(&self.uri).content_type("application/x-protobuf");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut answer = match request.send(message) {
            Ok(answer) => answer,
            Err(error) => return Said::Busy(error.to_string()),
        };
        // or its connection could not be used again
        let _ = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        match answer.status().as_u16() {
            200..=299 => Said::Taken,
            status @ (429 | 502 | 503 | 504) => Said::Busy(format!("it answered with status {status}")),
            status => Said::Refused(format!("it answered with status {status}")),
        }
    }
}

/// `name=value,other=value`, as OpenTelemetry has it: values may be percent-encoded.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        (!name.trim().is_empty()).then(|| Some((name.trim().to_owned(), decode(value.trim())?)))?
    };
    text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(pair).collect()
}

fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(endpoint: &str, headers: Option<&str>) -> Result<Option<Target>, EndpointError> {
        let otlp_headers = headers.map(|headers| headers.parse().expect("infallible"));
        Target::of(&Telemetry { otlp_endpoint: Some(endpoint.parse().expect("infallible")), otlp_headers, ..Telemetry::default() })
    }

    #[test]
    fn an_address_is_taken_with_or_without_a_path() {
        for (endpoint, shown) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces"),
            ("http://otel.example/collect/", "http://otel.example/collect/v1/traces"),
        ] {
            assert_eq!(target(endpoint, None).ok().flatten().expect("taken").shown(), shown);
        }
        assert!(matches!(Target::of(&Telemetry::default()), Ok(None)));
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for bad in ["localhost:4318", "ftp://a", "http://user:hunter2@a", "http://", "http://a?key=hunter2", "http://a#b", "grpc://a:4317"]
        {
            let refusal = target(bad, None).err().expect("refused").to_string();
            assert!(refusal.contains("CHAINCAST_OTLP_ENDPOINT") && !refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn headers_are_read_as_opentelemetry_has_them() {
        let headers = |text| target("http://a", Some(text)).map(|target| target.expect("taken").headers);
        assert_eq!(headers("").expect("none").len(), 0);
        let read = headers("api-key=s%20e=cret, x-tenant = a ,").expect("two");
        assert_eq!(read[0].1, "s e=cret");
        assert_eq!((read[1].0.as_str(), read[1].1.as_bytes()), ("x-tenant", &b"a"[..]));
        for bad in ["hunter2", "=hunter2", "a b=hunter2", "a=hunter2%0a", "a=%zz", "a=%"] {
            let refusal = headers(bad).expect_err("refused").to_string();
            assert!(refusal.contains("CHAINCAST_OTLP_HEADERS") && !refusal.contains("hunter2"), "{refusal}");
        }
    }
}
