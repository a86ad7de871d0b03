//! Picks what instances tell each other through.

use std::sync::Arc;

use anyhow::Context as _;

use crate::{
    backplane::{Backplane, Inbox, Link, LinkSettings, Local, RedisUrl},
    config::{BackplaneKind, Config, ConfigError, Database},
    http::SharedPlaces,
    log::AccessStore,
};

/// What was chosen, before anything is opened.
pub(super) enum Choice {
    Local,
    Redis(RedisUrl),
    /// LISTEN and NOTIFY of the database at this URL.
    Postgres(Box<str>),
}

/// The backplane that the settings name.
///
/// Which store it is makes no difference: several processes may share a file as well.
pub(super) fn choose(config: &Config) -> anyhow::Result<Choice> {
    let settings = &config.backplane;
    match settings.kind() {
        BackplaneKind::Redis => {
            let url = settings.redis().ok_or(ConfigError::NoRedis)?;
            Ok(Choice::Redis(RedisUrl::parse(url.expose()).context("REDIS_URL cannot be used")?))
        }
        BackplaneKind::Postgres => match config.log.database()? {
            Database::Postgres(url) => Ok(Choice::Postgres(url)),
            Database::Sqlite(_) => Err(ConfigError::NoPostgres.into()),
        },
        BackplaneKind::Local => Ok(Choice::Local),
    }
}

/// This instance among the others.
pub(super) struct Meeting {
    pub(super) backplane: Arc<dyn Backplane>,
    /// What reaches this instance.
    pub(super) inbox: Inbox,
    /// The connections of each subject on all instances, where they can be counted.
    pub(super) places: Option<Arc<SharedPlaces>>,
}

/// Meets the others. Waits for the store, which has the secret of its instances, and for no network else.
pub(super) async fn meet(choice: Choice, store: &dyn AccessStore) -> anyhow::Result<Meeting> {
    let secret = async || store.service_secret().await.context("cannot read the secret by which instances know each other");
    let (link, inbox, secret) = match choice {
        Choice::Local => {
            let (local, inbox) = Local::new();
            return Ok(Meeting { backplane: Arc::new(local), inbox, places: None });
        }
        Choice::Redis(url) => {
            let secret = secret().await?;
            let (link, inbox) = Link::over_redis(&url, &LinkSettings::new(secret));
            (link, inbox, secret)
        }
        Choice::Postgres(url) => {
            let secret = secret().await?;
            let over = Link::over_postgres(&url, &LinkSettings::new(secret));
            let (link, inbox) = over.context("DATABASE_URL cannot be used to listen")?;
            (link, inbox, secret)
        }
    };
    let places = link.leases().map(|leases| SharedPlaces::new(leases, &secret));
    Ok(Meeting { backplane: link, inbox, places })
}
