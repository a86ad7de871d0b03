//! Hands announcements to the hub of their log.
//!
//! It never waits for a hub: one whose inbox is full loses a hint, and a log that nobody follows needs none.

use std::sync::Weak;

use tokio::sync::{mpsc, watch};

use super::Hubs;
use crate::backplane::Announcement;

/// Runs until every announcer is gone, and then stops what looks at the store: the instance is about to close it. Ends with the hubs.
pub(super) async fn run(hubs: Weak<Hubs>, mut announcements: mpsc::Receiver<Announcement>, mut stopped: watch::Receiver<bool>) {
    loop {
        let announcement = tokio::select! {
            announcement = announcements.recv() => announcement,
            _ = stopped.changed() => return,
        };
        let Some(hubs) = hubs.upgrade() else { return };
        let Some(announcement) = announcement else { return hubs.stop() };
        hubs.announce(announcement);
        while let Ok(more) = announcements.try_recv() {
            hubs.announce(more);
        }
    }
}
