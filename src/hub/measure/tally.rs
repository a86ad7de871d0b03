//! An outlet that only counts, so that what is measured is the shard.

use std::{
    cell::Cell,
    rc::Rc,
    task::{Context, Poll},
};

use crate::hub::{Flow, Frame, Notice, Offer, Outlet};

/// What all outlets of a shard were given.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) frames: Cell<u64>,
    pub(super) notices: Cell<u64>,
}

/// A peer that takes everything at once and never goes away.
#[derive(Debug)]
pub(super) struct Tally(pub(super) Rc<Counts>);

impl Outlet for Tally {
    fn offer(&mut self, frames: &[&Frame]) -> Offer {
        self.0.frames.set(self.0.frames.get() + frames.len() as u64);
        Offer { taken: frames.len(), flow: Flow::Open }
    }

    fn tell(&mut self, _: &Notice<'_>) -> Flow {
        self.0.notices.set(self.0.notices.get() + 1);
        Flow::Open
    }

    fn flush(&mut self) -> Flow {
        Flow::Open
    }

    fn poll_writable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn cut(self) {}
}
