//! What this instance holds, which is the truth that Redis has a copy of.
//!
//! A lock is held for a lookup, or for a copy of one of many slices, so that whoever drops a connection never waits. What is to be told is
//! a set of keys, not a queue of changes: it is as large as what changed, and forgets only keys whose lease ends anyway, or is renewed.

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
/// In how many parts what is held is copied, each under a lock of its own.
pub(super) const SLICES: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Book {
    held: [Mutex<HashMap<LeaseKey, u32>>; SLICES],
    changes: Mutex<Changes>,
    changed: Notify,
    told: Notify,
    shared: AtomicBool,
}

#[derive(Debug, Default)]
struct Changes {
    /// What Redis has to be told.
    keys: HashSet<LeaseKey>,
    /// Whether it is being told of some.
    telling: bool,
}

/// One that was counted, for somebody who may be gone by now: given back unless it is kept.
#[derive(Debug)]
pub(super) struct Grant {
    of: Option<(Arc<Book>, LeaseKey)>,
}

/// As long as this is there, the counts are shared, unless [`Book::is_alone`] was said.
#[derive(Debug)]
pub(super) struct Sharing(Arc<Book>);

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

impl Drop for Sharing {
    fn drop(&mut self) {
        self.0.is_alone();
    }
}

impl Default for Book {
    fn default() -> Self {
        let held = std::array::from_fn(|_| Mutex::default());
        Self { held, changes: Mutex::default(), changed: Notify::new(), told: Notify::new(), shared: AtomicBool::new(false) }
    }
}

impl Book {
    fn slice_of(&self, key: LeaseKey) -> MutexGuard<'_, HashMap<LeaseKey, u32>> {
        let folded = key.0.iter().fold(0, |folded, byte| folded ^ byte);
        self.lock(usize::from(folded))
    }

    fn lock(&self, slice: usize) -> MutexGuard<'_, HashMap<LeaseKey, u32>> {
        self.held[slice % SLICES].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the count was changed: whoever takes the mark reads what is held after it.
    fn mark(&self, key: LeaseKey) {
        self.changes().mark(key);
        self.changed.notify_one();
    }

    /// One more, which Redis does not know of.
    pub(super) fn note(&self, key: LeaseKey) {
        *self.slice_of(key).entry(key).or_default() += 1;
        self.mark(key);
    }

    /// One more, which Redis counts already.
    pub(super) fn grant(self: &Arc<Self>, key: LeaseKey) -> Grant {
        *self.slice_of(key).entry(key).or_default() += 1;
        Grant { of: Some((self.clone(), key)) }
    }

    /// One less.
    pub(super) fn give_back(&self, key: LeaseKey) {
        let mut held = self.slice_of(key);
        match held.get_mut(&key) {
            Some(count) if *count > 1 => *count -= 1,
            // a key that holds nothing takes no room
            _ => {
                held.remove(&key);
            }
        }
        drop(held);
        self.mark(key);
    }

    /// How many are held.
    pub(super) fn held(&self, key: LeaseKey) -> u32 {
        self.slice_of(key).get(&key).copied().unwrap_or(0)
    }

    /// The keys of one slice that hold something; beyond the last comes the first.
    pub(super) fn slice(&self, slice: usize) -> Vec<LeaseKey> {
        self.lock(slice).keys().copied().collect()
    }

    /// Up to `most` keys that Redis has to be told of; the caller tells, and then says [`Book::told`] or [`Book::untold`].
    pub(super) fn take_changed(&self, most: usize) -> Vec<LeaseKey> {
        let mut changes = self.changes();
        let keys: Vec<LeaseKey> = changes.keys.iter().take(most).copied().collect();
        keys.iter().for_each(|key| {
            changes.keys.remove(key);
        });
        changes.telling = !keys.is_empty();
        keys
    }

    /// What was taken was told.
    pub(super) fn told(&self) {
        self.changes().telling = false;
        self.told.notify_waiters();
    }

    /// These were to be told, and perhaps were not.
    pub(super) fn untold(&self, keys: impl IntoIterator<Item = LeaseKey>) {
        let mut changes = self.changes();
        keys.into_iter().for_each(|key| changes.mark(key));
        changes.telling = false;
    }

    /// Whether there is something to tell.
    pub(super) fn has_changed(&self) -> bool {
        !self.changes().keys.is_empty()
    }

    /// Waits until there may be something to tell. Cancel safe.
    pub(super) async fn until_changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until Redis was told of everything, or cannot be.
    pub(super) async fn until_told(&self) {
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            // before the look, so that none between is missed
            told.as_mut().enable();
            if !self.is_shared() || self.changes().are_told() {
                return;
            }
            told.await;
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Acquire)
    }

    /// Says that the counts are shared, until what it returns is dropped: also by a panic.
    pub(super) fn share(self: &Arc<Self>) -> Sharing {
        self.shared.store(true, Ordering::Release);
        Sharing(self.clone())
    }

    /// Says that the counts are not shared.
    pub(super) fn is_alone(&self) {
        self.shared.store(false, Ordering::Release);
        self.told.notify_waiters();
    }
}

