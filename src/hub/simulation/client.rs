//! A client that keeps what it was sent over all its connections, and the outlet that sends to it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    num::NonZeroU32,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use crate::{
    domain::{Cursor, GapReason},
    hub::{CloseReason, Flow, Frame, Notice, Offer, Outlet, Right},
};

/// What a connection may have.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) right: Option<Arc<Right>>,
    pub(super) per_second: Option<NonZeroU32>,
    /// The time of the world.
    pub(super) clock: Rc<Cell<Instant>>,
    pub(super) since: Instant,
    pub(super) events: u32,
}

impl Terms {
    fn is_over(&self) -> bool {
        self.right.as_ref().is_some_and(|right| right.over(self.clock.get()).is_some())
    }

    /// Notes an event, and says whether it came too soon.
    fn take_event(&mut self) -> bool {
        self.events += 1;
        let seconds = self.clock.get().duration_since(self.since).as_secs_f64() + 1.0;
        self.per_second.is_some_and(|per_second| f64::from(self.events) > f64::from(per_second.get()) * seconds + 1e-6)
    }
}

/// What one client has seen, over all its connections.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// The events it holds, by seq; a rewind takes back those above the fork.
    pub(super) holds: BTreeMap<u64, String>,
    /// Stretches `(from, to]` that it was told are gone.
    pub(super) told_gone: Vec<(u64, u64)>,
    /// Everything up to here is seen, or was told to be gone.
    pub(super) last_id: Option<Cursor>,
    pub(super) capacity: usize,
    pub(super) pinned: bool,
    pub(super) waker: Option<Waker>,
    pub(super) connected: bool,
    /// Where it is, or was last.
    pub(super) instance: usize,
    pub(super) live: bool,
    pub(super) faults: Vec<String>,
    /// Of its latest connection.
    pub(super) terms: Option<Terms>,
    /// How many connections it has had.
    pub(super) connections: usize,
    /// Why its connections were ended, where it was told.
    pub(super) closings: Vec<CloseReason>,
    /// Seconds that it was told its right has left.
    pub(super) warnings: Vec<u32>,
    /// Of all that it was sent, in order.
    pub(super) trace: u64,
}

impl Client {
    fn take_id(&mut self, id: Cursor) {
        self.note(id);
        if self.last_id.is_some_and(|last| id.seq < last.seq && id.epoch == last.epoch) {
            self.faults.push(format!("id went backwards: {:?} then {id}", self.last_id));
        }
        self.last_id = Some(id);
    }

    fn note(&mut self, id: Cursor) {
        for n in [id.seq.get(), id.epoch.to_column().unsigned_abs(), self.capacity as u64] {
            self.trace = (self.trace ^ n).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn take_event(&mut self, frame: &Frame) {
        let seq = frame.seq().get();
        if self.holds.insert(seq, frame.event().envelope.as_str().to_owned()).is_some() {
            self.faults.push(format!("{seq} came twice"));
        }
        if self.holds.keys().next_back() != Some(&seq) {
            self.faults.push(format!("{seq} came out of order"));
        }
        self.take_id(frame.cursor());
        if self.terms.as_mut().is_some_and(Terms::take_event) {
            self.faults.push(format!("{seq} came too soon: {:?}", self.terms));
        }
    }

    fn check_right(&mut self, what: &dyn std::fmt::Debug) {
        if self.terms.as_ref().is_some_and(Terms::is_over) {
            self.faults.push(format!("{what:?} came after the right had ended"));
        }
    }
}

pub(super) struct Pipe {
    client: Rc<RefCell<Client>>,
    number: usize,
}

const CLOSED: Offer = Offer { taken: 0, flow: Flow::Closed };

impl Pipe {
    /// Its next connection.
    pub(super) fn to(client: &Rc<RefCell<Client>>) -> Self {
        client.borrow_mut().connections += 1;
        Self { client: client.clone(), number: client.borrow().connections }
    }

    /// Its client has another connection, or none.
    fn is_left(&self) -> bool {
        let client = self.client.borrow();
        client.connections != self.number || !client.connected
    }
}

impl Outlet for Pipe {
    fn offer(&mut self, frames: &[&Frame]) -> Offer {
        if self.is_left() {
            return CLOSED;
        }
        let mut client = self.client.borrow_mut();
        assert!(!client.pinned, "offered while blocked");
        client.check_right(&frames.first().map(|frame| frame.seq()));
        for (at, frame) in frames.iter().enumerate() {
            if client.capacity == 0 {
                return Offer { taken: at, flow: Flow::Blocked };
            }
            client.capacity -= 1;
            client.take_event(frame);
            if client.capacity == 0 {
                client.pinned = true;
                return Offer { taken: at + 1, flow: Flow::Blocked };
            }
        }
        Offer { taken: frames.len(), flow: Flow::Open }
    }

    fn tell(&mut self, notice: &Notice<'_>) -> Flow {
        if self.is_left() {
            return Flow::Closed;
        }
        let mut client = self.client.borrow_mut();
        assert!(!client.pinned, "told while blocked");
        if !matches!(notice, Notice::Closing { .. }) {
            client.check_right(notice);
        }
        match *notice {
            Notice::Open { cursor, settled, .. } => {
                if settled {
                    client.take_id(cursor);
                }
            }
            Notice::Live { cursor, .. } => {
                if std::mem::replace(&mut client.live, true) {
                    client.faults.push("live twice".to_owned());
                }
                client.take_id(cursor);
            }
            Notice::Moved(cursor) => client.take_id(cursor),
            Notice::Gap(gap) => {
                let resumed = gap.resumed.seq.get();
                match gap.reason {
                    GapReason::Trimmed => client.told_gone.push((gap.requested.seq.get(), resumed)),
                    GapReason::Rewound => {
                        drop(client.holds.split_off(&(resumed + 1)));
                        // numbers that will be used again
                        client.told_gone.iter_mut().for_each(|(_, to)| *to = resumed.min(*to));
                    }
                }
                client.note(gap.resumed);
                client.last_id = Some(gap.resumed);
            }
            Notice::Expiring { seconds, .. } => client.warnings.push(seconds),
            Notice::Closing { reason, .. } => {
                client.connected = false;
                client.closings.push(reason);
            }
            Notice::Heartbeat => {}
        }
        client.capacity = client.capacity.saturating_sub(1);
        client.pinned = client.capacity == 0;
        if client.pinned { Flow::Blocked } else { Flow::Open }
    }

    fn flush(&mut self) -> Flow {
        if self.is_left() {
            return Flow::Closed;
        }
        let mut client = self.client.borrow_mut();
        if client.capacity == 0 {
            return Flow::Blocked;
        }
        client.pinned = false;
        Flow::Open
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_left() {
            return Poll::Ready(());
        }
        let mut client = self.client.borrow_mut();
        client.waker = Some(cx.waker().clone());
        if client.capacity > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_left() {
            return Poll::Ready(());
        }
        self.client.borrow_mut().waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn cut(self) {
        let mut client = self.client.borrow_mut();
        if client.connections == self.number {
            client.connected = false;
        }
    }
}
