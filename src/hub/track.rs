//! The sequencer's state of one log: what was handed on, what is missing, and what each shard still has to hear.
//!
//! Pure: announcements, looks and reads come in, [`Want`]s and [`Update`]s go out. Frames are handed on strictly by seq; a hole is read
//! from the log. A head below the position, or another epoch, rewinds.
//!
//! Nobody is believed but the log. The frames of an announcement are taken only if they are of the store that the last look found, under
//! the epoch that is current here, and consecutive up to its head (`a_frame_is_taken_only_of_the_store_and_the_epoch_that_are_followed`):
//! they continue the position, or wait in the [`stash`] behind a hole, which is read once it is older than [`GRACE`], since what fills it
//! is usually on its way. Anything else is a hint ([`hints`]): it has the log asked, once, and what the log says settles it. When a look
//! finds another store, what waits in the stash is forgotten, and what was asked of the log until then is void
//! (`what_a_lost_store_announced_is_forgotten_with_it`).
//!
//! A delivery is timed from when this instance heard of the commit: of its own commits that is when they were made, of others' it leaves
//! out the way here.

mod hints;
mod stash;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use self::{hints::Hints, stash::Stash};
use super::{Frame, outlet::SharedFrame, ring::Ring, ring::RingBounds, shard::Update, view::Asked};
use crate::{
    backplane::Announcement,
    domain::{EpochChain, Event, Seq},
    log::{Page, Position, StoreIdentity},
    trace::Passage,
};

/// How long a hole before frames that were announced is left to be filled by another announcement: those of several instances overtake each
/// other. Also how long hints wait after one that led to nothing.
pub(crate) const GRACE: Duration = Duration::from_millis(20);
/// Frames in one update.
const UPDATE_FRAMES: usize = 256;
/// Commits in sampled traces that not every shard has heard of; of more than these nothing is told.
const PASSAGES: usize = 64;

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

/// What a read that is asked for now has to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    turn: u32,
    told: u64,
    /// What hints said of the head.
    hinted: Seq,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Track {
    chain: Arc<EpochChain>,
    /// Which store has the log, as far as the last look could tell.
    store: Option<StoreIdentity>,
    earliest: Seq,
    ring: Ring,
    /// The newest seq that the log itself is known to have, and how much had been told when it said so last.
    known: Seq,
    known_told: u64,
    /// How much had been told when the log itself said that it is in another epoch than the chain's last.
    stale: Option<u64>,
    hints: Hints,
    stash: Stash,
    shards: Vec<Heard>,
    /// Which of what was announced is of a trace.
    passages: VecDeque<Arc<Passage>>,
    /// How often what had been asked of the log became void: it went back, or is in another store.
    turn: u32,
    /// Announcements and looks until now.
    told: u64,
}

impl Track {
    /// A track that starts so far behind the head that reading on fills the ring.
    pub(crate) fn new(chain: EpochChain, store: Option<StoreIdentity>, position: Position, bounds: RingBounds) -> Self {
        let from = Seq::new(position.head.get().saturating_sub(bounds.frames as u64)).max(position.earliest.before());
        Self {
            chain: Arc::new(chain),
            store,
            earliest: position.earliest,
            ring: Ring::new(from, bounds),
            known: position.head,
            known_told: 0,
            stale: None,
            hints: Hints::default(),
            stash: Stash::of_bytes(bounds.bytes),
            shards: Vec::new(),
            passages: VecDeque::new(),
            turn: 0,
            told: 0,
        }
    }

