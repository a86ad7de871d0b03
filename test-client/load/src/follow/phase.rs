//! What is measured between one mark and the next, and how it is found in what arrives.

use std::sync::atomic::Ordering::Relaxed;

use hdrhistogram::Histogram;
use memchr::memmem;

use super::{Live, connection::Connection, histogram};
use crate::{
    clock,
    mark::{Reader, Schedule},
};

pub(super) struct Phase {
    reader: Reader,
    schedule: Schedule,
    /// The first event that counts.
    pub(super) start: u64,
    /// By event: when the server says that it took it; 0 while unknown.
    appended: Vec<u64>,
    pub(super) publish_to_receipt: Histogram<u64>,
    pub(super) append_to_receipt: Histogram<u64>,
    pub(super) connects: Histogram<u64>,
    pub(super) trouble: Option<String>,
}

impl Phase {
    pub(super) fn new(schedule: Schedule, start: u64) -> Self {
        Self {
            reader: Reader::new(),
            appended: vec![0; schedule.len()],
            schedule,
            start,
            publish_to_receipt: histogram(),
            append_to_receipt: histogram(),
            connects: histogram(),
            trouble: None,
        }
    }

    /// Looks for events in what was received.
    pub(super) fn look(&mut self, connection: &mut Connection, bytes: &[u8], live: &Live) {
        let Self { reader, schedule, appended, publish_to_receipt, append_to_receipt, .. } = self;
        let now = clock::now();
        let (mut found, mut disorder) = (0, 0);
        let (next, step) = (&mut connection.next, connection.opening.groups);
        reader.read(&mut connection.carry, bytes, |n, rest| {
            found += 1;
            // any other than the next of its group is repeated, out of order, behind one that is lost, or someone else's
            disorder += u64::from(n != *next);
            *next = n + step;
            let scheduled = schedule.get(n);
            if scheduled > 0 {
                publish_to_receipt.saturating_record(now.saturating_sub(scheduled).max(1));
            }
            if let Some(at) = appended.get_mut(n as usize) {
                if *at == 0 {
                    *at = received_at(rest).unwrap_or(0);
                }
                if *at > 0 {
                    append_to_receipt.saturating_record(now.saturating_sub(*at).max(1));
                }
            }
        });
        if found > 0 {
            connection.count += found;
            live.last_at.store(now, Relaxed);
            live.disorder.fetch_add(disorder, Relaxed);
            live.delivered.fetch_add(found, Relaxed);
        }
    }
}

/// The `receivedAt` of the event whose number was just read, if the server tells it and it is here in full.
fn received_at(rest: &[u8]) -> Option<u64> {
    let line = &rest[..memchr::memchr(b'\n', rest)?];
    let at = memmem::find(line, br#""receivedAt":""#)? + br#""receivedAt":""#.len();
    clock::of_wall_micros(clock::unix_micros(std::str::from_utf8(line.get(at..at + 27)?).ok()?)?)
}
