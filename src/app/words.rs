//! What went wrong, in one text: each cause once, although many errors end with what caused them.

/// An error, and what caused it, as far as it does not say so itself.
#[must_use]
pub fn words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;
    use crate::config::{ConfigError, DatabaseUrlError};

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow!(ConfigError::from(DatabaseUrlError::Scheme));
        assert_eq!(words(&error), "DATABASE_URL: must start with postgres:// or sqlite://");
        assert_eq!(words(&error.context("cannot start")), "cannot start: DATABASE_URL: must start with postgres:// or sqlite://");
        let cause = std::io::Error::other("no such file");
        assert_eq!(words(&Err::<(), _>(cause).context("x.toml").expect_err("an error")), "x.toml: no such file");
    }
}
