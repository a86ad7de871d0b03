//! What instances send each other, and what becomes of it on the way: it is late, overtaken, lost, there twice, or cut to a range; and voices that
//! are no instance's.

use super::model::Store;
use crate::{
    backplane::{Announcement, over_the_wire},
    domain::{Epoch, Event, Seq, Timestamp},
    log::{LogId, StoreIdentity},
};

pub(super) const LOG: LogId = LogId::new(1);

/// Messages under way, each with the instance that it is for.
#[derive(Default)]
pub(super) struct Wire(Vec<(usize, Announcement)>);

impl Wire {
    pub(super) fn send(&mut self, to: usize, announcement: &Announcement) {
        // no more than an inbox and a socket hold
        if self.0.len() < 64 {
            self.0.push((to, over_the_wire(announcement).expect("an instance's own message is understood")));
        }
    }

    /// What arrives now, if it does.
    pub(super) fn deliver(&mut self, rng: &mut fastrand::Rng) -> Option<(usize, Announcement)> {
        if self.0.is_empty() {
            return None;
        }
        let at = if rng.bool() { 0 } else { rng.usize(..self.0.len()) };
        let (to, mut announcement) = if rng.u32(..8) == 0 { self.0[at].clone() } else { self.0.remove(at) };
        match rng.u32(..12) {
            0 | 1 => return None,
            2 | 3 => announcement.events.clear(),
            _ => {}
        }
        Some((to, announcement))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// What no instance on this log would say, to one that stands at `position` in `epoch` and follows `store`.
pub(super) fn forge(store: &Store, epoch: Epoch, position: Seq, rng: &mut fastrand::Rng) -> Announcement {
    let foreign = Some(StoreIdentity::new(1_000_000));
    let next = position.next().plus(rng.u64(..3));
    let run = |from: Seq, count: u64| (0..count).map(|n| stray(from.plus(n))).collect::<Vec<_>>();
    let count = rng.u64(1..4);
    let told = |store, epoch, events: Vec<Event>| {
        let head = events.last().map_or(next, |event| event.seq);
        Announcement { log: LOG, store, epoch, head, events, trace: None }
    };
    match rng.u32(..7) {
        // another service's log of the same number, and by chance of the same epoch
        0 => told(foreign, epoch, run(next, count)),
        1 => told(None, epoch, run(next, count)),
        2 => told(Some(store.identity), Epoch::new(rng.u32(1_000_000..)), run(next, count)),
        // nonsense in the right name: with a hole, backwards, of another head
        3 => told(Some(store.identity), epoch, vec![stray(next), stray(next.plus(2))]),
        4 => told(Some(store.identity), epoch, vec![stray(next.next()), stray(next)]),
        5 => Announcement { head: next.plus(7), ..told(Some(store.identity), epoch, run(next, count)) },
        _ => Announcement { head: Seq::MAX, ..told([foreign, Some(store.identity)][rng.usize(..2)], epoch, Vec::new()) },
    }
}

fn stray(seq: Seq) -> Event {
    let envelope = r#"{"id":"stray","type":"t.x","streams":["a"],"data":null}"#.to_owned();
    Event::from_row(seq, Timestamp::from_micros(0), envelope).expect("well formed")
}
