//! What the service says about itself.

use super::Secret;
use crate::trace::Ratio;

/// What the service says about itself.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Diagnostics [telemetry]")]
pub struct Telemetry {
    /// How log lines look
    #[arg(long, env = "CHAINCAST_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    pub log_format: LogFormat,
    /// Which log lines, such as `info` or `chaincast=debug,sqlx=warn`
    #[arg(long = "log-filter", env = "CHAINCAST_LOG", value_name = "FILTER", value_parser = filter, default_value_t = Telemetry::default().log)]
    pub log: String,
    /// Where traces are sent, such as http://localhost:4318 (OTLP over HTTP; `/v1/traces` is appended); without it, none are.
    /// OTEL_EXPORTER_OTLP_ENDPOINT counts too
    #[arg(long, env = "CHAINCAST_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true)]
    pub otlp_endpoint: Option<Secret>,
    /// Headers for the collector of traces, such as `api-key=…,x-tenant=…`. OTEL_EXPORTER_OTLP_HEADERS counts too
    #[arg(long, env = "CHAINCAST_OTLP_HEADERS", value_name = "NAME=VALUE,…", hide_env_values = true)]
    pub otlp_headers: Option<Secret>,
    /// Which share of requests gets spans, from 0 to 1, where a collector is set; 0 is none at all. A request whose `traceparent` asks for spans gets
    /// them beside that if its credential is good (or none is needed), up to 100 a second of an instance; one that asks for none gets none
    #[arg(long, env = "CHAINCAST_TRACE_RATIO", value_name = "SHARE", default_value_t = Telemetry::default().trace_ratio)]
    pub trace_ratio: Ratio,
    /// What every service of an installation may have been told with one variable
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide = true, hide_env_values = true)]
    pub otel_exporter_otlp_endpoint: Option<Secret>,
    /// The same for headers
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", hide = true, hide_env_values = true)]
    pub otel_exporter_otlp_headers: Option<Secret>,
    /// As what the service is known to the collector; `chaincast` without
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME", hide = true)]
    pub otel_service_name: Option<String>,
    /// What else is said of the service to the collector
    #[arg(long, env = "OTEL_RESOURCE_ATTRIBUTES", value_name = "NAME=VALUE,…", hide = true)]
    pub otel_resource_attributes: Option<String>,
}

/// How log lines look.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Telemetry {
    /// Where traces are sent.
    #[must_use]
    pub fn otlp_endpoint(&self) -> Option<&str> {
        either(&self.otlp_endpoint, &self.otel_exporter_otlp_endpoint)
    }

    /// With which headers.
    #[must_use]
    pub fn otlp_headers(&self) -> Option<&str> {
        either(&self.otlp_headers, &self.otel_exporter_otlp_headers)
    }
}

/// The service's own, or everyone's; an empty variable is none.
fn either<'a>(own: &'a Option<Secret>, everyones: &'a Option<Secret>) -> Option<&'a str> {
    let set = |secret: &'a Option<Secret>| secret.as_ref().map(Secret::expose).filter(|text| !text.is_empty());
    set(own).or_else(|| set(everyones))
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Pretty,
            log: "info,actix_server=warn,actix_http=off,sqlx=warn".to_owned(),
            otlp_endpoint: None,
            otlp_headers: None,
            trace_ratio: Ratio::ALL,
            otel_exporter_otlp_endpoint: None,
            otel_exporter_otlp_headers: None,
            otel_service_name: None,
            otel_resource_attributes: None,
        }
    }
}

/// A filter of log lines.
fn filter(text: &str) -> Result<String, String> {
    let read = tracing_subscriber::EnvFilter::builder().parse(text);
    read.map(|_| text.to_owned()).map_err(|_| "must be a filter such as `info` or `chaincast=debug,sqlx=warn`".to_owned())
}
