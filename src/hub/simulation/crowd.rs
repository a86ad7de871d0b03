//! One shard with many connections, driven step by step.

use std::{
    cell::{Cell, RefCell},
    num::NonZeroU32,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{
        Admission, Beginning, Frame, Request, Right, Settings,
        budget::WRITE,
        shard::{Shard, Update},
        stats::ShardStats,
    },
    client::{Client, Pipe, Terms},
    model::Model,
};
use crate::domain::{Filter, Seq};

/// Writes in a slice of these shards.
pub(super) const WRITES: usize = 16;

/// A shard, its log, and its clients.
pub(super) struct Crowd {
    pub(super) model: Model,
    pub(super) shard: Shard<Pipe>,
    pub(super) clients: Vec<Rc<RefCell<Client>>>,
    pub(super) admission: Arc<Admission>,
    pub(super) now: Instant,
    pub(super) clock: Rc<Cell<Instant>>,
    pub(super) stats: Arc<ShardStats>,
    pub(super) told: u64,
}

impl Crowd {
    pub(super) fn new(filters: impl Iterator<Item = Filter>) -> Self {
        let mut crowd = Self::of_nobody();
        crowd.update(None);
        filters.for_each(|filter| drop(crowd.join(filter, Beginning::Now)));
        crowd.rest();
        crowd
    }

    /// With a shard that does not know its log.
    pub(super) fn of_nobody() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let now = Instant::now() + Duration::from_secs(3600);
        let model = Model::default();
        let stats = Arc::new(ShardStats::default());
        let mut shard = Shard::new(Arc::new(settings), stats.clone(), now);
        shard.set_slice(WRITES * WRITE);
        let (admission, clock) = (Admission::new(100_000), Rc::new(Cell::new(now)));
        Self { model, shard, clients: Vec::new(), admission, now, clock, stats, told: 0 }
    }

    pub(super) fn of_everything(clients: usize) -> Self {
        Self::new((0..clients).map(|_| Filter::everything()))
    }

    pub(super) fn join(&mut self, filter: Filter, beginning: Beginning) -> Rc<RefCell<Client>> {
        self.join_under(filter, beginning, None, None)
    }

    pub(super) fn join_under(
        &mut self,
        filter: Filter,
        beginning: Beginning,
        right: Option<Arc<Right>>,
        per_second: Option<u32>,
    ) -> Rc<RefCell<Client>> {
        let deliver_per_second = per_second.and_then(NonZeroU32::new);
        self.clock.set(self.now);
        let terms = Terms { right: right.clone(), per_second: deliver_per_second, clock: self.clock.clone(), since: self.now, events: 0 };
        let client = Client { connected: true, capacity: 100_000, terms: Some(terms), ..Client::default() };
        let client = Rc::new(RefCell::new(client));
        let permit = self.admission.admit().expect("room");
        let request = Request { filter: Arc::new(filter), beginning, permit, right, deliver_per_second };
        self.shard.subscribe(request, Pipe::to(&client), self.now);
        self.clients.push(client.clone());
        client
    }

    /// Tells the shard what the log has that it was not told yet.
    pub(super) fn update(&mut self, fork: Option<u64>) {
        let epoch = self.model.chain().current();
        let before = fork.unwrap_or(self.told);
        let frames = self.model.events[before as usize..].iter().map(|event| Frame::new(event.clone(), epoch, None)).collect();
        self.told = self.model.head().get();
        let chain = Arc::new(self.model.chain());
        self.shard.on_update(Update {
            chain,
            earliest: Seq::new(1),
            fork: fork.map(Seq::new),
            before: Seq::new(before),
            frames,
            passages: Vec::new(),
        });
    }

    pub(super) fn publish(&mut self, events: usize) {
        let mut rng = fastrand::Rng::with_seed(1);
        (0..events).for_each(|_| drop(self.model.append(&mut rng)));
    }

    /// How many events and notices all clients have taken since they joined.
    pub(super) fn taken(&self) -> usize {
        self.clients.iter().map(|client| 100_000 - client.borrow().capacity).sum()
    }

    /// Runs slices until nothing is left to do, and says what each made its clients take.
    pub(super) fn rest(&mut self) -> Vec<usize> {
        let mut slices = Vec::new();
        while self.shard.has_work() {
            let before = self.taken();
            self.shard.slice(self.now);
            slices.push(self.taken() - before);
        }
        slices
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.clock.set(self.now);
        self.shard.tick(self.now);
    }
}
