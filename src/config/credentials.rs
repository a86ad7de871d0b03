//! What the service's own credentials are made from, and where else than in a header one is taken.

use clap::{ArgAction, builder::BoolishValueParser};

use super::Secret;
use crate::auth::{Rights, RightsError, SecretTooShort, ServiceSecret, anonymous_rights};

/// What the service's own credentials are made from, and where else than in a header one is taken.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Credentials [credentials]")]
pub struct Credentials {
    /// From which tickets and signing keys derive, at least 32 bytes and the same on all instances; better given as the variable, since other users
    /// of the machine see flags. Without it there are no signing keys
    #[arg(long, env = "CHAINCAST_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub secret: Option<Secret>,
    /// What everyone may see without a credential, such as `{"subscribe":{"topics":["market.**"]}}`; the default is nothing
    #[arg(long, env = "CHAINCAST_ANONYMOUS_RIGHTS", value_name = "JSON")]
    pub anonymous_rights: Option<String>,
    /// The cookie in which a browser sends a token
    #[arg(long, env = "CHAINCAST_COOKIE_NAME", value_name = "NAME", value_parser = cookie_name, default_value_t = Credentials::default().cookie_name)]
    pub cookie_name: String,
    /// From which pages a browser sends the cookie: of this site alone, also when a link leads here, or of every site that may ask (then over TLS only)
    #[arg(long, env = "CHAINCAST_COOKIE_SAME_SITE", value_name = "WHICH", value_enum, default_value_t = CookieSameSite::Strict)]
    pub cookie_same_site: CookieSameSite,
    /// Whether a token is taken from the query (`?token=`) of a GET, where proxies may log it
    #[arg(long, env = "CHAINCAST_TOKEN_PARAMETER", value_name = "BOOL", value_parser = BoolishValueParser::new(),
        action = ArgAction::Set, default_value_t = Credentials::default().token_parameter)]
    pub token_parameter: bool,
}

/// The cookie's `SameSite` attribute.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieSameSite {
    /// Pages of this site.
    #[default]
    Strict,
    /// And links from others, which show what they lead to and hand nothing back.
    Lax,
    /// Pages of any site. Browsers take it only with `Secure`, so that is set with it.
    None,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            secret: None,
            anonymous_rights: None,
            cookie_name: "__Secure-chaincast".to_owned(),
            cookie_same_site: CookieSameSite::Strict,
            token_parameter: true,
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The service's secret.
    #[error("CHAINCAST_SECRET: {0}")]
    Secret(#[from] SecretTooShort),
    /// Everyone's rights.
    #[error("CHAINCAST_ANONYMOUS_RIGHTS: {0}")]
    AnonymousRights(#[from] RightsError),
}

impl Credentials {
    /// The service's secret, if it was given one.
    ///
    /// # Errors
    /// It could be guessed.
    pub fn service_secret(&self) -> Result<Option<ServiceSecret>, CredentialsError> {
        Ok(self.secret.as_ref().map(|secret| ServiceSecret::parse(secret.expose())).transpose()?)
    }

    /// What everyone may see.
    ///
    /// # Errors
    /// It cannot be read, or is more than seeing.
    pub fn anonymous(&self) -> Result<Option<Rights>, CredentialsError> {
        Ok(self.anonymous_rights.as_deref().map(anonymous_rights).transpose()?)
    }
}

/// A token as RFC 6265 has it: anything else would be another cookie, or none.
fn cookie_name(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token) { Ok(text.to_owned()) } else { Err("must be a cookie's name".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Alone {
        #[command(flatten)]
        credentials: Credentials,
    }

    fn parse(flags: &[&str]) -> Result<Credentials, clap::Error> {
        Alone::try_parse_from([&["test"], flags].concat()).map(|alone| alone.credentials)
    }

    #[test]
    fn what_is_not_given_is_as_documented() {
        assert_eq!(parse(&[]).expect("valid"), Credentials::default());
        assert!(!parse(&["--token-parameter", "off"]).expect("valid").token_parameter);
    }

    #[test]
    fn which_pages_have_the_cookie_sent_is_one_of_three() {
        for (text, which) in [("strict", CookieSameSite::Strict), ("lax", CookieSameSite::Lax), ("none", CookieSameSite::None)] {
            assert_eq!(parse(&["--cookie-same-site", text]).expect("valid").cookie_same_site, which);
        }
        assert!(parse(&["--cookie-same-site", "off"]).is_err());
    }

    #[test]
    fn a_cookies_name_that_is_none_is_refused() {
        assert_eq!(parse(&["--cookie-name", "__Host-cc"]).expect("valid").cookie_name, "__Host-cc");
        for bad in ["", "a b", "a=b", "a;b", "\u{e9}"] {
            assert!(parse(&["--cookie-name", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_that_could_be_guessed_and_rights_that_cannot_be_read_are_named_by_variable() {
        let credentials = parse(&["--secret", "guessable", "--anonymous-rights", r#"{"publish":{}}"#]).expect("read");
        let refusal = credentials.service_secret().expect_err("too short").to_string();
        assert!(refusal.starts_with("CHAINCAST_SECRET: ") && !refusal.contains("guessable"), "{refusal}");
        assert!(credentials.anonymous().expect_err("too much").to_string().starts_with("CHAINCAST_ANONYMOUS_RIGHTS: "));
        assert!(!format!("{credentials:?}").contains("guessable"));
        assert!(parse(&["--secret", "0123456789abcdef0123456789abcdef"]).expect("read").service_secret().expect("long enough").is_some());
    }
}
