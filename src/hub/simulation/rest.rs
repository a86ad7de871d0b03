//! How a history ends: everything comes to rest on the last store, and then it is seen what everyone has.

use std::time::Duration;

use super::world::{Place, World};

impl World {
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

    pub(super) fn round(&mut self) {
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

    pub(super) fn is_at_rest(&mut self) -> bool {
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

    pub(super) fn fault_of(&self, number: usize) -> Option<String> {
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