    /// How often what had been asked of the log became void: what was asked before the last time says nothing of where it stands now.
    pub(crate) fn turn(&self) -> u32 {
        self.turn
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

    /// What to read now.
    pub(crate) fn want(&self, now: Instant) -> Want {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if self.stale.is_some() || is_due(self.hints.elsewhere_due()) {
            Want::Epochs
        } else if self.position() < self.known || is_due(self.hints.more_due(self.position())) || is_due(self.hole_due()) {
            Want::Events { after: self.position() }
        } else {
            Want::Nothing
        }
    }

    /// When there is something to read, if nothing else happens until then.
    pub(crate) fn due(&self) -> Option<Instant> {
        let all = [self.hints.elsewhere_due(), self.hints.more_due(self.position()), self.hole_due()];
        all.into_iter().flatten().min()
    }

    /// When the hole before the stash has been left open for long enough.
    fn hole_due(&self) -> Option<Instant> {
        self.stash.heard().map(|heard| heard + GRACE)
    }

    /// Whether events are wanted for no reason but that a hole has been left open for long enough.
    pub(crate) fn is_for_hole(&self, now: Instant) -> bool {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        is_due(self.hole_due()) && self.position() >= self.known && !is_due(self.hints.more_due(self.position()))
    }

    /// What a read that is asked for now has to remember.
    pub(crate) fn asking(&self) -> Asking {
        Asking { turn: self.turn, told: self.told, hinted: self.hints.head() }
    }

    pub(crate) fn on_announcement(&mut self, announcement: Announcement, now: Instant) {
        self.told += 1;
        let Announcement { store, epoch, head, events, trace, .. } = announcement;
        if epoch != self.chain.current() {
            // of one that is over nothing can be learned
            if !self.chain.contains(epoch) {
                self.hints.note_elsewhere(epoch, head, self.told, now);
            }
            return;
        }
        if let Some(passage) = trace.filter(|_| !self.shards.is_empty()) {
            if self.passages.len() == PASSAGES {
                self.passages.pop_front();
            }
            self.passages.push_back(passage);
        }
        // the log has said that this numbering is over, though not yet which one holds
        let is_over = self.stale.is_some();
        if is_over || store.is_none() || store != self.store || !is_run(&events, head) {
            return self.hints.note_more(head, self.told, now);
        }
        for event in events {
            self.take(event, now);
        }
        self.drain_stash();
    }

    /// What a look found: who has the log, and where it stands, if that is known; `asked` is where this track stood when the question was
    /// sent, since it may have moved on meanwhile.
    pub(crate) fn on_look(&mut self, store: Option<StoreIdentity>, position: Option<Position>, asked: Asked) {
        let is_void = asked.turn != self.turn;
        // looks come one after the other: the last one knows best who answers, whatever has become of the position
        self.follow(store);
        let Some(position) = position.filter(|_| !is_void) else { return };
        self.told += 1;
        if position.epoch != self.chain.current() {
            self.stale = Some(self.told);
            return;
        }
        if position.head < asked.position.min(self.position()) {
            self.rewind(position.head);
            self.known = position.head;
        }
        if position.head >= self.known {
            (self.known, self.known_told) = (position.head, self.told);
        }
        if position.earliest < self.earliest {
            // restored, with events that the lost log had trimmed
            self.earliest = position.earliest;
            self.shards.iter_mut().for_each(|heard| heard.current = false);
        }
        self.trim(position.earliest);
    }

    /// Another store has the log: what the one before announced, and what it was asked for, may be lost, under the same epoch too.
    fn follow(&mut self, store: Option<StoreIdentity>) {
        if store != self.store {
            self.store = store;
            self.stash.forget();
            self.turn = self.turn.wrapping_add(1);
        }
    }

    /// The log's epochs, read because they had changed, or because someone said so.
    pub(crate) fn on_epochs(&mut self, chain: EpochChain, asked: Asking, now: Instant) {
        if asked.turn != self.turn {
            // they may be those of a store that is over
            return;
        }
        self.stale = self.stale.filter(|told| *told > asked.told);
        self.hints.settle_elsewhere(&chain, asked.told, now);
        if chain.current() == self.chain.current() {
            return;
        }
        let common = chain.last_common(self.chain.current()).unwrap_or(Seq::ZERO);
        self.chain = Arc::new(chain);
        self.known = self.known.min(common);
        self.rewind(common.min(self.position()));
    }

    /// Events that were read behind the position.
    pub(crate) fn on_page(&mut self, page: Page, asked: Asking, now: Instant) {
        if asked.turn != self.turn {
            // they may be of what was lost since, under the same epoch
            return;
        }
        if page.position.epoch != self.chain.current() {
            self.stale = Some(self.told);
            return;
        }
        self.trim(page.position.earliest);
        let last_gone = page.position.earliest.before();
        if last_gone > self.position() {
            // the hole is gone for ever: shards see it as one, and tell their subscriptions
            self.ring.reset(last_gone);
        }
        for event in page.events {
            if event.seq == self.position().next() {
                self.ring.push(Frame::new(event, self.chain.current(), None));
            }
        }
        // what was said before it was asked is settled by its answer: to insist would be to read without end
        let head = page.position.head;
        self.known = if self.known_told > asked.told { self.known.max(head) } else { head };
        self.hints.settle_more(asked.hinted > head, asked.told, now);
        self.stash.settle(head, asked.told);
        self.drain_stash();
    }

    fn take(&mut self, event: Event, heard: Instant) {
        let (seq, epoch) = (event.seq, self.chain.current());
        if seq == self.position().next() {
            self.ring.push(Frame::new(event, epoch, Some(heard)));
        } else if seq > self.position() && !self.stash.put(seq, self.told, heard, || Frame::new(event, epoch, Some(heard))) {
            // no room: it has to be read
            self.hints.note_more(seq, self.told, heard + GRACE);
        }
    }

    fn drain_stash(&mut self) {
        while let Some(frame) = self.stash.take_up_to(self.ring.head().next()) {
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
        self.turn = self.turn.wrapping_add(1);
        self.ring.truncate(fork);
        self.passages.clear();
        self.stash.forget();
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
        let end = frames.last().map_or(before, |frame| frame.seq());
        let is_within = |passage: &&Arc<Passage>| passage.first <= end.get() && passage.last > before.get();
        let passages = self.passages.iter().filter(is_within).cloned().collect();
        Some(Update { chain: self.chain.clone(), earliest: self.earliest, fork: heard.fork, before, frames, passages })
    }

    /// The shard has it.
    pub(crate) fn heard(&mut self, shard: usize, update_end: Seq) {
        if let Some(heard) = self.shards.get_mut(shard) {
            *heard = Heard { head: update_end, fork: None, current: true, fresh: false };
        }
        if !self.passages.is_empty() {
            let all_heard = self.shards.iter().map(|heard| heard.head.get()).min().unwrap_or_default();
            self.passages.retain(|passage| passage.last > all_heard);
        }
    }
}

/// Whether `events` are what an announcement of this head promises: consecutive up to it, and at least one.
fn is_run(events: &[Event], head: Seq) -> bool {
    let first = head.get().checked_sub(events.len() as u64);
    // the last number of all has none behind it
    !events.is_empty()
        && head < Seq::MAX
        && first.is_some_and(|before| events.iter().zip(before + 1..).all(|(event, n)| event.seq.get() == n))
}
