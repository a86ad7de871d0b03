//! The log as a list: what the real one must look like to its readers. And the stores that have had it, one after the other, or two at a time.

use std::{cell::Cell, collections::HashSet, rc::Rc};

use crate::{
    domain::{Epoch, EpochChain, EpochStart, Event, Filter, Seq, Timestamp},
    log::{LogId, Page, Position, StoreIdentity},
};

pub(super) const STREAMS: [&str; 3] = ["a", "b", "c"];

/// What no two stores give twice.
#[derive(Default)]
struct Numbers {
    written: Cell<u64>,
    epochs: Cell<u32>,
}

/// The log as a list.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) events: Vec<Event>,
    pub(super) earliest: u64,
    pub(super) chain: Vec<EpochStart>,
    /// It has gone back since its last epoch began.
    pub(super) is_restored: bool,
    numbers: Rc<Numbers>,
}

impl Default for Model {
    fn default() -> Self {
        let mut model = Self { events: Vec::new(), earliest: 1, chain: Vec::new(), is_restored: true, numbers: Rc::default() };
        model.open_epoch();
        model
    }
}

impl Model {
    pub(super) fn head(&self) -> Seq {
        Seq::new(self.events.len() as u64)
    }

    pub(super) fn position(&self) -> Position {
        Position { log: LogId::new(1), epoch: self.chain().current(), head: self.head(), earliest: Seq::new(self.earliest) }
    }

    pub(super) fn chain(&self) -> EpochChain {
        EpochChain::new(self.chain.clone()).expect("never empty")
    }

    /// How many events were ever stored, anywhere: the last one's id.
    pub(super) fn written(&self) -> u64 {
        self.numbers.written.get()
    }

    pub(super) fn append(&mut self, rng: &mut fastrand::Rng) -> Event {
        self.numbers.written.update(|written| written + 1);
        let [one, other] = [(); 2].map(|()| STREAMS[rng.usize(..3)]);
        let streams = if rng.bool() && one != other { format!(r#""{one}","{other}""#) } else { format!(r#""{one}""#) };
        let (kind, topic) = (["t.x", "u.x"][rng.usize(..2)], ["m.1.p", "m.2.q"][rng.usize(..2)]);
        let envelope = format!(r#"{{"id":"{}","type":"{kind}","streams":[{streams}],"topics":["{topic}"],"data":null}}"#, self.written());
        let event = Event::from_row(self.head().next(), Timestamp::from_micros(0), envelope).expect("well formed");
        self.events.push(event.clone());
        event
    }

    /// Is put back in place to an earlier state.
    pub(super) fn go_back(&mut self, rng: &mut fastrand::Rng) {
        self.events.truncate(rng.u64(self.earliest - 1..=self.head().get()) as usize);
        self.is_restored = true;
    }

    /// Opens an epoch if one is due: at the latest before it numbers again.
    pub(super) fn open_epoch(&mut self) {
        if std::mem::take(&mut self.is_restored) {
            self.numbers.epochs.update(|epochs| epochs + 1);
            self.chain.push(EpochStart { epoch: Epoch::new(self.numbers.epochs.get()), first: self.head().next() });
        }
    }

    pub(super) fn page(&self, filter: &Filter, after: Seq, limit: usize) -> Page {
        let from = (after.get() as usize).max(self.earliest as usize - 1).min(self.events.len());
        let matching = self.events[from..].iter().filter(|event| filter.matches(&event.keys)).take(limit).cloned().collect::<Vec<_>>();
        let through = if matching.len() == limit { matching[limit - 1].seq } else { self.head() };
        Page { events: matching, through, position: self.position() }
    }
}

/// One incarnation of the log's store.
pub(super) struct Store {
    pub(super) model: Model,
    pub(super) identity: StoreIdentity,
    /// Every event that it has ever had, what it took over included, by id.
    ever: HashSet<u64>,
}

/// Every store that has had the log; the last one is the truth, however many still answer.
pub(super) struct Stores {
    all: Vec<Store>,
    /// Which store took each event, by id.
    origins: Vec<usize>,
}

impl Stores {
    pub(super) fn new(rng: &mut fastrand::Rng) -> Self {
        let store = Store { model: Model::default(), identity: StoreIdentity::new(1), ever: HashSet::new() };
        let mut stores = Self { all: vec![store], origins: vec![0] };
        stores.append(0, rng.usize(..12), rng);
        stores
    }

    pub(super) fn last(&self) -> usize {
        self.all.len() - 1
    }

    pub(super) fn get(&self, store: usize) -> &Store {
        &self.all[store]
    }

    pub(super) fn model(&mut self, store: usize) -> &mut Model {
        &mut self.all[store].model
    }

    /// Stores so many events.
    pub(super) fn append(&mut self, store: usize, count: usize, rng: &mut fastrand::Rng) -> Vec<Event> {
        let Store { model, ever, .. } = &mut self.all[store];
        if count > 0 {
            model.open_epoch();
        }
        (0..count)
            .map(|_| {
                let event = model.append(rng);
                ever.insert(model.written());
                self.origins.push(store);
                event
            })
            .collect()
    }

    /// Another store takes over from the last one, with what had reached it by then: no event, and no epoch, from behind some moment.
    pub(super) fn fail_over(&mut self, rng: &mut fastrand::Rng) {
        let mut model = self.all[self.last()].model.clone();
        let head = if rng.bool() { model.head().get().saturating_sub(rng.u64(..4)) } else { rng.u64(..=model.head().get()) };
        model.events.truncate(head as usize);
        let known = model.chain.iter().rposition(|link| link.first.get() <= head.max(1));
        model.chain.truncate(known.map_or(1, |last| last + 1));
        // trims reach it late too
        let latest = model.earliest.min(head + 1);
        model.earliest = if rng.u32(..4) == 0 { rng.u64(1..=latest) } else { latest };
        model.is_restored = true;
        let kept = model.events.iter().filter_map(id).collect();
        let identity = StoreIdentity::new(self.all.len() as u64 + 1);
        self.all.push(Store { model, identity, ever: kept });
    }

    /// Whether this store has ever had what a frame says it is.
    pub(super) fn has_had(&self, store: usize, event: &Event) -> bool {
        id(event).is_some_and(|id| self.all[store].ever.contains(&id))
    }

    /// Whether an event was stored on a store from before this one, and lost with it.
    pub(super) fn is_over(&self, store: usize, event: &Event) -> bool {
        let origin = id(event).and_then(|id| self.origins.get(id as usize));
        origin.is_none_or(|origin| *origin < store) && !self.has_had(store, event)
    }
}

/// The id that a store gave; `None` of what no store has had.
fn id(event: &Event) -> Option<u64> {
    let (_, rest) = event.envelope.as_str().split_once(r#""id":""#)?;
    rest.split_once('"')?.0.parse().ok()
}
