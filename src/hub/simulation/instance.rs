//! One instance: a track, shards, what it has asked its store, and who is about to arrive. It may be on another store than the others.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{
    super::{
        Admission, Beginning, Frame, Settings,
        replay::{Answer, Ask, ReplayPage},
        shard::{Shard, Update},
        stats::ShardStats,
        track::{Asking, Track, Want},
        view::Asked,
    },
    client::Pipe,
    model::Stores,
};
use crate::{
    backplane::Announcement,
    domain::{Cursor, EpochChain, Filter, Seq},
    log::{Page, Position},
};

pub(super) struct Node {
    pub(super) shard: Shard<Pipe>,
    inbox: VecDeque<Update>,
    asks: Vec<Ask>,
    /// Read, but not yet handed over.
    answers: Vec<Answer>,
}

/// A question to the store: sent, then answered, and then the answer arrives, or that there is none.
enum Stage<Q, A> {
    Sent(Q),
    Answered(Q, Option<A>),
}

/// Who was looked at, if it can tell, and where it stood.
type LookedAt = (usize, bool, Position);

/// Someone whose cursor is being placed.
pub(super) struct Arrival {
    pub(super) client: usize,
    pub(super) node: usize,
    /// The epochs as the store named them; nothing where it need not be asked.
    pub(super) asked: Option<EpochChain>,
    pub(super) placed: Option<Beginning>,
    pub(super) cursor: Cursor,
}

pub(super) struct Instance {
    pub(super) track: Track,
    /// The store that it is connected to.
    pub(super) store: usize,
    /// The store that its last look found.
    seen: usize,
    /// Which could tell who it is.
    is_told: bool,
    pub(super) nodes: Vec<Node>,
    /// What it has announced to itself.
    pub(super) inbox: Vec<Announcement>,
    pub(super) arrivals: Vec<Arrival>,
    pub(super) admission: Arc<Admission>,
    look: Option<Stage<Asked, LookedAt>>,
    read: Option<Stage<(Want, Asking), Result<Page, EpochChain>>>,
}

impl Instance {
    /// Starts with epochs that were read a moment before the position.
    pub(super) fn start(
        chain: EpochChain,
        store: usize,
        stores: &Stores,
        settings: &Arc<Settings>,
        slices: &[usize],
        now: Instant,
    ) -> Self {
        let found = stores.get(store);
        let mut track = Track::new(chain, Some(found.identity), found.model.position(), settings.ring);
        let nodes = slices.iter().map(|slice| {
            track.add_shard();
            let mut shard = Shard::new(settings.clone(), Arc::new(ShardStats::default()), now);
            shard.set_slice(*slice);
            Node { shard, inbox: VecDeque::new(), asks: Vec::new(), answers: Vec::new() }
        });
        let nodes = nodes.collect();
        // one more, which hears everything at once: see `check`
        track.add_shard();
        let (inbox, arrivals, admission) = (Vec::new(), Vec::new(), Admission::new(1000));
        Self { track, store, seen: store, is_told: true, nodes, inbox, arrivals, admission, look: None, read: None }
    }

    pub(super) fn hear(&mut self, announcement: Announcement, stores: &Stores, now: Instant) {
        self.track.on_announcement(announcement, now);
        self.check(stores, |this, frame| {
            assert!(this.is_told, "{frame:?} was taken while nobody could tell whose it is");
            assert!(stores.has_had(this.seen, frame.event()), "{frame:?} was taken, which the store {} has never had", this.seen);
        });
    }

    /// Nothing enters the ring of what was lost with a store that a look has found to be over; and by announcement nothing that is not
    /// of the very store that the last look has found.
    fn check(&mut self, stores: &Stores, more: impl Fn(&Self, &Frame)) {
        let observer = self.nodes.len();
        while let Some(update) = self.track.next_update(observer) {
            for frame in &update.frames {
                assert!(!stores.is_over(self.seen, frame.event()), "{frame:?} was taken, although store {} was seen", self.seen);
                more(self, frame);
            }
            self.track.heard(observer, update.frames.last().map_or(update.before, |frame| frame.seq()));
        }
    }