impl Changes {
    fn mark(&mut self, key: LeaseKey) {
        if self.keys.len() < MAX_CHANGED {
            self.keys.insert(key);
        }
    }

    fn are_told(&self) -> bool {
        self.keys.is_empty() && !self.telling
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const KEY: LeaseKey = LeaseKey([7; 16]);

    fn all(book: &Book) -> Vec<LeaseKey> {
        (0..SLICES).flat_map(|slice| book.slice(slice)).collect()
    }

    fn key(n: u32) -> LeaseKey {
        LeaseKey(std::array::from_fn(|at| n.to_le_bytes().get(at).copied().unwrap_or(0)))
    }

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
        assert_eq!((book.held(KEY), all(&book), book.take_changed(9)), (0, vec![], vec![KEY]), "told that nothing is held");
    }

    #[test]
    fn what_is_held_is_always_told_again_and_what_waits_to_be_told_is_bounded() {
        let book = Book::default();
        book.note(key(0));
        let many = u32::try_from(2 * MAX_CHANGED).expect("few");
        (1..many).for_each(|n| {
            book.note(key(n));
            book.give_back(key(n));
        });
        assert_eq!(book.take_changed(usize::MAX).len(), MAX_CHANGED);
        assert_eq!(all(&book), [key(0)]);
    }

    #[test]
    fn no_lock_is_held_for_a_copy_of_more_than_a_small_part() {
        let book = Book::default();
        (0..64_000).for_each(|n| book.note(key(n)));
        let sizes: Vec<usize> = (0..SLICES).map(|slice| book.slice(slice).len()).collect();
        assert!(sizes.iter().sum::<usize>() == 64_000 && sizes.iter().all(|size| *size < 4000), "{sizes:?}");
    }

    #[test]
    fn a_panic_of_whoever_shares_the_counts_ends_the_sharing() {
        let book = Arc::<Book>::default();
        let sharing = book.share();
        assert!(book.is_shared());
        let panicked = std::panic::catch_unwind(move || {
            let _sharing = sharing;
            panic!("as a mistake in the keeper would");
        });
        assert!(panicked.is_err() && !book.is_shared());
    }

    #[test]
    fn everything_is_told_only_when_nothing_is_under_way() {
        let book = Arc::<Book>::default();
        book.note(KEY);
        assert!(book.until_told().now_or_never().is_some(), "there is nobody to be told");
        let sharing = book.share();
        assert!(book.until_told().now_or_never().is_none());
        let taken = book.take_changed(9);
        assert!(book.until_told().now_or_never().is_none());
        book.untold(taken);
        assert!(book.until_told().now_or_never().is_none());
        let _ = book.take_changed(9);
        book.told();
        assert!(book.until_told().now_or_never().is_some());
        book.note(KEY);
        drop(sharing);
        assert!(book.until_told().now_or_never().is_some());
    }
}
