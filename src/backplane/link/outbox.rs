//! What waits to be sent: bounded by count and by bytes. What does not fit, or can't be sent, leaves only the head of its log behind, so that
//! others look; nothing old is ever sent.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    backplane::{Announcement, carrier::Channel},
    log::LogId,
};

/// Heads of so many logs are remembered; others find theirs by looking.
const MAX_MISSED: usize = 4096;
/// What is taken at once.
const BATCH: usize = 128;

/// One message, not signed yet.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) channel: Channel,
    pub(super) content: Vec<u8>,
    /// What to say instead when it is not sent.
    pub(super) head: Option<Announcement>,
}

#[derive(Debug, Default)]
struct Waiting {
    is_open: bool,
    parcels: VecDeque<Parcel>,
    bytes: usize,
    /// The newest head of each log of which something was not sent.
    missed: HashMap<LogId, Announcement>,
}

impl Waiting {
    fn miss(&mut self, parcel: Parcel) {
        if let Some(head) = parcel.head
            && (self.missed.len() < MAX_MISSED || self.missed.contains_key(&head.log))
        {
            self.missed.insert(head.log, head);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
    max_count: usize,
    max_bytes: usize,
}

impl Outbox {
    pub(super) fn new(max_count: usize, max_bytes: usize) -> Self {
        Self { waiting: Mutex::default(), filled: Notify::new(), max_count, max_bytes }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is put in has a chance.
    pub(super) fn is_open(&self) -> bool {
        self.waiting().is_open
    }

    /// Whether there was room.
    pub(super) fn put(&self, parcel: Parcel) -> bool {
        let mut waiting = self.waiting();
        let fits = waiting.is_open && waiting.parcels.len() < self.max_count && waiting.bytes + parcel.content.len() <= self.max_bytes;
        if fits {
            waiting.bytes += parcel.content.len();
            waiting.parcels.push_back(parcel);
        } else {
            waiting.miss(parcel);
        }
        drop(waiting);
        self.filled.notify_one();
        fits
    }

    /// Waits until there may be something.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// The oldest of what waits, and the heads of what did not fit once all is taken; nothing when nothing waits.
    pub(super) fn take(&self) -> (Vec<Parcel>, Vec<Announcement>) {
        let mut waiting = self.waiting();
        let count = waiting.parcels.len().min(BATCH);
        let taken: Vec<_> = waiting.parcels.drain(..count).collect();
        waiting.bytes -= taken.iter().map(|parcel| parcel.content.len()).sum::<usize>();
        let heads = if waiting.parcels.is_empty() { waiting.missed.drain().map(|(_, head)| head).collect() } else { Vec::new() };
        (taken, heads)
    }

    /// Parcels that were taken and not sent.
    pub(super) fn give_back(&self, parcels: Vec<Parcel>) {
        let mut waiting = self.waiting();
        parcels.into_iter().for_each(|parcel| {
            // a later head may have been missed meanwhile, and counts
            if parcel.head.as_ref().is_none_or(|head| !waiting.missed.contains_key(&head.log)) {
                waiting.miss(parcel);
            }
        });
    }

    /// Takes parcels from now on.
    pub(super) fn open(&self) {
        self.waiting().is_open = true;
        self.filled.notify_one();
    }

    /// Takes none any more, and forgets those that wait; how many.
    pub(super) fn close(&self) -> usize {
        let mut waiting = self.waiting();
        waiting.is_open = false;
        waiting.bytes = 0;
        let forgotten = std::mem::take(&mut waiting.parcels);
        let count = forgotten.len();
        forgotten.into_iter().for_each(|parcel| waiting.miss(parcel));
        count
    }

    /// How many wait, and the bound.
    pub(super) fn fill(&self) -> (usize, usize) {
        (self.waiting().parcels.len(), self.max_count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Epoch, Seq};

    fn parcel(log: i32, head: u64, size: usize) -> Parcel {
        let (log, head) = (LogId::new(log), Seq::new(head));
        let head = Announcement { log, store: None, epoch: Epoch::new(1), head, events: Vec::new() };
        Parcel { channel: Channel::Log(log), content: vec![0; size], head: Some(head) }
    }

    #[test]
    fn what_does_not_fit_leaves_the_head_of_its_log() {
        let outbox = Outbox::new(2, 100);
        assert!(!outbox.put(parcel(1, 1, 1)), "closed");
        outbox.open();
        assert!(outbox.put(parcel(1, 2, 60)));
        assert!(!outbox.put(parcel(2, 1, 60)), "too many bytes");
        assert!(outbox.put(parcel(1, 3, 40)));
        assert!(!outbox.put(parcel(2, 2, 0)), "too many");
        assert_eq!(outbox.fill(), (2, 2));
        let (taken, mut heads) = outbox.take();
        heads.sort_by_key(|head| head.log);
        assert_eq!(taken.len(), 2);
        let heads: Vec<_> = heads.iter().map(|head| (head.log.to_column(), head.head.get())).collect();
        assert_eq!(heads, [(1, 1), (2, 2)]);
        assert!(outbox.put(parcel(1, 4, 100)), "there is room again");
    }

    #[test]
    fn after_it_was_closed_only_heads_are_left() {
        let outbox = Outbox::new(10, 100);
        outbox.open();
        assert!(outbox.put(parcel(1, 1, 10)) && outbox.put(parcel(1, 2, 10)) && outbox.put(parcel(1, 3, 10)));
        let (taken, _) = outbox.take();
        assert!(outbox.put(parcel(1, 4, 10)) && outbox.put(parcel(2, 9, 10)));
        assert_eq!(outbox.close(), 2);
        outbox.give_back(taken);
        outbox.open();
        let (taken, mut heads) = outbox.take();
        heads.sort_by_key(|head| head.log);
        assert!(taken.is_empty());
        assert_eq!(heads.iter().map(|head| head.head.get()).collect::<Vec<_>>(), [4, 9]);
    }
}
