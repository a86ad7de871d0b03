//! A client that keeps what it was sent over all its connections, and the outlet that sends to it.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::{
    domain::{Cursor, GapReason},
    hub::{Flow, Frame, Notice, Offer, Outlet},
};

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
    pub(super) live: bool,
    pub(super) faults: Vec<String>,
}

impl Client {
    fn take_id(&mut self, id: Cursor) {
        if self.last_id.is_some_and(|last| id.seq < last.seq && id.epoch == last.epoch) {
            self.faults.push(format!("id went backwards: {:?} then {id}", self.last_id));
        }
        self.last_id = Some(id);
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
    }
}

pub(super) struct Pipe(pub(super) Rc<RefCell<Client>>);

impl Outlet for Pipe {
    fn offer(&mut self, frames: &[&Frame]) -> Offer {
        let mut client = self.0.borrow_mut();
        assert!(!client.pinned, "offered while blocked");
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
        let mut client = self.0.borrow_mut();
        assert!(!client.pinned, "told while blocked");
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
                    GapReason::Rewound => drop(client.holds.split_off(&(resumed + 1))),
                }
                client.last_id = Some(gap.resumed);
            }
            Notice::Closing { .. } => client.connected = false,
            Notice::Heartbeat => {}
        }
        client.capacity = client.capacity.saturating_sub(1);
        client.pinned = client.capacity == 0;
        if client.pinned { Flow::Blocked } else { Flow::Open }
    }

    fn flush(&mut self) -> Flow {
        let mut client = self.0.borrow_mut();
        if client.capacity == 0 {
            return Flow::Blocked;
        }
        client.pinned = false;
        Flow::Open
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut client = self.0.borrow_mut();
        client.waker = Some(cx.waker().clone());
        if client.capacity > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut client = self.0.borrow_mut();
        client.waker = Some(cx.waker().clone());
        if client.connected { Poll::Pending } else { Poll::Ready(()) }
    }

    fn cut(self) {}
}
