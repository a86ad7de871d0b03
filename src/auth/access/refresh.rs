//! From the store's state to this instance's, and from there to its streams.

use std::{
    future::Future,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{Access, Loaded};
use crate::log::{AccessState, AccessVersion, LogError};

/// How soon a state that could not be loaded is asked for again: as soon as the next look would be.
const AGAIN: Duration = Duration::from_millis(500);
/// How often what has expired is deleted from the store.
const FORGET_EVERY: Duration = Duration::from_secs(60);

impl Access {
    /// Loads the state, and ends the streams that it does not allow any more.
    ///
    /// # Errors
    /// The store could not be read; nothing has changed here.
    pub async fn refresh(self: &Arc<Self>) -> Result<AccessVersion, LogError> {
        let since = self.version();
        let state = self.store.access().await?;
        if state.version < since {
            tracing::error!(
                found = state.version.0,
                known = since.0,
                "the store's state of access is older than one it gave before, and is not taken: restart the instances after a restore"
            );
        }
        // the state was read before: a use in between is told again next time
        let reused = self.store.reused_tickets(since).await?;
        let this = Arc::clone(self);
        // not on the caller's thread, which may be one that serves connections: this walks over all streams
        let applied = tokio::task::spawn_blocking(move || {
            this.install(state);
            this.streams.supersede(&reused);
        });
        applied.await.map_err(|error| LogError::Internal(format!("applying the state of access: {error}")))?;
        Ok(self.version())
    }

    /// Puts a state in the place of an older one.
    pub(super) fn install(&self, state: AccessState) {
        let installing = self.installing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.state.load();
        if state.version < before.version {
            return; // it was read before another that has overtaken it
        }
        let loaded = Loaded::new(state, &before);
        if loaded.has_keys() {
            self.closed.send_if_modified(|closed| !std::mem::replace(closed, true));
        }
        let tenants = Arc::clone(&loaded.tenants);
        self.state.store(Arc::new(loaded));
        self.tenants.send_if_modified(|known| {
            let changed = *known != tenants;
            *known = tenants;
            changed
        });
        drop(installing);
        // after the state is in place: a stream that registers behind the walk sees it
        let (state, is_open, now) = (self.state.load_full(), self.is_open(), self.now());
        self.streams.end_those(|whose| state.refuses(whose, is_open, now));
    }

    /// Follows the store's version, as looks tell it, until `stop` resolves. A state that cannot be loaded is asked for until it can.
    pub async fn run(self: Arc<Self>, versions: watch::Receiver<AccessVersion>, stop: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = self.follow(versions) => {}
            () = self.forget() => {}
            () = stop => {}
        }
    }

    async fn follow(self: &Arc<Self>, mut versions: watch::Receiver<AccessVersion>) {
        let mut failing = false;
        loop {
            let wanted = *versions.borrow_and_update();
            let known = self.version();
            if wanted < known {
                // a look from before a change that was made here, or a store that has gone back: only loading tells which, and says so
                drop(self.refresh().await);
            }
            if wanted <= known {
                if versions.changed().await.is_err() {
                    return;
                }
                continue;
            }
            match self.refresh().await {
                Ok(found) if found >= wanted => {
                    if std::mem::take(&mut failing) {
                        tracing::info!(version = found.0, "the state of access is up to date again");
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "the state of access could not be loaded; trying until it can");
                }
                Err(_) => {}
            }
            sleep(AGAIN).await;
        }
    }

    async fn forget(&self) {
        let mut ticks = interval(FORGET_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.store.forget_expired().await {
                tracing::warn!(%error, "what has expired could not be deleted; the next time makes up for it");
            }
        }
    }
}
