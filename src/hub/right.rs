//! How long a subscription may last: until its credential ends, or someone ends it.
//!
//! The hub knows no credentials. Whoever granted a stream keeps the other end of its [`Right`], and ends it from any thread; the shard is woken
//! as by a socket, and closes the stream with the reason given. **Authorisation holds for a stream's whole life** and ends with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::Waker,
    time::Instant,
};

use futures::task::AtomicWaker;

use super::CloseReason;

/// The right to follow, shared by the subscription and whoever may end it.
#[derive(Debug)]
pub struct Right {
    until: Option<Instant>,
    /// The number of the reason plus one, once it was ended.
    ended: AtomicU8,
    shard: AtomicWaker,
}

impl Right {
    /// A right that ends by itself at `until`, if at all.
    #[must_use]
    pub fn new(until: Option<Instant>) -> Arc<Self> {
        Arc::new(Self { until, ended: AtomicU8::new(0), shard: AtomicWaker::new() })
    }

    /// Ends it, for the first reason given.
    pub fn end(&self, reason: CloseReason) {
        let number = reason as u8 + 1;
        if self.ended.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.shard.wake();
        }
    }

    /// When it ends by itself.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Why it was ended, if it was.
    #[must_use]
    pub fn ended(&self) -> Option<CloseReason> {
        let number = self.ended.load(Ordering::Acquire);
        CloseReason::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Has `waker` called when it is ended; a right that was ended before must be looked at after this.
    pub(crate) fn watch(&self, waker: &Waker) {
        self.shard.register(waker);
    }
}
