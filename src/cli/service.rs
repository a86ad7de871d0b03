//! Which service a command speaks to: what `tail` and `publish` have in common.

use std::{convert::Infallible, fmt, str::FromStr};

use anyhow::Context as _;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{client::Target, config::Secret};

/// Which service, and as whom.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where the service is
    #[arg(
        long,
        env = "CHAINCAST_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:3001",
        hide_env_values = true,
        help_heading = "Service"
    )]
    url: ServiceUrl,
    /// A key (`chaincast keys create`) or a token, if the service asks for one. In the variable it stays out of the list of processes
    #[arg(long, env = "CHAINCAST_TOKEN", value_name = "TOKEN", hide_env_values = true, help_heading = "Service")]
    token: Option<Secret>,
}

impl Service {
    /// Where it is.
    ///
    /// # Errors
    /// The URL is not that of a service; says nothing of the URL itself.
    pub fn target(&self) -> anyhow::Result<Target> {
        self.url.0.parse().context("--url")
    }

    /// As whom; an empty text, which is what a variable that could not be filled holds, counts as none.
    #[must_use]
    pub fn token(&self) -> Option<SecretString> {
        self.token.as_ref().map(Secret::to_secrecy).filter(|token| !token.expose_secret().is_empty())
    }
}

/// The text of `--url`: kept as it came, because it may hold a password that it should not, and an error while words are read would show it.
#[derive(Clone, PartialEq, Eq)]
struct ServiceUrl(Box<str>);

impl FromStr for ServiceUrl {
    type Err = Infallible;

    fn from_str(s: &str) -> Result<Self, Infallible> {
        Ok(Self(s.into()))
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.parse::<Target>().is_ok() { &self.0 } else { "…" })
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        service: Service,
    }

    #[test]
    fn an_empty_token_is_none() {
        let token = |text: &str| Words::try_parse_from(["tail", "--token", text]).expect("understood").service.token();
        assert!(token("").is_none() && token("x").is_some());
    }

    #[test]
    fn no_message_shows_a_password_in_a_url() {
        for url in ["http://user:hunter2@h", "https://hunter2@h/", "hunter2", "http://h/?token=hunter2"] {
            let words = Words::try_parse_from(["tail", "--url", url]).expect("looked at later");
            let refused = words.service.target().expect_err("no service");
            let said = format!("{refused:#} {refused:?} {words:?}");
            assert!(!said.contains("hunter2") && said.contains("--url: not the URL of a service"), "{said}");
        }
        let command = Words::command();
        let url = command.get_arguments().find(|argument| argument.get_id() == "url").expect("there");
        assert!(url.is_hide_env_values_set(), "help would show what the variable holds");
    }
}
