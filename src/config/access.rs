//! Who may ask.

/// Who may ask.
#[derive(clap::Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Access [access]")]
pub struct Access {
    /// Origins of web pages that may use the service, such as `https://app.example`, or `*`; the default is every page of this machine
    #[arg(long, env = "CHAINCAST_ALLOWED_ORIGINS", value_name = "ORIGIN,…", value_delimiter = ',', value_parser = origin)]
    pub allowed_origins: Vec<String>,
    /// Host names, without port, that the service answers to besides those of this machine
    #[arg(long, env = "CHAINCAST_ALLOWED_HOSTS", value_name = "HOST,…", value_delimiter = ',', value_parser = host)]
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

/// `scheme://host[:port]`, as browsers send it, or `*`; a blank is none.
fn origin(text: &str) -> Result<String, String> {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let is_host = |host: &str| !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/?#@*\\".contains(c));
    match text.trim() {
        "" | "*" => Ok(text.to_owned()),
        origin if origin.split_once("://").is_some_and(|(scheme, host)| is_scheme(scheme) && is_host(host.trim_end_matches('/'))) => {
            Ok(text.to_owned())
        }
        origin => Err(format!("`{origin}` must be an origin such as https://app.example or http://localhost:5173, or `*`")),
    }
}

/// A host's name or address without port; a blank is none.
fn host(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_address = name.parse::<std::net::Ipv6Addr>().is_ok();
    let is_name = !name.contains(|c: char| c.is_whitespace() || "/:?#@*[]".contains(c));
    if is_address || is_name {
        Ok(text.to_owned())
    } else {
        Err(format!("`{name}` must be a host's name without scheme and port, such as app.example"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_browser_would_send_is_no_origin() {
        for good in
            ["https://app.example", "http://localhost:5173", "http://[::1]:3001", " https://a.example/", "capacitor://localhost", "*", ""]
        {
            assert!(origin(good).is_ok(), "{good}");
        }
        for bad in [
            "foo",
            "app.example",
            "localhost:5173",
            "https://",
            "https://a.example/path",
            "https://*.example",
            "null",
            "//a",
            "https://a b",
        ] {
            assert!(origin(bad).expect_err(bad).contains("must be an origin"), "{bad}");
        }
    }

    #[test]
    fn a_host_comes_without_scheme_and_port() {
        for good in ["app.example", " localhost", "10.0.0.1", "::1", ""] {
            assert!(host(good).is_ok(), "{good}");
        }
        for bad in ["https://app.example", "app.example:443", "app.example/", "*.example", "[::1]"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }
}
