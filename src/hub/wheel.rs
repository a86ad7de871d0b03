//! When to look at a connection next, without a timer for each.
//!
//! One wheel for each shard, in which a connection stands once. A visit decides whether a heartbeat is due and files the connection again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::index::SubKey;

/// A connection, and which of those that have had its key.
pub(crate) type Entry = (SubKey, u32);

#[derive(Debug)]
pub(crate) struct Wheel {
    slots: Vec<Vec<Entry>>,
    tick: Duration,
    at: usize,
    next_tick: Instant,
}

impl Wheel {
    const SLOTS: usize = 256;

    pub(crate) fn new(now: Instant, longest: Duration) -> Self {
        let tick = (longest / (Self::SLOTS as u32 - 2)).max(Duration::from_millis(20));
        Self { slots: vec![Vec::new(); Self::SLOTS], tick, at: 0, next_tick: now + tick }
    }

    /// Files an entry to be visited up to a tick before `after` from now, or at the next tick; what lies beyond the wheel's reach is visited earlier.
    pub(crate) fn file(&mut self, entry: Entry, after: Duration) {
        let ticks = (after.as_nanos() / self.tick.as_nanos().max(1)) as usize;
        let slot = (self.at + ticks.clamp(1, Self::SLOTS - 1)) % Self::SLOTS;
        self.slots[slot].push(entry);
    }

    /// Moves the entries that are due into `due`.
    pub(crate) fn advance(&mut self, now: Instant, due: &mut VecDeque<Entry>) {
        let mut turns = 0;
        while self.next_tick <= now && turns < Self::SLOTS {
            self.at = (self.at + 1) % Self::SLOTS;
            // taken whole: a slot that kept the room of its largest crowd would keep it for ever
            due.extend(std::mem::take(&mut self.slots[self.at]));
            self.next_tick += self.tick;
            turns += 1;
        }
        if self.next_tick <= now {
            self.next_tick = now + self.tick;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_due_once_and_about_when_it_was_filed_for() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start, Duration::from_secs(15));
        wheel.file((7, 0), Duration::from_secs(10));
        let mut due = VecDeque::new();
        for (second, known) in [(9, 0), (11, 1), (40, 1)] {
            wheel.advance(start + Duration::from_secs(second), &mut due);
            assert_eq!(due.len(), known, "after {second} s");
        }
        assert_eq!(due, [(7, 0)]);
    }
}
