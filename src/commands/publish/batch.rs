//! Batches: as much as fits, but nothing waits long for company.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError},
    time::{Duration, Instant},
};

use super::prepare::Entry;

/// How often is looked whether a batch that has waited can go, while another one is on its way.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How large a batch gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) events: usize,
    pub(super) bytes: usize,
    pub(super) linger: Duration,
}

/// Makes batches until there is nothing more, or nobody takes them.
pub(super) fn run_batcher(found: &Receiver<Entry>, made: &SyncSender<Vec<Entry>>, bounds: Bounds) {
    let (mut batch, mut bytes, mut due) = (Vec::new(), 0, Instant::now());
    loop {
        let received = if batch.is_empty() {
            found.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            found.recv_timeout(due.saturating_duration_since(Instant::now()))
        };
        match received {
            Ok(entry) => {
                let size = size(&entry);
                if bytes + size > bounds.bytes && !batch.is_empty() && made.send(std::mem::take(&mut batch)).is_err() {
                    return;
                }
                if batch.is_empty() {
                    (bytes, due) = (0, Instant::now() + bounds.linger);
                }
                bytes += size;
                batch.push(entry);
                if batch.len() >= bounds.events && made.send(std::mem::take(&mut batch)).is_err() {
                    return;
                }
            }
            // while another one is on its way it may as well grow
            Err(RecvTimeoutError::Timeout) => match made.try_send(std::mem::take(&mut batch)) {
                Ok(()) => {}
                Err(TrySendError::Full(kept)) => (batch, due) = (kept, Instant::now() + LOOK_EVERY),
                Err(TrySendError::Disconnected(_)) => return,
            },
            Err(RecvTimeoutError::Disconnected) => {
                if !batch.is_empty() {
                    // whoever takes nothing any more knows why
                    let _ = made.send(batch);
                }
                return;
            }
        }
    }
}

fn size(entry: &Entry) -> usize {
    match entry {
        Entry::Ready(ready) => ready.json.len() + 1,
        Entry::Bad(reject) => reject.json.len(),
        Entry::Broken(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc::sync_channel, thread};

    use super::{super::prepare::Ready, *};

    fn entry(bytes: usize) -> Entry {
        Entry::Ready(Ready { line: 1, json: "x".repeat(bytes - 1) })
    }

    fn sizes(entries: Vec<Entry>, bounds: Bounds) -> Vec<usize> {
        let (read, documents) = sync_channel(100);
        let (made, batches) = sync_channel(100);
        entries.into_iter().for_each(|entry| read.send(entry).expect("room"));
        drop(read);
        run_batcher(&documents, &made, bounds);
        drop(made);
        batches.iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn a_batch_is_bounded_in_events_and_in_bytes() {
        let bounds = Bounds { events: 3, bytes: 100, linger: Duration::from_secs(600) };
        assert_eq!(sizes((0..7).map(|_| entry(10)).collect(), bounds), [3, 3, 1]);
        assert_eq!(sizes(vec![entry(60), entry(60), entry(500), entry(10), entry(90)], bounds), [1, 1, 1, 2]);
        assert_eq!(sizes(vec![], bounds), [0; 0]);
    }

    #[test]
    fn what_trickles_is_sent_before_there_is_more() {
        let (read, documents) = sync_channel(1);
        let (made, batches) = sync_channel(1);
        let bounds = Bounds { events: 1000, bytes: 1_000_000, linger: Duration::from_millis(1) };
        thread::scope(|scope| {
            scope.spawn(move || run_batcher(&documents, &made, bounds));
            for _ in 0..3 {
                read.send(entry(10)).expect("room");
                assert_eq!(batches.recv_timeout(Duration::from_secs(30)).expect("sent").len(), 1);
            }
            drop(read);
        });
    }
}
