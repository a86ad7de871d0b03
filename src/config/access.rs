//! Who may ask.

/// Who may ask.
#[derive(clap::Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Access")]
pub struct Access {
    /// Origins of web pages that may use the service, such as `https://app.example`, or `*`; the default is every page of this machine
    #[arg(long, env = "CHAINCAST_ALLOWED_ORIGINS", value_name = "ORIGIN,…", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,
    /// Host names, without port, that the service answers to besides those of this machine
    #[arg(long, env = "CHAINCAST_ALLOWED_HOSTS", value_name = "HOST,…", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
    /// Serve whoever reaches the port, without credentials
    #[arg(long, env = "CHAINCAST_INSECURE_OPEN", value_parser = clap::builder::BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub insecure_open: bool,
}

impl Access {
    /// The origins without blanks: `a, b,` in a file of variables is two.
    pub fn origins(&self) -> Vec<&str> {
        given(&self.allowed_origins)
    }

    /// The hosts without blanks.
    pub fn hosts(&self) -> Vec<&str> {
        given(&self.allowed_hosts)
    }
}

/// What a list of texts holds besides blanks.
pub(super) fn given(list: &[String]) -> Vec<&str> {
    list.iter().map(|item| item.trim()).filter(|item| !item.is_empty()).collect()
}
