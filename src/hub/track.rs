//! The sequencer's state of one log: what was handed on, what is missing, and what each shard still has to hear.
//!
//! Pure: announcements, looks and reads come in, [`Want`]s and [`Update`]s go out. Frames are handed on strictly by seq; a hole is read from the
//! log. A head below the position, or another epoch, rewinds.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{Frame, outlet::SharedFrame, ring::Ring, ring::RingBounds, shard::Update};
use crate::{
    backplane::Announcement,
    domain::{EpochChain, Event, Seq},
    log::{Page, Position},
};

/// Frames in one update.
const UPDATE_FRAMES: usize = 256;
/// Frames that wait behind a hole.
const STASH: usize = 4096;

/// What the track needs from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Nothing.
    Nothing,
    /// The events behind this seq.
    Events {
        /// Behind which.
        after: Seq,
    },
    /// The chain of epochs.
    Epochs,
}

/// What one shard has heard.
#[derive(Clone, Copy, Debug)]
struct Heard {
    head: Seq,
    fork: Option<Seq>,
    /// It knows the current epoch and earliest.
    current: bool,
    /// It has heard nothing yet: its first update is the whole ring, since what follows counts as live.
    fresh: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Track {
    chain: Arc<EpochChain>,
    earliest: Seq,
    ring: Ring,
    /// The newest seq that the log is known to have.
    known: Seq,
    /// The log is in another epoch than the chain's last.
    stale: bool,
    stash: BTreeMap<Seq, SharedFrame>,
    stash_bytes: usize,
    bounds: RingBounds,
    shards: Vec<Heard>,
    /// How often it went back.
    rewinds: u32,
}

impl Track {
    /// A track that starts so far behind the head that reading on fills the ring.
    pub(crate) fn new(chain: EpochChain, position: Position, bounds: RingBounds) -> Self {
        let from = Seq::new(position.head.get().saturating_sub(bounds.frames as u64)).max(position.earliest.before());
        Self {
            chain: Arc::new(chain),
            earliest: position.earliest,
            ring: Ring::new(from, bounds),
            known: position.head,
            stale: false,
            stash: BTreeMap::new(),
            stash_bytes: 0,
            bounds,
            shards: Vec::new(),
            rewinds: 0,
        }
    }

    /// How often it went back: what was asked before the last time says nothing of where it stands now.
    pub(crate) fn rewinds(&self) -> u32 {
        self.rewinds
    }

    /// Everything up to here was handed on.
    pub(crate) fn position(&self) -> Seq {
        self.ring.head()
    }

    pub(crate) fn earliest(&self) -> Seq {
        self.earliest
    }

    pub(crate) fn chain(&self) -> &Arc<EpochChain> {
        &self.chain
    }

    /// How many frames wait behind a hole.
    pub(crate) fn stashed(&self) -> usize {
        self.stash.len()
    }

    /// What to read next.
    pub(crate) fn want(&self) -> Want {
        if self.stale {
            Want::Epochs
        } else if self.position() < self.known {
            Want::Events { after: self.position() }
        } else {
            Want::Nothing
        }
    }

    pub(crate) fn on_announcement(&mut self, announcement: Announcement, now: Instant) {
        if announcement.epoch != self.chain.current() {
            // its frames belong to a numbering that is over, or to one that the log must confirm first
            self.stale = true;
            return;
        }
        self.known = self.known.max(announcement.head);
        for event in announcement.events {
            self.take(event, Some(now));
        }
        self.drain_stash();
    }

    /// What the log says of itself; `asked_at` is where this track stood when the question was sent, since it may have moved on meanwhile.
    pub(crate) fn on_look(&mut self, position: Position, asked_at: Seq) {
        if position.epoch != self.chain.current() {
            self.stale = true;
            return;
        }
        if position.head < asked_at.min(self.position()) {
            self.rewind(position.head);
            self.known = position.head;
        }
        self.known = self.known.max(position.head);
        if position.earliest < self.earliest {
            // restored, with events that the lost log had trimmed
            self.earliest = position.earliest;
            self.shards.iter_mut().for_each(|heard| heard.current = false);
        }
        self.trim(position.earliest);
    }

    /// The log's epochs, read because they had changed.
    pub(crate) fn on_epochs(&mut self, chain: EpochChain) {
        self.stale = false;
        if chain.current() == self.chain.current() {
            return;
        }
        let common = chain.last_common(self.chain.current()).unwrap_or(Seq::ZERO);
        self.chain = Arc::new(chain);
        self.known = self.known.min(common);
        self.forget_stash();
        self.rewind(common.min(self.position()));
    }

    /// Events that were read behind the position; `asked_in` is how often this track had gone back when they were asked for.
    pub(crate) fn on_page(&mut self, page: Page, asked_in: u32) {
        if asked_in != self.rewinds {
            // they may be of what was lost since, under the same epoch
            return;
        }
        if page.position.epoch != self.chain.current() {
            self.stale = true;
            return;
        }
        self.trim(page.position.earliest);
        let last_gone = page.position.earliest.before();
        if last_gone > self.position() {
            // the hole is gone for ever: shards see it as one, and tell their subscriptions
            self.ring.reset(last_gone);
        }
        // reads are asked for what is known to be there: when nothing is, the log has gone back, and to insist would be to read without end
        let went_back = page.events.is_empty();
        for event in page.events {
            self.take(event, None);
        }
        self.known = if went_back { page.position.head.max(self.position()) } else { self.known.max(page.position.head) };
        self.drain_stash();
    }

