//! Every setting, by concern: each is a field with its documentation, its flag, its variable and its default in one place.
//!
//! A [`Config`] is plain data. Its `Default` is what is documented, and what `chaincast` runs with when nothing is said; tests start from it
//! and change fields. [`Layers`] are where they are said: flags, variables, a file. [`Config::check`] finds what fields alone cannot show, and
//! [`Config::warnings`] what is dangerous only together. A misspelt setting is an error, because a limit that silently is not set is worse than a
//! service that does not start. Secrets are never printed.

mod access;
mod backplane;
mod credentials;
mod database;
mod document;
pub mod environment;
mod fault;
mod file;
mod hub;
mod ingest;
mod jwt;
mod layers;
mod limits;
mod log;
mod secret;
mod secret_file;
mod server;
mod setting;
mod show;
mod telemetry;
mod warnings;

use std::net::SocketAddr;

use crate::{auth::JwtConfigError, log::PostgresSettings};

pub use access::Access;
pub use backplane::{Backplane, BackplaneKind};
pub use credentials::{CookieSameSite, Credentials, CredentialsError};
pub use database::{Database, DatabaseUrl, DatabaseUrlError};
pub use document::default_file;
pub(crate) use fault::further;
pub use fault::{Fault, unknown};
pub use file::FileFault;
pub use hub::Hub;
pub use ingest::Ingest;
pub use jwt::Jwt;
pub use layers::{FILE, FILE_VARIABLE, Flags, Layers, NamedFile, Said, Source, Variables};
pub use limits::{ForwardedHeader, Limits};
pub use log::Log;
pub use secret::Secret;
pub use server::Server;
pub use setting::{Kind, Setting};
pub use telemetry::{LogFormat, Telemetry};

/// Every setting.
#[derive(clap::Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Where to listen, and with how many threads.
    #[command(flatten)]
    pub server: Server,
    /// Who may ask.
    #[command(flatten)]
    pub access: Access,
    /// Tokens.
    #[command(flatten)]
    pub jwt: Jwt,
    /// Credentials that the service makes itself.
    #[command(flatten)]
    pub credentials: Credentials,
    /// The store.
    #[command(flatten)]
    pub log: Log,
    /// Several instances.
    #[command(flatten)]
    pub backplane: Backplane,
    /// What a publish request may hold.
    #[command(flatten)]
    pub ingest: Ingest,
    /// Subscriptions.
    #[command(flatten)]
    pub hub: Hub,
    /// How much one client may ask for.
    #[command(flatten)]
    pub limits: Limits,
    /// What the service says about itself.
    #[command(flatten)]
    pub telemetry: Telemetry,
}

/// Settings that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Everyone who reaches the port could publish and read.
    #[error(
        "refusing to listen on {0} without credentials: everyone who reaches it could publish and read.\n\
         Listen on 127.0.0.1; or make a key (chaincast keys create) or have tokens checked (CHAINCAST_JWT_SECRET, CHAINCAST_JWT_PUBLIC_KEYS, \
         CHAINCAST_JWKS_URL); or set CHAINCAST_INSECURE_OPEN=1 to serve openly all the same (a container in development)"
    )]
    OpenToTheNetwork(SocketAddr),
    /// Whoever set both believes in one of them.
    #[error("CHAINCAST_INSECURE_OPEN is set, but there are credentials, so the service is not open: unset it")]
    OpenAndClosed,
    /// Whoever grants everyone something believes that the rest is not granted.
    #[error(
        "CHAINCAST_ANONYMOUS_RIGHTS is set, but there are no credentials, so everyone may do everything: make a key or have tokens checked"
    )]
    RightsInOpenMode,
    /// The store is not named rightly.
    #[error("DATABASE_URL: {0}")]
    Database(#[from] DatabaseUrlError),
    /// Both would ask for one port.
    #[error("CHAINCAST_ADMIN_LISTEN ({1}) meets CHAINCAST_LISTEN ({0}): give operators another port")]
    ListensTwice(SocketAddr, SocketAddr),
    /// The store's server is not named rightly.
    #[error("DATABASE_URL: {0}; a `/`, `:`, `@`, `?`, `#` or `%` that is part of a password is written as %2F, %3A, %40, %3F, %23 or %25")]
    Postgres(String),
    /// There is nothing to meet at.
    #[error("CHAINCAST_BACKPLANE is redis, but REDIS_URL is not set")]
    NoRedis,
    /// SQLite has no channel.
    #[error("CHAINCAST_BACKPLANE is postgres, but DATABASE_URL is not a postgres:// one")]
    NoPostgres,
    /// Tokens could not be checked, or not well.
    #[error(transparent)]
    Jwt(#[from] JwtConfigError),
    /// A setting of credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Whoever set it believes that tokens are checked.
    #[error("CHAINCAST_JWT_PUBLIC_KEYS is set, and names no file: name the PEM files with public keys, or unset it")]
    NoKeyFiles,
    /// Anyone could be taken for anyone.
    #[error(
        "CHAINCAST_TRUSTED_PROXIES has {0}, which is every machine: each client could then say that it is any other, and no limit by address \
         would hold. Name the networks of your proxies, such as 10.0.0.0/8"
    )]
    EveryoneIsAProxy(ipnet::IpNet),
    /// No event of the allowed size would fit.
    #[error("CHAINCAST_EVENT_BYTES ({event}) is more than CHAINCAST_BATCH_BYTES ({batch})")]
    EventAboveBatch {
        /// The limit of an event.
        event: usize,
        /// The limit of a batch.
        batch: usize,
    },
}

