//! Which store the log is in. The URL may hold a password, so nothing here shows it.

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

use super::show::masked;

/// The text of `DATABASE_URL`: kept as it came, shown without what is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Box<str>);

/// A store.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A server, by a URL that may hold a password.
    Postgres(Box<str>),
}

/// Why a URL names no store. Says nothing of the URL itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Neither scheme.
    #[error("must start with postgres:// or sqlite://")]
    Scheme,
    /// Nothing behind it.
    #[error("sqlite:// must be followed by a path, such as sqlite://data/chaincast.db")]
    NoPath,
}

impl DatabaseUrl {
    /// The store that it names.
    ///
    /// # Errors
    /// [`DatabaseUrlError`].
    pub fn parse(&self) -> Result<Database, DatabaseUrlError> {
        if let Some(path) = self.0.strip_prefix("sqlite://") {
            return if path.is_empty() { Err(DatabaseUrlError::NoPath) } else { Ok(Database::Sqlite(path.into())) };
        }
        let postgres = self.0.starts_with("postgres://") || self.0.starts_with("postgresql://");
        if postgres { Ok(Database::Postgres(self.0.clone())) } else { Err(DatabaseUrlError::Scheme) }
    }
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self("sqlite://data/chaincast.db".into())
    }
}

impl FromStr for DatabaseUrl {
    // an error would be printed together with the text
    type Err = Infallible;

    fn from_str(s: &str) -> Result<Self, Infallible> {
        Ok(Self(s.into()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parse() {
            Ok(database) => database.fmt(f),
            Err(_) => f.write_str("…"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => f.write_str(&place(url)),
        }
    }
}

/// Server and database.
fn place(url: &str) -> String {
    match masked(url) {
        shown if shown.contains("://") => shown.trim_end_matches("?…").to_owned(),
        _ => "postgres://…".to_owned(),
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DatabaseUrl {
        text.parse().expect("infallible")
    }

    #[test]
    fn a_url_names_a_file_or_a_server() {
        assert_eq!(url("sqlite://data/x.db").parse(), Ok(Database::Sqlite("data/x.db".into())));
        assert_eq!(url("sqlite:///var/x.db").parse(), Ok(Database::Sqlite("/var/x.db".into())));
        assert!(matches!(url("postgresql://h/d").parse(), Ok(Database::Postgres(_))));
        assert_eq!(url("mysql://u:secret@h/d").parse(), Err(DatabaseUrlError::Scheme));
        assert_eq!(url("sqlite://").parse(), Err(DatabaseUrlError::NoPath));
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(url("postgres://u:secret@h:5432/d?sslmode=require").to_string(), "postgres://…@h:5432/d");
        assert_eq!(url("postgres://h/d?password=a@secret").to_string(), "postgres://…");
        for text in
            ["postgres://u:secret@h/d", "postgres://u:secret", "postgres://h/d?password=se@secret", "mysql://u:secret@h/d", "secret"]
        {
            let shown = format!("{0} {0:?} {1:?}", url(text), url(text).parse());
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