    /// Takes its look at the store one stage further.
    pub(super) fn look(&mut self, stores: &Stores, rng: &mut fastrand::Rng) {
        self.look = match self.look.take() {
            None => Some(Stage::Sent(Asked { turn: self.track.turn(), position: self.track.position() })),
            Some(Stage::Sent(asked)) => {
                let can_tell = rng.u32(..10) > 0;
                let found = (rng.u32(..8) > 0).then(|| (self.store, can_tell, stores.get(self.store).model.position()));
                Some(Stage::Answered(asked, found))
            }
            Some(Stage::Answered(asked, found)) => {
                if let Some((store, can_tell, position)) = found {
                    (self.seen, self.is_told) = (store, can_tell);
                    self.track.on_look(can_tell.then(|| stores.get(store).identity), Some(position), asked);
                    self.check(stores, |_, _| {});
                }
                None
            }
        };
    }

    /// Takes its read of the log one stage further.
    pub(super) fn read(&mut self, stores: &Stores, rng: &mut fastrand::Rng, now: Instant) {
        let model = &stores.get(self.store).model;
        self.read = match self.read.take() {
            None => Some(self.track.want(now)).filter(|want| *want != Want::Nothing).map(|want| Stage::Sent((want, self.track.asking()))),
            Some(Stage::Sent((want, asking))) => {
                let found = match want {
                    Want::Events { after } => Ok(model.page(&Filter::everything(), after, 4)),
                    _ => Err(model.chain()),
                };
                Some(Stage::Answered((want, asking), (rng.u32(..8) > 0).then_some(found)))
            }
            Some(Stage::Answered((_, asking), found)) => {
                match found {
                    Some(Ok(page)) => self.track.on_page(page, asking, now),
                    Some(Err(chain)) => self.track.on_epochs(chain, asking, now),
                    None => {}
                }
                self.check(stores, |_, _| {});
                None
            }
        };
    }

    pub(super) fn hand_on(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if node.inbox.len() < 2
            && let Some(update) = self.track.next_update(number)
        {
            self.track.heard(number, update.frames.last().map_or(update.before, |frame| frame.seq()));
            node.inbox.push_back(update);
        }
        if !node.shard.is_dispatching()
            && let Some(update) = node.inbox.pop_front()
        {
            node.shard.on_update(update);
        }
    }

    pub(super) fn slice(&mut self, number: usize, now: Instant) {
        let node = &mut self.nodes[number];
        node.shard.slice(now);
        node.asks.extend(node.shard.take_asks());
    }

    /// A page is read at one moment and arrives at another.
    pub(super) fn answer(&mut self, number: usize, stores: &Stores, rng: &mut fastrand::Rng, now: Instant) {
        let limit = rng.usize(1..5);
        let node = &mut self.nodes[number];
        if let Some(answer) = node.answers.pop() {
            node.shard.on_answer(answer, now);
        } else if let Some(ask) = node.asks.pop() {
            let page = if rng.u32(..6) == 0 {
                Err(())
            } else {
                let page = stores.get(self.store).model.page(&ask.filter, ask.after, limit);
                let epoch = page.position.epoch;
                let frames = page.events.into_iter().map(|event| Frame::new(event, epoch, None)).collect();
                Ok(Arc::new(ReplayPage { frames, through: page.through, position: page.position }))
            };
            node.answers.push(Answer { key: ask.key, generation: ask.generation, ask: ask.ask, page });
        }
    }

    /// Whether it knows all that its log has, and would stay as it is.
    pub(super) fn is_at_rest(&self, stores: &Stores) -> bool {
        let position: (Seq, _) = (self.track.position(), self.track.chain().current());
        let log = stores.get(self.store).model.position();
        self.track.due().is_none() && self.track.stashed() == 0 && position == (log.head, log.epoch)
    }
}
