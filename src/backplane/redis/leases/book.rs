//! What this instance holds, which is the truth that Redis has a copy of.
//!
//! A lock is held for a lookup, so that whoever drops a connection never waits. What is to be told is a set of keys, not a queue of changes: it is
//! as large as what changed, and forgets only keys that hold nothing, whose lease ends anyway.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use crate::backplane::LeaseKey;

/// How many keys may wait to be told.
const MAX_CHANGED: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Book {
    inner: Mutex<Inner>,
    changed: Notify,
    shared: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    held: HashMap<LeaseKey, u32>,
    /// What Redis has to be told.
    changed: HashSet<LeaseKey>,
}

/// One that was counted, for somebody who may be gone by now: given back unless it is kept.
#[derive(Debug)]
pub(super) struct Grant {
    of: Option<(Arc<Book>, LeaseKey)>,
}

impl Grant {
    /// It is there to stay.
    pub(super) fn keep(mut self) {
        self.of = None;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if let Some((book, key)) = self.of.take() {
            book.give_back(key);
        }
    }
}

impl Book {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, which Redis does not know of.
    pub(super) fn note(&self, key: LeaseKey) {
        let mut inner = self.inner();
        *inner.held.entry(key).or_default() += 1;
        inner.mark(key);
        drop(inner);
        self.changed.notify_one();
    }

    /// One more, which Redis counts already.
    pub(super) fn grant(self: &Arc<Self>, key: LeaseKey) -> Grant {
        *self.inner().held.entry(key).or_default() += 1;
        Grant { of: Some((self.clone(), key)) }
    }

    /// One less.
    pub(super) fn give_back(&self, key: LeaseKey) {
        let mut inner = self.inner();
        match inner.held.get_mut(&key) {
            Some(count) if *count > 1 => *count -= 1,
            // a key that holds nothing takes no room
            _ => {
                inner.held.remove(&key);
            }
        }
        inner.mark(key);
        drop(inner);
        self.changed.notify_one();
    }

    /// How many are held.
    pub(super) fn held(&self, key: LeaseKey) -> u32 {
        self.inner().held.get(&key).copied().unwrap_or(0)
    }

    /// Every key that holds something, and those that Redis may think of as holding something.
    pub(super) fn all(&self) -> Vec<LeaseKey> {
        let mut inner = self.inner();
        let gone = std::mem::take(&mut inner.changed);
        let gone = gone.into_iter().filter(|key| !inner.held.contains_key(key));
        inner.held.keys().copied().chain(gone).collect()
    }

    /// Up to `most` keys that Redis has to be told of; it is the caller who tells.
    pub(super) fn take_changed(&self, most: usize) -> Vec<LeaseKey> {
        let mut inner = self.inner();
        let keys: Vec<LeaseKey> = inner.changed.iter().take(most).copied().collect();
        keys.iter().for_each(|key| {
            inner.changed.remove(key);
        });
        keys
    }

    /// These were to be told, and perhaps were not.
    pub(super) fn untold(&self, keys: impl IntoIterator<Item = LeaseKey>) {
        let mut inner = self.inner();
        keys.into_iter().for_each(|key| inner.mark(key));
    }

    /// Whether there is something to tell.
    pub(super) fn has_changed(&self) -> bool {
        !self.inner().changed.is_empty()
    }

    /// Waits until there may be something to tell. Cancel safe.
    pub(super) async fn until_changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Acquire)
    }

    /// Says whether the counts are shared.
    pub(super) fn set_shared(&self, shared: bool) {
        self.shared.store(shared, Ordering::Release);
    }
}

impl Inner {
    fn mark(&mut self, key: LeaseKey) {
        if self.changed.len() < MAX_CHANGED {
            self.changed.insert(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: LeaseKey = LeaseKey([7; 16]);

    #[test]
    fn what_nobody_waited_for_is_given_back_and_told() {
        let book = Arc::<Book>::default();
        book.grant(KEY).keep();
        assert_eq!((book.held(KEY), book.has_changed()), (1, false), "Redis counts it");
        drop(book.grant(KEY));
        assert_eq!((book.held(KEY), book.take_changed(9)), (1, vec![KEY]));
        assert!(!book.has_changed());
        book.give_back(KEY);
        book.give_back(KEY);
        assert_eq!((book.held(KEY), book.all()), (0, vec![KEY]), "told that nothing is held");
        assert!(book.all().is_empty());
    }

    #[test]
    fn what_is_held_is_always_told_again_and_what_waits_to_be_told_is_bounded() {
        let book = Book::default();
        let key = |n: u32| LeaseKey(std::array::from_fn(|at| n.to_le_bytes().get(at).copied().unwrap_or(0)));
        book.note(key(0));
        let many = u32::try_from(2 * MAX_CHANGED).expect("few");
        (1..many).for_each(|n| {
            book.note(key(n));
            book.give_back(key(n));
        });
        assert_eq!(book.take_changed(usize::MAX).len(), MAX_CHANGED);
        assert_eq!(book.all(), [key(0)]);
    }
}
