//! What waits to be sent: bounded by count and by bytes. What does not fit, or can't be sent, leaves only the head of its log behind, so
//! that others look; nothing old is ever sent.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    backplane::{Announcement, carrier::Channel, message::Unsigned},
    log::LogId,
};

/// Heads of so many logs are remembered; others find theirs by looking.
const MAX_MISSED: usize = 4096;
/// What is taken at once.
pub(super) const BATCH: usize = 128;
/// Bytes of it, unless one is larger: a server has to take a batch within a response's time.
pub(super) const BATCH_BYTES: usize = 256 * 1024;

/// One message, not signed yet.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) channel: Channel,
    pub(super) content: Unsigned,
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

/// When something was put in, compared with what is remembered of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    /// Just now.
    Later,
    /// It waited, or was taken, while others found no room.
    Earlier,
}

impl Waiting {
    fn miss(&mut self, head: Option<Announcement>, put: Put) {
        let Some(head) = head else { return };
        match self.missed.get(&head.log) {
            None if self.missed.len() >= MAX_MISSED => return,
            Some(known) if known.epoch == head.epoch && known.head >= head.head => return,
            // numberings have no order: the one that was put in last holds
            Some(known) if known.epoch != head.epoch && put == Put::Earlier => return,
            _ => {}
        }
        self.missed.insert(head.log, head);
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
            waiting.miss(parcel.head, Put::Later);
        }
        drop(waiting);
        self.filled.notify_one();
        fits
    }

    /// Remembers the head alone: nothing else was made, since the outbox was closed. It may be open by now.
    pub(super) fn miss(&self, head: Announcement) {
        self.waiting().miss(Some(head), Put::Later);
        self.filled.notify_one();
    }

    /// Waits until there may be something.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// The oldest of what waits, and heads of what did not fit once all is taken: a batch together. What is left is told to
    /// [`Outbox::filled`].
    pub(super) fn take(&self) -> (Vec<Parcel>, Vec<Announcement>) {
        let mut waiting = self.waiting();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < BATCH
            && let Some(parcel) = waiting.parcels.pop_front_if(|next| bytes == 0 || bytes + next.content.len() <= BATCH_BYTES)
        {
            bytes += parcel.content.len();
            taken.push(parcel);
        }
        waiting.bytes -= bytes;
        let room = if waiting.parcels.is_empty() { BATCH - taken.len() } else { 0 };
        let logs: Vec<_> = waiting.missed.keys().take(room).copied().collect();
        let heads = logs.iter().filter_map(|log| waiting.missed.remove(log)).collect();
        if !waiting.parcels.is_empty() || !waiting.missed.is_empty() {
            self.filled.notify_one();
        }
        (taken, heads)
    }

    /// Whether anything waits, or is remembered.
    pub(super) fn is_empty(&self) -> bool {
        let waiting = self.waiting();
        waiting.parcels.is_empty() && waiting.missed.is_empty()
    }

    /// Heads of what was taken and not sent.
    pub(super) fn give_back(&self, heads: impl IntoIterator<Item = Announcement>) {
        let mut waiting = self.waiting();
        // of one log the last to be put in comes first: what follows is older
        let mut heads: Vec<_> = heads.into_iter().collect();
        heads.reverse();
        heads.into_iter().for_each(|head| waiting.miss(Some(head), Put::Earlier));
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
        forgotten.into_iter().rev().for_each(|parcel| waiting.miss(parcel.head, Put::Earlier));
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
        let head = Announcement { log, store: None, epoch: Epoch::new(1), head, events: Vec::new(), trace: None };
        Parcel { channel: Channel::Log(log), content: Unsigned::blank(size), head: Some(head) }
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
    fn of_what_was_not_sent_the_newest_head_of_a_log_is_left_whatever_was_forgotten_last() {
        let outbox = Outbox::new(4, 100);
        outbox.open();
        assert!((1..=4).all(|head| outbox.put(parcel(1, head, 1))));
        assert!(!outbox.put(parcel(1, 5, 1)) && !outbox.put(parcel(1, 6, 1)), "no room");
        outbox.close();
        outbox.open();
        let (taken, heads) = outbox.take();
        assert!(taken.is_empty());
        assert_eq!(heads.iter().map(|head| head.head.get()).collect::<Vec<_>>(), [6]);

        assert!((7..=9).all(|head| outbox.put(parcel(1, head, 1))));
        let (taken, _) = outbox.take();
        outbox.give_back(taken.into_iter().filter_map(|parcel| parcel.head));
        let (_, heads) = outbox.take();
        assert_eq!(heads.iter().map(|head| head.head.get()).collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn after_it_was_closed_only_heads_are_left() {
        let outbox = Outbox::new(10, 100);
        outbox.open();
        assert!(outbox.put(parcel(1, 1, 10)) && outbox.put(parcel(1, 2, 10)) && outbox.put(parcel(1, 3, 10)));
        let (taken, _) = outbox.take();
        assert!(outbox.put(parcel(1, 4, 10)) && outbox.put(parcel(2, 9, 10)));
        assert_eq!(outbox.close(), 2);
        outbox.give_back(taken.into_iter().filter_map(|parcel| parcel.head));
        outbox.open();
        let (taken, mut heads) = outbox.take();
        heads.sort_by_key(|head| head.log);
        assert!(taken.is_empty());
        assert_eq!(heads.iter().map(|head| head.head.get()).collect::<Vec<_>>(), [4, 9]);
    }

    #[test]
    fn what_was_put_in_last_is_left_whatever_its_numbering() {
        let of_epoch = |epoch, head| {
            let mut parcel = parcel(1, head, 1);
            parcel.head.as_mut().expect("a head").epoch = Epoch::new(epoch);
            parcel
        };
        let outbox = Outbox::new(2, 100);
        outbox.open();
        assert!(outbox.put(of_epoch(9, 100)) && outbox.put(of_epoch(2, 50)));
        let (taken, _) = outbox.take();
        assert!(outbox.put(of_epoch(2, 51)) && outbox.put(of_epoch(5, 7)) && !outbox.put(of_epoch(3, 1)), "the last has no room");
        assert_eq!(outbox.close(), 2);
        outbox.give_back(taken.into_iter().filter_map(|parcel| parcel.head));
        let (_, heads) = outbox.take();
        assert_eq!(heads.iter().map(|head| (head.epoch.to_column(), head.head.get())).collect::<Vec<_>>(), [(3, 1)]);

        outbox.open();
        assert!(outbox.put(of_epoch(9, 100)) && outbox.put(of_epoch(2, 50)));
        outbox.close();
        let (_, heads) = outbox.take();
        assert_eq!(heads.iter().map(|head| (head.epoch.to_column(), head.head.get())).collect::<Vec<_>>(), [(2, 50)]);
    }

    #[test]
    fn a_head_alone_is_sent_as_such_even_if_it_is_open_again_by_now() {
        let outbox = Outbox::new(2, 100);
        outbox.open();
        outbox.miss(parcel(1, 7, 0).head.expect("a head"));
        let (taken, heads) = outbox.take();
        assert!(taken.is_empty());
        assert_eq!(heads.iter().map(|head| head.head.get()).collect::<Vec<_>>(), [7]);
    }

    #[tokio::test]
    async fn a_batch_is_bounded_by_count_and_by_bytes_and_what_is_left_is_told_again() {
        let outbox = Outbox::new(1000, 10 * BATCH_BYTES);
        outbox.open();
        assert!((1..=3).all(|head| outbox.put(parcel(1, head, 2 * BATCH_BYTES / 3))) && outbox.put(parcel(1, 4, BATCH_BYTES + 1)));
        for log in 1..=BATCH as i32 + 1 {
            outbox.miss(parcel(log, 5, 0).head.expect("a head"));
        }
        let mut sizes = Vec::new();
        while !outbox.is_empty() {
            outbox.filled().await;
            let (taken, heads) = outbox.take();
            sizes.push((taken.len(), heads.len()));
        }
        assert_eq!(sizes, [(1, 0), (1, 0), (1, 0), (1, BATCH - 1), (0, 2)]);
        assert_eq!(outbox.waiting().bytes, 0);
    }
}
