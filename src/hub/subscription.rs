//! One connection's interest, and how far it has got.
//!
//! A slow consumer is a cursor, not a queue: a subscription holds its cursor and at most one page that it shares with identical readers.

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use super::{CloseReason, Flow, Frame, Offer, Outlet, Right, admission::Permit, pace::Pace, ready::SlotWaker, replay::ReplayPage};
use crate::domain::{Cursor, Epoch, Filter, Gap, GapReason, Seq};

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With what comes after the shard's head at the moment of subscribing.
    Now,
    /// After a cursor that was resolved against the log's epochs.
    At {
        /// A cursor of today's numbering.
        cursor: Cursor,
        /// What the client presented, if it was a cursor: a gap is told in its own words.
        presented: Option<Cursor>,
        /// The rewind that led there, if what the client presented is void.
        rewound: Option<Gap>,
    },
}

impl Beginning {
    /// What the client asked for and can't have, in a log that retains what lies at and after `earliest`.
    #[must_use]
    pub fn gap(&self, earliest: Seq) -> Option<Gap> {
        let Self::At { cursor, presented, rewound } = *self else { return None };
        let trimmed = Gap::trimmed(cursor, earliest).map(|gap| Gap { requested: presented.unwrap_or(cursor), ..gap });
        rewound.or(trimmed)
    }
}

/// What a connection asks of the hub.
#[derive(Debug)]
pub struct Request {
    /// What to follow.
    pub filter: Arc<Filter>,
    /// From where.
    pub beginning: Beginning,
    /// Room for it.
    pub permit: Permit,
    /// How long it may last; `None`: until [`Hubs::end_unowned`](super::Hubs::end_unowned).
    pub right: Option<Arc<Right>>,
    /// The most events a second, with a second's worth at once after silence; beyond it the subscription lags, and catches up. `None`: as they come.
    pub deliver_per_second: Option<NonZeroU32>,
}

/// Where a subscription stands; `c` is its cursor: every match up to it is on the socket or in the outlet's one pinned frame.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The shard does not know its log yet.
    Starting(Beginning),
    /// Follows the head; its cursor is the later of `floor` and the shard's settled seq.
    Live { floor: Seq },
    /// Walks the ring from `c` to the head.
    Walking { c: Seq },
    /// Behind the ring, and wants a page of the log.
    Wanting { c: Seq },
    /// Waits for a page.
    Reading { c: Seq },
    /// Could not read, or read another numbering; tries again at a later tick.
    Retrying { c: Seq },
    /// Writes a page, of which `next` frames are written.
    Paging { c: Seq, page: Arc<ReplayPage>, next: usize, since: Instant },
}

#[derive(Debug)]
pub(crate) struct Sub<O> {
    pub(crate) outlet: O,
    pub(crate) filter: Arc<Filter>,
    pub(crate) phase: Phase,
    /// The numbering of its cursor.
    pub(crate) epoch: Epoch,
    /// The last `id` that is on the socket.
    pub(crate) told: Seq,
    /// Events of the group under dispatch that it matches.
    pub(crate) mask: u64,
    /// The outlet takes nothing at the moment.
    pub(crate) blocked: bool,
    /// `hub.live` was told.
    pub(crate) caught_up: bool,
    /// Gaps that must be told before anything else: a rewind, then a trim, at most.
    pub(crate) gaps: Vec<Gap>,
    /// Events written before it caught up.
    pub(crate) replayed: u64,
    /// Tells this connection from others that had its key.
    pub(crate) generation: u32,
    /// The shard's rewinds that it has heard of.
    pub(crate) rewinds: u32,
    /// The shard looks from time to time whether it takes its page.
    pub(crate) watched: bool,
    /// Tells the awaited page from those that were asked for before a rewind.
    pub(crate) ask: u32,
    /// When bytes last went out.
    pub(crate) wrote_at: Instant,
    pub(crate) opened_at: Instant,
    /// Since when the log could not be read for it.
    pub(crate) failing_since: Option<Instant>,
    pub(crate) waker: Arc<SlotWaker>,
    pub(crate) right: Option<Arc<Right>>,
    /// The end of its right was told beforehand.
    pub(crate) warned: bool,
    pub(crate) pace: Option<Box<Pace>>,
    /// Its entry in the shard's alarms.
    pub(crate) alarm: Option<Instant>,
    /// Released when the subscription is dropped.
    pub(crate) _permit: Permit,
}

