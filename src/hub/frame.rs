//! An event on its way out: shared by every connection of every shard, encoded once for each form that someone wants.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
    time::Instant,
};

use bytes::Bytes;

use crate::domain::{Cursor, Epoch, Event, SelectorKey, Seq};

/// One of the forms in which an outlet writes events; the outlet's own numbering, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form(u8);

impl Form {
    /// How many forms a frame can hold.
    pub const COUNT: usize = 4;

    /// The form of this number, which is taken modulo [`Form::COUNT`].
    #[must_use]
    pub const fn new(n: u8) -> Self {
        Self(n % Self::COUNT as u8)
    }
}

/// An event's bytes in one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// With the framing of the transport outermost.
    pub framed: Bytes,
    /// Where in `framed` the bytes without it lie.
    pub bare: Range<usize>,
}

/// An event, its numbering, and its encodings.
#[derive(Debug)]
pub struct Frame {
    event: Event,
    epoch: Epoch,
    committed: Option<Instant>,
    ids: OnceLock<Box<[SelectorKey]>>,
    encodings: [OnceLock<Encoded>; Form::COUNT],
}

impl Frame {
    /// A frame of an event that was numbered in `epoch`. `committed` is set when this instance made or was told of the
    /// commit, and times the delivery: of what another instance committed, the way of its message here is not in it.
    #[must_use]
    pub fn new(event: Event, epoch: Epoch, committed: Option<Instant>) -> Arc<Self> {
        Arc::new(Self { event, epoch, committed, ids: OnceLock::new(), encodings: Default::default() })
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The event's position.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.event.seq
    }

    /// The cursor of a client that has seen this event and all before it.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch, seq: self.event.seq }
    }

    /// When this instance made or was told of the commit, if it was not read from the log.
    #[must_use]
    pub fn committed(&self) -> Option<Instant> {
        self.committed
    }

    /// The bytes in `form`, made by `encode` on first use.
    pub fn encoded(&self, form: Form, encode: impl FnOnce(&Self) -> Encoded) -> &Encoded {
        self.encodings[usize::from(form.0)].get_or_init(|| encode(self))
    }

    /// The keys of the event's streams and users, made by the first shard that asks: each is a digest, and every shard needs the same.
    #[must_use]
    pub fn ids(&self) -> &[SelectorKey] {
        self.ids.get_or_init(|| self.event.keys.ids().collect())
    }

    /// Bytes of the event's text: what a ring counts.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.event.envelope.size()
    }
}
