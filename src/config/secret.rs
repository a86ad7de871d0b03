//! A setting that is never shown.

use std::{convert::Infallible, fmt, str::FromStr};

use secrecy::{ExposeSecret as _, SecretString};

/// A text that is never shown, and wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text, for whoever keeps it.
    #[must_use]
    pub fn to_secrecy(&self) -> SecretString {
        self.0.clone()
    }

    /// The text, to be used at once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl FromStr for Secret {
    // an error would be printed together with the text
    type Err = Infallible;

    fn from_str(s: &str) -> Result<Self, Infallible> {
        Ok(s.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret: Secret = "hunter2".parse().expect("infallible");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "… Some(\n    …,\n)");
        assert_eq!(secret.to_secrecy().expose_secret(), "hunter2");
        assert_eq!(secret.expose(), "hunter2");
    }
}