impl<O: Outlet> Sub<O> {
    /// Its cursor, in a shard that has settled up to `settled`.
    pub(crate) fn cursor(&self, settled: Seq) -> Seq {
        match &self.phase {
            Phase::Live { floor } => settled.max(*floor),
            Phase::Walking { c } | Phase::Wanting { c } | Phase::Reading { c } | Phase::Retrying { c } | Phase::Paging { c, .. } => *c,
            Phase::Starting(_) => Seq::ZERO,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live { .. })
    }

    pub(crate) fn is_replaying(&self) -> bool {
        matches!(self.phase, Phase::Wanting { .. } | Phase::Reading { .. } | Phase::Retrying { .. } | Phase::Paging { .. })
    }

    /// Why nothing may be delivered to it any more, if so; `unowned` is why to none that has no right.
    pub(crate) fn over(&self, now: Instant, unowned: Option<CloseReason>) -> Option<CloseReason> {
        self.right.as_ref().map_or(unowned, |right| right.over(now))
    }

    /// It waits for its pace.
    pub(crate) fn is_paused(&self) -> bool {
        self.pace.as_ref().is_some_and(|pace| pace.resumes.is_some())
    }

    /// How many of so many events its pace allows.
    pub(crate) fn allowed(&self, events: usize, now: Instant) -> usize {
        self.pace.as_ref().map_or(events, |pace| pace.allows(now).min(events))
    }

    /// Writes frames as far as its pace allows, and notes what its client has of them. An open outlet that has not taken all of them has been
    /// offered what the pace allows.
    pub(crate) fn offer(&mut self, frames: &[&Frame], now: Instant) -> Offer {
        let frames = &frames[..self.allowed(frames.len(), now)];
        let offer = if frames.is_empty() { Offer { taken: 0, flow: Flow::Open } } else { self.outlet.offer(frames) };
        let Some(last) = offer.taken.checked_sub(1).and_then(|at| frames.get(at)) else { return offer };
        if let Some(pace) = &mut self.pace {
            pace.take(offer.taken, now);
        }
        self.told = last.seq();
        self.wrote_at = now;
        if !self.caught_up {
            self.replayed += offer.taken as u64;
        }
        match &mut self.phase {
            Phase::Live { floor } => *floor = last.seq(),
            Phase::Paging { c, next, .. } => {
                *c = last.seq();
                *next += offer.taken;
            }
            _ => {}
        }
        offer
    }

    /// Leaves live delivery, or whatever it was doing, for a walk from `c`.
    pub(crate) fn walk_from(&mut self, c: Seq) {
        self.phase = Phase::Walking { c };
        self.mask = 0;
        // a page that is under way belongs to what it did before
        self.ask = self.ask.wrapping_add(1);
    }

    /// Notes that retention has removed what its client at `c` has not seen before `earliest`, and returns where it goes on.
    pub(crate) fn lose_to_trim(&mut self, c: Seq, earliest: Seq) -> Seq {
        let Some(mut gap) = Gap::trimmed(Cursor { epoch: self.epoch, seq: c }, earliest) else { return c };
        if let Some(untold) = self.gaps.pop_if(|last| last.reason == GapReason::Trimmed) {
            // its client still stands where the first of them began
            gap.requested = untold.requested;
            gap.lost = gap.resumed.seq.since(untold.requested.seq);
        }
        self.gaps.push(gap);
        gap.resumed.seq
    }

    /// Notes that what its client has above `fork` is void.
    pub(crate) fn lose_to_rewind(&mut self, c: Seq, fork: Cursor) {
        let mut c = Cursor { epoch: self.epoch, seq: c };
        if let Some(untold) = self.gaps.pop_if(|last| last.reason == GapReason::Trimmed) {
            // its client has nothing of the stretch that was trimmed
            c = untold.requested;
            if c.seq <= fork.seq {
                self.gaps.extend(Gap::trimmed(c, fork.seq.next()).map(|gap| Gap { resumed: fork, ..gap }));
                return;
            }
        }
        let lost = c.seq.since(fork.seq);
        match self.gaps.last_mut() {
            Some(untold) => {
                untold.resumed = fork;
                untold.lost += lost;
            }
            None => self.gaps.push(Gap::rewound(c, fork)),
        }
    }
}
