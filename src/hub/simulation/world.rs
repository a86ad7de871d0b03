//! Instances, stores, the wire between them, and clients that come back to any of them; and the scheduler that has one of them take a step.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{RingBounds, Settings},
    backplane::{LOG, Wire, forge},
    client::Client,
    instance::Instance,
    model::Stores,
};
use crate::{
    backplane::Announcement,
    domain::{EpochChain, Filter},
};

/// An instance, or the epochs that it read before it was ready.
pub(super) enum Place {
    Up(Box<Instance>),
    Down(EpochChain, usize),
}

pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    pub(super) stores: Stores,
    pub(super) places: Vec<Place>,
    pub(super) wire: Wire,
    pub(super) clients: Vec<(Rc<RefCell<Client>>, Arc<Filter>)>,
    pub(super) settings: Arc<Settings>,
    /// Of each shard of an instance.
    pub(super) slices: Vec<usize>,
    pub(super) now: Instant,
    /// The same, for the clients.
    pub(super) clock: Rc<Cell<Instant>>,
    /// Whoever connects now is not ended any more.
    pub(super) is_settling: bool,
    /// Steps in which nothing is stored on the newest store: it can be found before it opens an epoch.
    pub(super) lull: u32,
    /// Of all that was chosen.
    pub(super) trace: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        // what the shards draw for themselves
        fastrand::seed(seed);
        let stores = Stores::new(&mut rng);
        let bytes = if rng.bool() { usize::MAX } else { rng.usize(1..400) };
        let bounds = RingBounds { frames: rng.usize(1..10), bytes };
        let lifetime = (rng.u32(..3) == 0).then_some(Duration::from_secs(3));
        let settings = Arc::new(Settings { ring: bounds, heartbeat: Duration::from_secs(2), lifetime, ..Settings::default() });
        // so far ahead that no slice is cut short by the clock: a seed must repeat
        let now = Instant::now() + Duration::from_secs(3600);
        let instances = [1, 2, 2, 3][rng.usize(..4)];
        // the shortest take one step of each kind at a time
        let shards = if instances == 1 { 2 } else { rng.usize(1..3) };
        let slices: Vec<_> = (0..shards).map(|_| [1, 8, 300, 100_000][rng.usize(..4)]).collect();
        let start = || Instance::start(stores.get(0).model.chain(), 0, &stores, &settings, &slices, now);
        let places = (0..instances).map(|_| Place::Up(Box::new(start()))).collect();
        Self {
            rng,
            stores,
            places,
            wire: Wire::default(),
            clients: Vec::new(),
            settings,
            slices,
            now,
            clock: Rc::new(Cell::new(now)),
            is_settling: false,
            lull: 0,
            trace: 0,
        }
    }

    pub(super) fn instances(&mut self) -> impl Iterator<Item = &mut Instance> {
        self.places.iter_mut().filter_map(|place| if let Place::Up(instance) = place { Some(&mut **instance) } else { None })
    }

    pub(super) fn act(&mut self) {
        self.lull = self.lull.saturating_sub(1);
        let (at, node, action) = (self.rng.usize(..self.places.len()), self.rng.usize(..self.slices.len()), self.rng.u32(..128));
        self.note(at as u64 * 1000 + node as u64 * 200 + u64::from(action));
        // whatever happens to all of them, or between them
        match action {
            100..103 => return self.end_right(),
            103..109 => return self.client_reads(),
            109 | 110 => return self.tick(),
            111..114 => {
                let millis = self.rng.u64(1..30);
                return self.pass(Duration::from_millis(millis));
            }
            114..116 => return self.trim(),
            116 => return self.go_back_in_place(),
            117 | 118 => return self.fail_over(),
            119 => return self.stop_or_start(at),
            120..128 => return self.deliver(),
            _ => {}
        }
        let now = self.now;
        let Place::Up(instance) = &mut self.places[at] else { return };
        match action {
            0..16 => self.publish(at),
            16..24 => self.announce(at),
            24..32 => instance.look(&self.stores, &mut self.rng),
            32..44 => instance.read(&self.stores, &mut self.rng, now),
            44..56 => instance.hand_on(node),
            56..68 => instance.slice(node, now),
            68..76 => instance.answer(node, &self.stores, &mut self.rng, now),
            76..81 => self.subscribe(at, node),
            81..87 => self.reconnect(at, node),
            87..95 => self.arrive(at),
            95..97 => self.forge(at),
            // it finds that there is another store
            _ => instance.store = self.stores.last(),
        }
    }

    fn note(&mut self, n: u64) {
        self.trace = (self.trace ^ n).wrapping_mul(0x0100_0000_01b3);
    }

    /// Of everything that was chosen, and that clients were sent.
    pub(super) fn trace(&self) -> u64 {
        self.clients.iter().fold(self.trace, |trace, (client, _)| trace.rotate_left(5) ^ client.borrow().trace)
    }

    pub(super) fn publish(&mut self, at: usize) {
        let Place::Up(instance) = &mut self.places[at] else { return };
        let store = instance.store;
        if self.lull > 0 && store == self.stores.last() {
            return;
        }
        let count = self.rng.usize(1..4);
        let events = self.stores.append(store, count, &mut self.rng);
        let events = if self.rng.u32(..4) == 0 { Vec::new() } else { events };
        let (identity, position) = (self.stores.get(store).identity, self.stores.get(store).model.position());
        let announcement =
            Announcement { log: LOG, store: Some(identity), epoch: position.epoch, head: position.head, events, trace: None };
        instance.inbox.push(announcement.clone());
        for to in (0..self.places.len()).filter(|to| *to != at) {
            self.wire.send(to, &announcement);
        }
    }

    fn announce(&mut self, at: usize) {
        let Place::Up(instance) = &mut self.places[at] else { return };
        if !instance.inbox.is_empty() {
            let next = self.rng.usize(..instance.inbox.len());
            let announcement = instance.inbox.swap_remove(next);
            if self.rng.u32(..3) > 0 {
                instance.hear(announcement, &self.stores, self.now);
            }
        }
    }

    fn deliver(&mut self) {
        let Some((to, announcement)) = self.wire.deliver(&mut self.rng) else { return };
        if let Place::Up(instance) = &mut self.places[to] {
            instance.hear(announcement, &self.stores, self.now);
        }
    }

    fn forge(&mut self, at: usize) {
        let Place::Up(instance) = &mut self.places[at] else { return };
        let (epoch, position) = (instance.track.chain().current(), instance.track.position());
        let announcement = forge(self.stores.get(instance.store), epoch, position, &mut self.rng);
        instance.hear(announcement, &self.stores, self.now);
    }

    /// Some find the new store at once, others stay with the old one for a while, and what they store there is lost.
    fn fail_over(&mut self) {
        self.stores.fail_over(&mut self.rng);
        self.lull = [0, 50, 150][self.rng.usize(..3)];
        let last = self.stores.last();
        for place in &mut self.places {
            if let Place::Up(instance) = place
                && self.rng.bool()
            {
                instance.store = last;
            }
        }
    }

    fn go_back_in_place(&mut self) {
        let last = self.stores.last();
        let opens = self.rng.bool();
        let model = self.stores.model(last);
        model.go_back(&mut self.rng);
        if opens {
            model.open_epoch();
        }
    }

    /// An instance dies with all its connections, or the next one starts in its place.
    pub(super) fn stop_or_start(&mut self, at: usize) {
        let last = self.stores.last();
        match &self.places[at] {
            Place::Up(_) => {
                for (number, (client, _)) in self.clients.iter().enumerate() {
                    let mut client = client.borrow_mut();
                    if client.instance == at {
                        client.connected = false;
                        client.waker = None;
                    }
                    self.trace ^= number as u64;
                }
                self.places[at] = Place::Down(self.stores.get(last).model.chain(), last);
            }
            Place::Down(chain, store) => {
                let instance = Instance::start(chain.clone(), *store, &self.stores, &self.settings, &self.slices, self.now);
                self.places[at] = Place::Up(Box::new(instance));
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.clock.set(self.now);
    }

    pub(super) fn tick(&mut self) {
        self.pass(Duration::from_millis(400));
        let now = self.now;
        for instance in self.instances() {
            for node in &mut instance.nodes {
                node.shard.tick(now);
            }
        }
    }

    fn trim(&mut self) {
        let last = self.stores.last();
        let model = self.stores.model(last);
        let head = model.head().get();
        if head >= model.earliest {
            model.earliest = self.rng.u64(model.earliest..=head);
        }
    }
}
