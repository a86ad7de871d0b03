//! Other instances, as far as they were heard of lately.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// More are not known by number; what they announce is heard nevertheless.
pub(super) const MAX: usize = 1000;
/// After how long an instance that says nothing is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<HashMap<u64, Instant>>);

impl Peers {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|_, heard| heard.elapsed() < FORGOTTEN_AFTER);
        peers
    }

    /// It said something.
    pub(super) fn heard(&self, peer: u64) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() < MAX || peers.contains_key(&peer) {
            peers.insert(peer, Instant::now());
        }
    }

    /// It said goodbye.
    pub(super) fn gone(&self, peer: u64) {
        self.lock().remove(&peer);
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Those who are there now.
    pub(super) fn all(&self) -> HashSet<u64> {
        self.lock().keys().copied().collect()
    }
}
