//! What the service says about itself.

/// What the service says about itself.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Diagnostics")]
pub struct Telemetry {
    /// How log lines look
    #[arg(long, env = "CHAINCAST_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    pub log_format: LogFormat,
    /// Which log lines, such as `info` or `chaincast=debug,sqlx=warn`
    #[arg(long = "log-filter", env = "CHAINCAST_LOG", value_name = "FILTER", value_parser = filter, default_value_t = Telemetry::default().log)]
    pub log: String,
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

impl Default for Telemetry {
    fn default() -> Self {
        Self { log_format: LogFormat::Pretty, log: "info,actix_server=warn,actix_http=off,sqlx=warn".to_owned() }
    }
}

/// A filter of log lines.
fn filter(text: &str) -> Result<String, String> {
    let read = tracing_subscriber::EnvFilter::builder().parse(text);
    read.map(|_| text.to_owned()).map_err(|_| "must be a filter such as `info` or `chaincast=debug,sqlx=warn`".to_owned())
}
