//! Tells the state of access which version the store has, twice a second.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{auth::Access, log::EventLog};

/// How often the store is looked at: how long a change that was made elsewhere stays unknown here, at most.
const LOOK: Duration = Duration::from_millis(500);

/// Keeps `access` up to date until `stop` is over.
pub(super) async fn follow(access: Arc<Access>, log: Arc<dyn EventLog>, stop: impl Future<Output = ()> + Send) {
    let versions = watch::Sender::new(access.version());
    let looking = async {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // a store that is away is told of where the logs are looked at
            if let Ok(look) = log.look().await {
                versions.send_if_modified(|known| std::mem::replace(known, look.access) != look.access);
            }
        }
    };
    tokio::select! {
        () = Arc::clone(&access).run(versions.subscribe(), stop) => {}
        () = looking => {}
    }
}
