//! How clients come to an instance, read, and leave it again for any other.

use std::{cell::RefCell, num::NonZeroU32, rc::Rc, sync::Arc, time::Duration};

use super::{
    super::{
        Beginning, CloseReason, Expiry, Request, Right,
        resolve::{place, recall},
    },
    client::{Client, Pipe, Terms},
    instance::Arrival,
    model::STREAMS,
    world::{Place, World},
};
use crate::domain::{Cursor, Filter, FilterParts, Pattern, Seq, StreamId, Timestamp};

impl World {
    pub(super) fn subscribe(&mut self, at: usize, node: usize) {
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
    pub(super) fn filter(&mut self) -> Filter {
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
    pub(super) fn connect(&mut self, at: usize, node: usize, client: usize) {
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
    pub(super) fn arrive(&mut self, at: usize) {
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
    pub(super) fn terms(&mut self) -> (Option<Arc<Right>>, Option<NonZeroU32>) {
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
    pub(super) fn end_right(&mut self) {
        if self.clients.is_empty() {
            return;
        }
        let at = self.rng.usize(..self.clients.len());
        let right = self.clients[at].0.borrow().terms.as_ref().and_then(|terms| terms.right.clone());
        if let Some(right) = right {
            std::thread::spawn(move || right.end(CloseReason::Revoked)).join().expect("ends");
        }
    }

    pub(super) fn reconnect(&mut self, at: usize, node: usize) {
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

    pub(super) fn client_reads(&mut self) {
        if !self.clients.is_empty() {
            let at = self.rng.usize(..self.clients.len());
            let room = self.rng.usize(1..8);
            self.give(at, room);
        }
    }

    pub(super) fn give(&mut self, at: usize, room: usize) {
        let waker = {
            let mut client = self.clients[at].0.borrow_mut();
            client.capacity += room;
            client.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
