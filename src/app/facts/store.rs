//! How large the store is and how much room its file system has: looked for now and then, since it takes longer than memory does.
//!
//! **A store that does not answer holds up nothing but this** (`a_store_that_hangs_is_asked_no_second_time_and_its_room_is_not_known`).

use std::{
    pin::pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::log::{Disk, EventLog};

/// What the last look found.
#[derive(Debug, Default)]
pub(super) struct Store {
    size_bytes: AtomicU64,
    disk: Mutex<Option<Disk>>,
}

impl Store {
    /// Looks, for as long as it takes: what hangs is not begun again beside itself. After `patience` the room that was found before is not known any
    /// more.
    pub(super) async fn look(&self, log: &dyn EventLog, patience: Duration) {
        self.take(
            async {
                let (size, disk) = tokio::join!(log.size_bytes(), log.disk());
                // one that cannot be asked is not full for all that is known
                (size.ok(), disk.unwrap_or_default())
            },
            patience,
        )
        .await;
    }

    async fn take(&self, look: impl Future<Output = (Option<u64>, Option<Disk>)>, patience: Duration) {
        let mut look = pin!(look);
        let (size, disk) = match tokio::time::timeout(patience, &mut look).await {
            Ok(found) => found,
            Err(_) => {
                self.set_disk(None);
                look.await
            }
        };
        if let Some(size) = size {
            self.size_bytes.store(size, Ordering::Relaxed);
        }
        self.set_disk(disk);
    }

    fn set_disk(&self, disk: Option<Disk>) {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = disk;
    }

    /// The room of its file system, if that is known.
    pub(super) fn disk(&self) -> Option<Disk> {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its size.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_store_that_hangs_is_asked_no_second_time_and_its_room_is_not_known() {
        let store = Store::default();
        let disk = |free| Some(Disk { free, size: 10 });
        store.take(async { (Some(7), disk(5)) }, Duration::ZERO).await;
        assert_eq!((store.size_bytes(), store.disk().map(|disk| disk.free)), (7, Some(5)));
        let (answer, answered) = oneshot::channel();
        let mut look = pin!(store.take(answered.map(|found| found.expect("answers")), Duration::ZERO));
        while store.disk().is_some() {
            assert!(look.as_mut().now_or_never().is_none(), "it waits on");
            tokio::task::yield_now().await;
        }
        assert_eq!(store.size_bytes(), 7, "as it was found");
        answer.send((None, disk(4))).expect("waited for");
        look.await;
        assert_eq!((store.size_bytes(), store.disk().map(|disk| disk.free)), (7, Some(4)));
    }
}
