//! What the service says about itself: one line an occurrence, to standard error, for people or for machines; and spans, to a collector of traces,
//! if one is set ([`otlp`]).
//!
//! Standard output is left to commands that print a result. What may never be logged (tokens, ids, topics, addresses) is for every caller to
//! leave out; nothing here can tell. What nobody can do is forge a line: control characters are escaped, whatever was logged
//! (`nothing_that_is_logged_forges_a_line`).

mod json;
pub mod otlp;
mod pretty;

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt::format::JsonFields, util::TryInitError};

use self::json::FlatJson;
use crate::config::{LogFormat, Telemetry};

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error("CHAINCAST_LOG is no filter such as `info` or `chaincast=debug,sqlx=warn`")]
    Filter(#[from] ParseError),
    /// Someone was faster.
    #[error("logging was set up before")]
    Already(#[from] TryInitError),
}

/// Sets up logging for the whole process; once.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(settings: &Telemetry) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let filter = EnvFilter::builder().parse(&settings.log)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).fmt_fields(pretty::fields()).finish().try_init()?,
        LogFormat::Json => lines.fmt_fields(JsonFields::new()).event_format(FlatJson).finish().try_init()?,
    }
    Ok(())
}
