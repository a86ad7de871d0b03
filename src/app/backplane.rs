//! Picks what instances tell each other through.

use std::sync::Arc;

use crate::{
    backplane::{Backplane, Inbox, Local},
    config::{BackplaneKind, Config},
};

/// The backplane that the settings name, and what reaches this instance through it.
pub(super) async fn start(config: &Config) -> anyhow::Result<(Arc<dyn Backplane>, Inbox)> {
    match config.backplane.kind() {
        BackplaneKind::Local | BackplaneKind::Redis | BackplaneKind::Postgres => {
            let (local, inbox) = Local::new();
            Ok((Arc::new(local), inbox))
        }
    }
}
