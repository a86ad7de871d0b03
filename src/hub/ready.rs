//! Which sockets woke up: the shard's own small executor.
//!
//! A connection has no task. Its waker writes its key here and wakes the shard's task, which then polls just the sockets that have news. The
//! mutex is held for a push or a swap. Sockets wake from the worker's own thread, so that nobody contends for it but whoever ends a right.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Wake, Waker},
};

use futures::task::AtomicWaker;

use super::index::SubKey;

/// The keys that woke up since the shard last looked.
#[derive(Debug, Default)]
pub(crate) struct ReadyList {
    keys: Mutex<Vec<SubKey>>,
    shard: AtomicWaker,
    nudged: AtomicBool,
}

impl ReadyList {
    fn keys(&self) -> MutexGuard<'_, Vec<SubKey>> {
        // a push can't leave the list half-written
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the keys into `into`.
    pub(crate) fn take(&self, into: &mut Vec<SubKey>) {
        into.append(&mut self.keys());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    /// Wakes the shard's task without a key: it has work that did not come through a socket.
    pub(crate) fn nudge(&self) {
        self.nudged.store(true, Ordering::Release);
        self.shard.wake();
    }

    /// Waits until a key is ready or someone nudges.
    pub(crate) async fn woken(&self) {
        poll_fn(|cx| {
            self.shard.register(cx.waker());
            if self.nudged.swap(false, Ordering::AcqRel) || !self.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The waker of one connection.
#[derive(Debug)]
pub(crate) struct SlotWaker {
    key: SubKey,
    queued: AtomicBool,
    list: Arc<ReadyList>,
}

impl SlotWaker {
    pub(crate) fn new(key: SubKey, list: Arc<ReadyList>) -> Arc<Self> {
        Arc::new(Self { key, queued: AtomicBool::new(false), list })
    }

    /// To be called before the connection is polled, so that news which arrive while it is are not lost.
    pub(crate) fn clear(&self) {
        // a swap, no store: a store could become visible after the poll has found nothing, and a wake from another thread be taken for queued
        self.queued.swap(false, Ordering::AcqRel);
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.list.keys().push(self.key);
            self.list.shard.wake();
        }
    }
}
