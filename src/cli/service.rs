//! Which service a command speaks to: what `tail` and `publish` have in common.

use clap::Args;

use crate::{client::Target, config::Secret};

/// Which service, and as whom.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where the service is
    #[arg(long, env = "CHAINCAST_URL", value_name = "URL", default_value = "http://127.0.0.1:3001", help_heading = "Service")]
    pub url: Target,
    /// A key (`chaincast keys create`) or a token, if the service asks for one. In the variable it stays out of the list of processes
    #[arg(long, env = "CHAINCAST_TOKEN", value_name = "TOKEN", hide_env_values = true, help_heading = "Service")]
    pub token: Option<Secret>,
}
