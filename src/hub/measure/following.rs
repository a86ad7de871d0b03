//! The sequencer's state, told of a log that grows, with shards that hear everything at once.

use std::time::Instant;

use super::{EPOCH, chain, event};
use crate::{
    backplane::Announcement,
    domain::{Event, Seq},
    hub::{RingBounds, track::Track},
    log::{LogId, Page, Position, StoreIdentity},
};

const LOG: LogId = LogId::new(1);
const STORE: StoreIdentity = StoreIdentity::new(1);

/// A track with a full ring.
#[derive(Debug)]
pub struct Following {
    track: Track,
    /// The newest that was announced.
    head: Seq,
    shards: usize,
    now: Instant,
}

impl Following {
    /// Where a track begins: its ring is full from then on, so that each event that comes has one to go.
    pub const START: u64 = 8192;

    /// A track that stands at [`Following::START`], and so many shards that have heard all of it.
    #[must_use]
    pub fn with_shards(shards: usize) -> Self {
        let start = Seq::ZERO;
        let track = Track::new(
            chain(),
            Some(STORE),
            Position { log: LOG, epoch: EPOCH, head: start, earliest: Seq::new(1) },
            RingBounds::default(),
        );
        let mut this = Self { track, head: start, shards, now: Instant::now() };
        (0..shards).for_each(|_| this.track.add_shard());
        this.announce((1..=Self::START).map(|seq| event(seq, "s", 256)).collect());
        this
    }

    /// Takes consecutive events as they are announced, and hands on what that allows; returns how many frames shards were handed.
    pub fn announce(&mut self, events: Vec<Event>) -> usize {
        let head = events.last().map_or(self.track.position(), |event| event.seq);
        self.head = self.head.max(head);
        self.track.on_announcement(Announcement { log: LOG, store: Some(STORE), epoch: EPOCH, head, events, trace: None }, self.now);
        self.hand_on()
    }

    /// Takes the events behind the position as they are read from the log, and hands on what that allows.
    pub fn read(&mut self, events: Vec<Event>) -> usize {
        let through = events.last().map_or(self.track.position(), |event| event.seq);
        let position = Position { log: LOG, epoch: EPOCH, head: through.max(self.head), earliest: Seq::new(1) };
        self.track.on_page(Page { events, through, position }, self.track.asking(), self.now);
        self.hand_on()
    }

    /// As the sequencer does it, with shards that are never full.
    fn hand_on(&mut self) -> usize {
        let mut handed = 0;
        for shard in 0..self.shards {
            while let Some(update) = self.track.next_update(shard) {
                handed += update.frames.len();
                self.track.heard(shard, update.frames.last().map_or(update.before, |frame| frame.seq()));
            }
        }
        handed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(from: u64, to: u64) -> Vec<Event> {
        (from..=to).map(|seq| event(seq, "s", 64)).collect()
    }

    #[test]
    fn every_shard_is_handed_each_frame_once_and_nothing_beyond_a_hole() {
        let next = Following::START + 1;
        let mut following = Following::with_shards(3);
        assert_eq!(following.announce(events(next, next + 9)), 30);
        assert_eq!(following.announce(events(next + 20, next + 29)), 0);
        assert_eq!(following.read(events(next + 10, next + 19)), 60);
    }
}