    fn take(&mut self, event: Event, committed: Option<Instant>) {
        let seq = event.seq;
        if seq == self.position().next() {
            self.ring.push(Frame::new(event, self.chain.current(), committed));
        } else if seq > self.position()
            && self.stash.len() < STASH
            && self.stash_bytes < self.bounds.bytes
            && !self.stash.contains_key(&seq)
        {
            let frame = Frame::new(event, self.chain.current(), committed);
            self.stash_bytes += frame.weight();
            self.stash.insert(seq, frame);
        }
    }

    fn forget_stash(&mut self) {
        self.stash.clear();
        self.stash_bytes = 0;
    }

    fn drain_stash(&mut self) {
        while let Some(entry) = self.stash.first_entry() {
            if *entry.key() > self.ring.head().next() {
                break;
            }
            let frame = entry.remove();
            self.stash_bytes -= frame.weight();
            if frame.seq() > self.ring.head() {
                self.ring.push(frame);
            }
        }
    }

    fn trim(&mut self, earliest: Seq) {
        if earliest > self.earliest {
            self.earliest = earliest;
            self.shards.iter_mut().for_each(|heard| heard.current = false);
        }
    }

    fn rewind(&mut self, fork: Seq) {
        self.rewinds = self.rewinds.wrapping_add(1);
        self.ring.truncate(fork);
        self.forget_stash();
        self.earliest = self.earliest.min(fork.next());
        for heard in &mut self.shards {
            heard.fork = Some(heard.fork.map_or(fork, |earlier| earlier.min(fork)));
            heard.head = heard.head.min(fork);
            heard.current = false;
        }
    }

    /// Adds a shard that has heard nothing yet; shards are numbered in the order in which they are added.
    pub(crate) fn add_shard(&mut self) {
        // what came before the ring is none of its business
        self.shards.push(Heard { head: self.ring.start().before(), fork: None, current: false, fresh: true });
    }

    /// Whether there is something that a shard has not heard.
    pub(crate) fn has_news_for(&self, shard: usize) -> bool {
        self.shards.get(shard).is_some_and(|heard| !heard.current || heard.head < self.position())
    }

    /// The next thing that a shard has not heard.
    pub(crate) fn next_update(&self, shard: usize) -> Option<Update> {
        if !self.has_news_for(shard) {
            return None;
        }
        let heard = self.shards.get(shard)?;
        let most = if heard.fresh { usize::MAX } else { UPDATE_FRAMES };
        let frames: Vec<SharedFrame> = self.ring.after(heard.head).take(most).cloned().collect();
        let before = frames.first().map_or(self.position(), |first| first.seq().before());
        Some(Update { chain: self.chain.clone(), earliest: self.earliest, fork: heard.fork, before, frames })
    }

    /// The shard has it.
    pub(crate) fn heard(&mut self, shard: usize, update_end: Seq) {
        if let Some(heard) = self.shards.get_mut(shard) {
            *heard = Heard { head: update_end, fork: None, current: true, fresh: false };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Epoch, EpochStart, Timestamp},
        log::{LogId, StoreIdentity},
    };

    #[test]
    fn what_a_log_that_went_back_no_longer_has_is_not_asked_for_without_end() {
        let epoch = Epoch::new(1);
        let chain = EpochChain::new(vec![EpochStart { epoch, first: Seq::new(1) }]).expect("not empty");
        let position = Position { log: LogId::new(1), epoch, head: Seq::new(8), earliest: Seq::new(9) };
        let mut track = Track::new(chain, position, RingBounds::default());
        // announced, lost, and gone with the file that was replaced by its backup
        track.on_announcement(
            Announcement { log: LogId::new(1), store: Some(StoreIdentity::default()), epoch, head: Seq::new(11), events: Vec::new() },
            Instant::now(),
        );
        assert_eq!(track.want(), Want::Events { after: Seq::new(8) });
        track.on_page(Page { events: Vec::new(), through: Seq::new(8), position }, track.rewinds());
        assert_eq!(track.want(), Want::Nothing);
    }

    #[test]
    fn a_page_that_was_asked_for_before_the_log_went_back_is_void() {
        let epoch = Epoch::new(1);
        let chain = EpochChain::new(vec![EpochStart { epoch, first: Seq::new(1) }]).expect("not empty");
        let at = |head| Position { log: LogId::new(1), epoch, head: Seq::new(head), earliest: Seq::new(1) };
        let event = |seq, id| {
            let envelope = format!(r#"{{"id":"{id}","type":"a.b","streams":["1"],"data":{{}}}}"#);
            Event::from_row(Seq::new(seq), Timestamp::from_micros(0), envelope).expect("well formed")
        };
        let page = |events: Vec<Event>, head| Page { events, through: Seq::new(head), position: at(head) };
        let mut track = Track::new(chain, at(0), RingBounds::default());
        track.add_shard();
        let asked_in = track.rewinds();
        track.on_page(page((1..=4).map(|seq| event(seq, "kept")).collect(), 4), asked_in);
        track.on_look(at(6), Seq::new(4));
        assert_eq!(track.want(), Want::Events { after: Seq::new(4) });
        // read, and lost with the numbers 3 and 4 before it arrives
        let late = page(vec![event(5, "lost"), event(6, "lost")], 6);
        track.on_look(at(2), Seq::new(4));
        track.on_page(late, asked_in);
        assert_eq!((track.position(), track.stashed(), track.want()), (Seq::new(2), 0, Want::Nothing));
        // what has those numbers now
        track.on_look(at(6), Seq::new(2));
        track.on_page(page((3..=6).map(|seq| event(seq, "new")).collect(), 6), track.rewinds());
        let update = track.next_update(0).expect("news");
        let told: Vec<_> = update.frames.iter().map(|frame| frame.event().envelope.as_str().contains("lost")).collect();
        assert_eq!(told, [false; 6]);
    }
}
