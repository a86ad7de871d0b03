//! One look at the store for all hubs of an instance, however many there are.
//!
//! What announcements were lost, that a log went back, and that access was changed: all that is found here, at the latest one look after it happened.
//! One look is under way at a time, as a task of its own, so that one which hangs until its deadline stops nothing else: hubs that nobody follows are let
//! go of meanwhile. Nobody is waited for either: what a sequencer has not heard when the next look ends is void.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{Hub, Hubs, view::Asked};
use crate::log::{EventLog, LogError, Look};

/// See the module.
pub(super) struct Lookout {
    /// Not kept: this ends with the hubs.
    hubs: Weak<Hubs>,
    log: Arc<dyn EventLog>,
    every: Duration,
    stopped: watch::Receiver<bool>,
    /// The look under way.
    look: JoinSet<Result<Look, LogError>>,
    /// Who was there when it was asked for, and where they stood: a position noted later could be ahead of what it finds, and would rewind falsely.
    asked: Vec<(Weak<Hub>, Asked)>,
}

impl Lookout {
    pub(super) fn new(hubs: &Hubs) -> Self {
        let (log, every, stopped) = (hubs.store(), hubs.settings().look, hubs.stopped());
        Self { hubs: hubs.downgrade(), log, every, stopped, look: JoinSet::new(), asked: Vec::new() }
    }

    /// Looks until the hubs are gone or stopped.
    pub(super) async fn run(mut self) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let Some(hubs) = self.hubs.upgrade() else { return };
                    hubs.sweep(Instant::now());
                    self.look(&hubs);
                }
                Some(ended) = self.look.join_next() => {
                    let Some(hubs) = self.hubs.upgrade() else { return };
                    let outcome = ended.unwrap_or_else(|error| {
                        tracing::error!(%error, "a look at the log died");
                        Err(LogError::Internal("the look died".to_owned()))
                    });
                    hubs.take_look(std::mem::take(&mut self.asked), outcome);
                }
                // an error means that they are gone
                _ = self.stopped.changed() => return,
            }
        }
    }

    fn look(&mut self, hubs: &Hubs) {
        if self.look.is_empty() {
            self.asked = hubs.asked();
            let log = self.log.clone();
            self.look.spawn(async move { log.look().await });
        }
    }
}