impl Config {
    /// Finds settings that do not go together.
    ///
    /// # Errors
    /// The first [`ConfigError`]; its text says which setting to change.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.faults().into_iter().next().map_or(Ok(()), Err)
    }

    /// All settings that do not go together.
    #[must_use]
    pub fn faults(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let admin = self.server.admin_listen.filter(|_| self.server.listens_twice());
        faults.extend(admin.map(|admin| ConfigError::ListensTwice(self.server.listen, admin)));
        faults.extend(self.jwt.settings().check().err().map(ConfigError::from));
        faults.extend(self.jwt.names_no_key().then_some(ConfigError::NoKeyFiles));
        match (self.backplane.kind(), self.log.database()) {
            (_, Err(error)) => faults.push(error.into()),
            (BackplaneKind::Redis, _) if self.backplane.redis().is_none() => faults.push(ConfigError::NoRedis),
            (BackplaneKind::Postgres, Ok(Database::Sqlite(_))) => faults.push(ConfigError::NoPostgres),
            _ => {}
        }
        if let Ok(Database::Postgres(url)) = self.log.database() {
            faults.extend(PostgresSettings::check(&url).err().map(ConfigError::Postgres));
        }
        faults.extend(self.credentials.service_secret().err().map(ConfigError::from));
        faults.extend(self.credentials.anonymous().err().map(ConfigError::from));
        let everyone = self.limits.trusted_proxies.iter().find(|network| network.prefix_len() == 0);
        faults.extend(everyone.map(|network| ConfigError::EveryoneIsAProxy(*network)));
        if self.ingest.event_bytes > self.ingest.batch_bytes {
            faults.push(ConfigError::EventAboveBatch { event: self.ingest.event_bytes, batch: self.ingest.batch_bytes });
        }
        faults
    }

    /// Finds settings that do not go with there being no credentials (`open`), or with there being some.
    ///
    /// # Errors
    /// Whoever reaches the port of an open service may do everything, so nobody else may reach it, unless the operator says so; and who says so must not
    /// believe that credentials are asked for.
    pub fn check_openness(&self, open: bool) -> Result<(), ConfigError> {
        let beyond = [Some(self.server.listen), self.server.admin_listen].into_iter().flatten().find(|listen| !listen.ip().is_loopback());
        match (open, self.access.insecure_open, beyond) {
            (true, false, Some(listen)) => Err(ConfigError::OpenToTheNetwork(listen)),
            (false, true, _) => Err(ConfigError::OpenAndClosed),
            (true, ..) if self.credentials.anonymous_rights.is_some() => Err(ConfigError::RightsInOpenMode),
            _ => Ok(()),
        }
    }
}

