//! Instances, stores, the wire between them, and clients that come back to any of them; and the scheduler that has one of them take a step.

use std::{
    cell::{Cell, RefCell},
    num::NonZeroU32,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{
        Beginning, CloseReason, Expiry, Request, Right, RingBounds, Settings,
        resolve::{place, recall},
    },
    backplane::{LOG, Wire, forge},
    client::{Client, Pipe, Terms},
    instance::{Arrival, Instance},
    model::{STREAMS, Stores},
};
use crate::{
    backplane::Announcement,
    domain::{Cursor, EpochChain, Filter, FilterParts, Pattern, Seq, StreamId, Timestamp},
};

/// An instance, or the epochs that it read before it was ready.
enum Place {
    Up(Box<Instance>),
    Down(EpochChain, usize),
}

pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    stores: Stores,
    places: Vec<Place>,
    wire: Wire,
    pub(super) clients: Vec<(Rc<RefCell<Client>>, Arc<Filter>)>,
    settings: Arc<Settings>,
    /// Of each shard of an instance.
    slices: Vec<usize>,
    now: Instant,
    /// The same, for the clients.
    clock: Rc<Cell<Instant>>,
    /// Whoever connects now is not ended any more.
    is_settling: bool,
    /// Steps in which nothing is stored on the newest store: it can be found before it opens an epoch.
    lull: u32,
    /// Of all that was chosen.
    trace: u64,
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

    fn instances(&mut self) -> impl Iterator<Item = &mut Instance> {
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

    fn publish(&mut self, at: usize) {
        let Place::Up(instance) = &mut self.places[at] else { return };
        let store = instance.store;
        if self.lull > 0 && store == self.stores.last() {
            return;
        }
        let count = self.rng.usize(1..4);
        let events = self.stores.append(store, count, &mut self.rng);
        let events = if self.rng.u32(..4) == 0 { Vec::new() } else { events };
        let (identity, position) = (self.stores.get(store).identity, self.stores.get(store).model.position());
        let announcement = Announcement { log: LOG, store: Some(identity), epoch: position.epoch, head: position.head, events };
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
    fn stop_or_start(&mut self, at: usize) {
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

    fn subscribe(&mut self, at: usize, node: usize) {
        let Place::Up(instance) = &self.places[at] else { return };
        if self.clients.len() >= 5 {
            return;
        }
        let position = self.stores.get(instance.store).model.position();
        let filter = self.filter();
        let start = Seq::new(self.rng.u64(..=position.head.get()));
        let client = Client { last_id: Some(Cursor { epoch: position.epoch, seq: start }), ..Client::default() };
        let client = Rc::new(RefCell::new(client));
        // what lies before its start is none of its business
        client.borrow_mut().told_gone.push((0, start.get()));
        self.clients.push((client, Arc::new(filter)));
        self.connect(at, node, self.clients.len() - 1);
    }

    /// Everything, a stream or two, narrowed or not, or patterns.
    fn filter(&mut self) -> Filter {
        let patterns = |all: &[&str]| all.iter().map(|pattern| Pattern::parse(pattern).expect("pattern")).collect();
        let mut parts = FilterParts::default();
        match self.rng.usize(..6) {
            0 => return Filter::everything(),
            1 => parts.topics = patterns(&["m.*.p", "m.**"][..self.rng.usize(1..3)]),
            2 => parts.types = patterns(&["t.*"]),
            n => {
                parts.streams = STREAMS[..n - 2].iter().map(|stream| StreamId::new(*stream)).collect();
                if self.rng.bool() {
                    parts.types = patterns(&[["t.*", "*.x", "u.**"][self.rng.usize(..3)]]);
                }
            }
        }
        Filter::new(parts, 9).expect("filter")
    }

    /// A request comes; its cursor is placed by what the instance knows, or by what the store says.
    fn connect(&mut self, at: usize, node: usize, client: usize) {
        for instance in self.instances() {
            instance.arrivals.retain(|arrival| arrival.client != client);
        }
        let Place::Up(instance) = &mut self.places[at] else { return };
        let cursor = self.clients[client].0.borrow().last_id.expect("set when it was made");
        let placed = recall(cursor, instance.track.chain(), instance.track.position());
        let asked = placed.is_none().then(|| self.stores.get(instance.store).model.chain());
        instance.arrivals.push(Arrival { client, node, asked, placed, cursor });
    }

    /// A connection leaves its handler, as the answer of the store arrives or because none is needed.
    fn arrive(&mut self, at: usize) {
        let terms = self.terms();
        let Place::Up(instance) = &mut self.places[at] else { return };
        if instance.arrivals.is_empty() {
            return;
        }
        let Arrival { client, node, asked, placed, cursor } = instance.arrivals.remove(0);
        let head = self.stores.get(instance.store).model.head();
        let Some(beginning) = placed.or_else(|| asked.map(|chain| place(cursor, &chain, head))) else { return };
        debug_assert!(!matches!(beginning, Beginning::Now));
        let (right, per_second) = terms;
        let (client, filter) = &self.clients[client];
        {
            let mut client = client.borrow_mut();
            (client.connected, client.pinned, client.live, client.instance) = (true, false, false, at);
            client.capacity = if self.is_settling { 1_000_000 } else { self.rng.usize(1..6) };
            let (clock, since) = (self.clock.clone(), self.now);
            client.terms = Some(Terms { right: right.clone(), per_second, clock, since, events: 0 });
        }
        let permit = instance.admission.admit().expect("room");
        let request = Request { filter: filter.clone(), beginning, permit, right, deliver_per_second: per_second };
        instance.nodes[node].shard.subscribe(request, Pipe::to(client), self.now);
    }

    /// A right that ends some time, perhaps before it is used, and a pace; or neither.
    fn terms(&mut self) -> (Option<Arc<Right>>, Option<NonZeroU32>) {
        let per_second = NonZeroU32::new(self.rng.u32(..10)).filter(|n| (3..7).contains(&n.get()));
        let millis = self.rng.u64(..6000);
        let expiry = (self.rng.u32(..3) > 0).then(|| Expiry { at: self.now + Duration::from_millis(millis), time: Timestamp::now() });
        let right = Right::new(expiry);
        if self.rng.u32(..20) == 0 {
            right.end(CloseReason::Superseded);
        }
        ((self.rng.bool() && !self.is_settling).then_some(right), per_second)
    }

    /// Someone on another thread ends a right.
    fn end_right(&mut self) {
        if self.clients.is_empty() {
            return;
        }
        let at = self.rng.usize(..self.clients.len());
        let right = self.clients[at].0.borrow().terms.as_ref().and_then(|terms| terms.right.clone());
        if let Some(right) = right {
            std::thread::spawn(move || right.end(CloseReason::Revoked)).join().expect("ends");
        }
    }

    fn reconnect(&mut self, at: usize, node: usize) {
        if !self.clients.is_empty() {
            let client = self.rng.usize(..self.clients.len());
            self.hang_up(client);
            self.connect(at, node, client);
        }
    }

    pub(super) fn hang_up(&mut self, at: usize) {
        let waker = {
            let mut client = self.clients[at].0.borrow_mut();
            client.connected = false;
            client.capacity = 0;
            client.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn client_reads(&mut self) {
        if !self.clients.is_empty() {
            let at = self.rng.usize(..self.clients.len());
            let room = self.rng.usize(1..8);
            self.give(at, room);
        }
    }

    fn give(&mut self, at: usize, room: usize) {
        let waker = {
            let mut client = self.clients[at].0.borrow_mut();
            client.capacity += room;
            client.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.clock.set(self.now);
    }

    fn tick(&mut self) {
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

    /// Lets everything come to rest with readers that take all, on the last store.
    pub(super) fn settle(&mut self) {
        self.is_settling = true;
        self.lull = 0;
        for client in 0..self.clients.len() {
            self.give(client, 1_000_000);
        }
        self.wire.clear();
        let last = self.stores.last();
        for at in 0..self.places.len() {
            if matches!(self.places[at], Place::Down(..)) {
                self.stop_or_start(at);
            }
        }
        for instance in self.instances() {
            instance.inbox.clear();
            instance.store = last;
        }
        // a client may be ahead of its shard, which learns with the next epoch that both were ahead of the log
        self.stores.model(last).open_epoch();
        let mut rounds_at_rest = 0;
        for _ in 0..600 {
            self.round();
            rounds_at_rest = if self.is_at_rest() { rounds_at_rest + 1 } else { 0 };
            if rounds_at_rest == 12 {
                return;
            }
        }
    }

    fn round(&mut self) {
        let now = self.now;
        // whoever was closed comes back, as any client would
        for client in 0..self.clients.len() {
            let is_coming = self.instances().any(|instance| instance.arrivals.iter().any(|arrival| arrival.client == client));
            if !self.clients[client].0.borrow().connected && !is_coming {
                let (at, node) = (self.rng.usize(..self.places.len()), self.rng.usize(..self.slices.len()));
                self.connect(at, node, client);
            }
        }
        for at in 0..self.places.len() {
            for _ in 0..self.clients.len() {
                self.arrive(at);
            }
            let Place::Up(instance) = &mut self.places[at] else { continue };
            for _ in 0..3 {
                instance.look(&self.stores, &mut self.rng);
                instance.read(&self.stores, &mut self.rng, now);
            }
            for node in 0..self.slices.len() {
                instance.hand_on(node);
                // the shortest slices get nobody through a replay between two ticks
                for _ in 0..20 {
                    if instance.nodes[node].shard.has_work() {
                        instance.slice(node, now);
                    }
                }
                // all of them: with a short lifetime, whoever waits behind the others is closed before it gets its page
                for _ in 0..10 {
                    instance.answer(node, &self.stores, &mut self.rng, now);
                }
            }
        }
        self.tick();
    }

    fn is_at_rest(&mut self) -> bool {
        let stores = &self.stores;
        let are_instances = self.places.iter().all(|place| matches!(place, Place::Up(instance) if instance.is_at_rest(stores)));
        are_instances && (0..self.clients.len()).all(|client| self.fault_of(client).is_none())
    }

    /// Drains while publishing goes on: at every tick something is being delivered.
    pub(super) fn drain(&mut self) {
        let now = self.now;
        for instance in self.instances() {
            instance.nodes.iter_mut().for_each(|node| node.shard.drain(Duration::from_secs(2), now));
        }
        for _ in 0..6 {
            for at in 0..self.places.len() {
                self.publish(at);
                let now = self.now;
                let Place::Up(instance) = &mut self.places[at] else { continue };
                while let Some(announcement) = instance.inbox.pop() {
                    instance.hear(announcement, &self.stores, now);
                }
                for node in 0..self.slices.len() {
                    while instance.nodes[node].shard.is_dispatching() {
                        instance.slice(node, now);
                    }
                    instance.hand_on(node);
                }
            }
            self.tick();
        }
    }

    /// Nothing is left of connections that have ended.
    pub(super) fn check_empty(&mut self) {
        let now = self.now;
        for instance in self.instances() {
            for _ in 0..20 {
                (0..instance.nodes.len()).for_each(|node| instance.slice(node, now));
            }
            assert!(instance.nodes.iter().all(|node| node.shard.is_empty()), "a subscription was left behind");
            assert_eq!(instance.admission.now(), 0, "a permit was left behind");
        }
    }

    /// Every client has what the log has of what it asked for, or was told otherwise.
    pub(super) fn check(&self) {
        for place in &self.places {
            let Place::Up(instance) = place else { panic!("it is down") };
            assert!(instance.is_at_rest(&self.stores), "{:?} does not come to rest", instance.track);
        }
        for client in 0..self.clients.len() {
            assert_eq!(self.fault_of(client), None);
        }
    }

    fn fault_of(&self, number: usize) -> Option<String> {
        let (client, filter) = &self.clients[number];
        let client = client.borrow();
        let model = &self.stores.get(self.stores.last()).model;
        if !client.faults.is_empty() {
            return Some(format!("client {number}: {:?}", client.faults));
        }
        let gone = |seq: u64| client.told_gone.iter().any(|&(from, to)| from < seq && seq <= to);
        for event in &model.events {
            let seq = event.seq.get();
            match client.holds.get(&seq) {
                Some(held) if held != event.envelope.as_str() => return Some(format!("client {number} holds another event at {seq}")),
                Some(_) if !filter.matches(&event.keys) => return Some(format!("client {number} got {seq}, which it did not ask for")),
                None if filter.matches(&event.keys) && !gone(seq) => {
                    return Some(format!("client {number} was never told of {seq}: {client:#?}"));
                }
                _ => {}
            }
        }
        let beyond = client.holds.range(model.head().get() + 1..).next();
        beyond.map(|beyond| format!("client {number} holds {beyond:?}, which the log no longer has"))
    }
}
