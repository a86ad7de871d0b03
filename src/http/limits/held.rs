//! What is held at once, by address and by subject: counts, and the places in them.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::shared::SharedPlace;
use crate::http::client::ClientNet;

/// The subject of one tenant.
pub(super) type Subject = (Arc<str>, Arc<str>);

/// What is held by one key, at once.
#[derive(Debug)]
pub(super) struct Held<K>(Mutex<HashMap<K, u32>>);

/// One connection in the counts; leaves them when dropped.
#[derive(Debug)]
pub struct Place {
    pub(super) address: Option<(Arc<Held<ClientNet>>, ClientNet)>,
    pub(super) subject: Option<(Arc<Held<Subject>>, Subject)>,
    /// Among what all instances hold; leaves those counts by itself.
    pub(super) lease: Option<SharedPlace>,
}

impl<K> Default for Held<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Held<K> {
    fn counts(&self) -> MutexGuard<'_, HashMap<K, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, unless that is more than `most`; zero is no limit.
    pub(super) fn take(&self, key: &K, most: u32) -> Option<()> {
        let mut counts = self.counts();
        let count = counts.get(key).copied().unwrap_or(0);
        (most == 0 || count < most).then(|| {
            counts.insert(key.clone(), count + 1);
        })
    }

    fn give_back(&self, key: &K) {
        let mut counts = self.counts();
        match counts.get_mut(key) {
            Some(count) if *count > 1 => *count -= 1,
            // a key that holds nothing takes no room
            _ => {
                counts.remove(key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.counts().len()
    }
}

impl Place {
    /// Whether anything is given back when it is dropped: a stream of open mode carries none.
    pub(in crate::http) fn counts(&self) -> bool {
        self.address.is_some() || self.subject.is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((held, address)) = &self.address {
            held.give_back(address);
        }
        if let Some((held, subject)) = &self.subject {
            held.give_back(subject);
        }
    }
}