/// A count or size of one or more.
fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("must be a whole number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(listen: &str) -> Config {
        let server = Server { listen: listen.parse().expect("address"), ..Server::default() };
        Config { server, ..Config::default() }
    }

    #[test]
    fn the_defaults_go_together() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn an_open_service_stays_on_loopback_unless_told_otherwise() {
        let mut config = listening("0.0.0.0:3001");
        let refusal = config.check_openness(true).expect_err("refused").to_string();
        assert!(refusal.contains("CHAINCAST_INSECURE_OPEN=1") && refusal.contains("keys create"), "{refusal}");
        assert_eq!(config.check_openness(false), Ok(()));
        config.access.insecure_open = true;
        assert_eq!(config.check_openness(true), Ok(()));
        assert_eq!(config.check_openness(false), Err(ConfigError::OpenAndClosed));
        assert_eq!(listening("[::1]:3001").check_openness(true), Ok(()));
        let mut config = Config::default();
        config.server.admin_listen = Some("0.0.0.0:3002".parse().expect("address"));
        assert!(matches!(config.check_openness(true), Err(ConfigError::OpenToTheNetwork(address)) if address.port() == 3002));
        config.server.admin_listen = Some("127.0.0.1:3002".parse().expect("address"));
        assert_eq!(config.check_openness(true), Ok(()));
    }

    #[test]
    fn every_fault_is_found_and_not_the_first_alone() {
        let mut config = Config::default();
        config.limits.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network"), "::/0".parse().expect("a network")];
        config.jwt.jwt_public_keys = vec![String::new()];
        config.jwt.jwt_secret = Some("hunter2".parse().expect("infallible"));
        config.log.database_url = "mysql://h".parse().expect("infallible");
        config.backplane.backplane = Some(BackplaneKind::Redis);
        let told: Vec<_> = config.faults().iter().map(ToString::to_string).collect();
        let starts = [
            "CHAINCAST_JWT_SECRET must",
            "CHAINCAST_JWT_PUBLIC_KEYS is set, and",
            "DATABASE_URL: must",
            "CHAINCAST_TRUSTED_PROXIES has ::/0",
        ];
        assert_eq!(told.len(), starts.len(), "{told:?}");
        assert!(told.iter().zip(starts).all(|(told, start)| told.starts_with(start)), "{told:?}");
    }

    #[test]
    fn a_servers_url_is_read_as_a_start_does() {
        let check = |url: &str| {
            let mut config = Config::default();
            config.log.database_url = url.parse().expect("infallible");
            config.check().map_err(|error| error.to_string())
        };
        for (url, why) in [
            ("postgres://u:hunter2@h:port/d", "DATABASE_URL: invalid port number; "),
            ("postgres://u:hun/ter2@h/d", "DATABASE_URL: invalid port number; "),
            ("postgres://u:hunter2@h/d?sslmode=verfy-full", "DATABASE_URL: unknown value \"verfy-full\" for `ssl_mode`"),
        ] {
            let refusal = check(url).expect_err("refused");
            assert!(refusal.starts_with(why) && !refusal.contains("ter2"), "{refusal}");
        }
        assert_eq!(check("postgres://u:hunter2@h:5432/d?sslmode=verify-full"), Ok(()));
    }

    #[test]
    fn operators_have_a_port_of_their_own() {
        let both = |listen: &str, admin: &str| {
            let mut config = listening(listen);
            config.server.admin_listen = Some(admin.parse().expect("address"));
            config.check().map_err(|error| error.to_string())
        };
        let refusal = both("127.0.0.1:3001", "127.0.0.1:3001").expect_err("refused");
        assert!(refusal.starts_with("CHAINCAST_ADMIN_LISTEN (127.0.0.1:3001) meets CHAINCAST_LISTEN"), "{refusal}");
        assert!(both("0.0.0.0:1", "127.0.0.1:1").is_err() && both("127.0.0.1:1", "0.0.0.0:1").is_err());
        for (listen, admin) in [("127.0.0.1:0", "127.0.0.1:0"), ("127.0.0.1:1", "127.0.0.2:1"), ("127.0.0.1:1", "127.0.0.1:2")] {
            assert_eq!(both(listen, admin), Ok(()));
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let mut config = Config::default();
        config.ingest.event_bytes = config.ingest.batch_bytes + 1;
        assert!(matches!(config.check(), Err(ConfigError::EventAboveBatch { .. })));
    }
}
