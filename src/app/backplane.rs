//! Picks what instances tell each other through.

use std::sync::Arc;

use anyhow::Context as _;

use crate::{
    backplane::{Backplane, Inbox, Link, LinkSettings, Local, RedisUrl},
    config::{BackplaneKind, Config},
    log::AccessStore,
};

/// What was chosen, before anything is opened.
pub(super) enum Choice {
    Local,
    Redis(RedisUrl),
}

/// The backplane that the settings name.
///
/// Which store it is makes no difference: several processes may share a file as well.
pub(super) fn choose(config: &Config) -> anyhow::Result<Choice> {
    let settings = &config.backplane;
    match settings.kind() {
        BackplaneKind::Redis => {
            let url = settings.redis_url.as_ref().context("REDIS_URL is not set")?;
            Ok(Choice::Redis(RedisUrl::parse(url.expose()).context("REDIS_URL cannot be used")?))
        }
        BackplaneKind::Local | BackplaneKind::Postgres => Ok(Choice::Local),
    }
}

/// The backplane, and what reaches this instance through it. Waits for the store, which has the secret of its instances, and for no network else.
pub(super) async fn start(choice: Choice, store: &dyn AccessStore) -> anyhow::Result<(Arc<dyn Backplane>, Inbox)> {
    match choice {
        Choice::Local => {
            let (local, inbox) = Local::new();
            Ok((Arc::new(local), inbox))
        }
        Choice::Redis(url) => {
            let secret = store.service_secret().await.context("cannot read the secret by which instances know each other")?;
            let (link, inbox) = Link::over_redis(&url, &LinkSettings::new(secret));
            Ok((link, inbox))
        }
    }
}
