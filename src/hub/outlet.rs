//! What the hub writes to: a connection of some protocol, seen from the fan-out's side.
//!
//! The hub knows neither SSE nor sockets. An outlet pins at most one part-written frame or notice; whatever else is due stays a cursor in the
//! hub. All calls come from the shard's own thread.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::Frame;
use crate::domain::{Cursor, Filter, Gap, Timestamp};

/// How a connection stands after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It takes more.
    Open,
    /// It takes nothing until [`Outlet::poll_writable`] says so.
    Blocked,
    /// The peer is gone.
    Closed,
}

/// What became of offered frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// How many frames are on the socket, the one that is pinned half-written included.
    pub taken: usize,
    /// How the connection stands.
    pub flow: Flow,
}

/// Why the service ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseReason {
    /// This instance is going away.
    Draining,
    /// No room for more connections.
    Overloaded,
    /// This client has too many connections.
    Limited,
    /// The log could not be read for too long.
    Unavailable,
    /// The client took nothing for too long.
    Lagging,
    /// The connection reached the age that the operator allows.
    Lifetime,
    /// The credential under which it was opened has expired.
    Expired,
    /// That credential was revoked.
    Revoked,
    /// Its ticket was presented again, and the newer connection counts.
    Superseded,
}

impl CloseReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Draining,
        Self::Overloaded,
        Self::Limited,
        Self::Unavailable,
        Self::Lagging,
        Self::Lifetime,
        Self::Expired,
        Self::Revoked,
        Self::Superseded,
    ];

    /// The word on the wire and in statistics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Overloaded => "overloaded",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::Lagging => "lagging",
            Self::Lifetime => "lifetime",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
        }
    }

    /// Whether the client must not come back with what it has: the stream is completed, not cut.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Expired | Self::Revoked | Self::Superseded)
    }
}

/// Something a subscriber is told that is no event.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// The subscription stands.
    Open {
        /// Everything up to here is behind the client.
        cursor: Cursor,
        /// Whether the client may keep that cursor already: not while a gap is still to be told.
        settled: bool,
        /// The log's newest event.
        head: Cursor,
        /// What the client follows.
        filter: &'a Filter,
        /// Milliseconds to wait before a reconnect.
        retry: u32,
    },
    /// Caught up: everything after this is live.
    Live {
        /// Where.
        cursor: Cursor,
        /// How many events were replayed.
        replayed: u64,
    },
    /// Events are lost.
    Gap(Gap),
    /// The cursor has moved past events that did not match.
    Moved(Cursor),
    /// Nothing happened, and the connection is alive.
    Heartbeat,
    /// The right to follow ends soon, and the stream with it.
    Expiring {
        /// When.
        time: Timestamp,
        /// Whole seconds from now.
        seconds: u32,
    },
    /// The service ends the stream; the last that is told. A final reason completes it where the protocol can say so.
    Closing {
        /// Why.
        reason: CloseReason,
        /// Milliseconds to wait before a reconnect.
        retry: u32,
    },
}

/// A connection.
pub trait Outlet: 'static {
    /// Writes frames until all are written or the peer takes no more. Must not be called while blocked.
    fn offer(&mut self, frames: &[&Frame]) -> Offer;

    /// Writes a notice, pinning what the peer doesn't take. Must not be called while blocked.
    fn tell(&mut self, notice: &Notice<'_>) -> Flow;

    /// Writes what is pinned.
    fn flush(&mut self) -> Flow;

    /// Whether a blocked connection may take more; registers the task otherwise.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether the peer is gone; registers the task otherwise. Whatever the peer sends is thrown away.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ends the stream so that the client comes back: it is cut, not completed, because some clients take a clean end for the end of the story.
    /// A closing for a final reason ([`CloseReason::is_final`]) has completed it before.
    fn cut(self);
}

/// A frame as shards share it.
pub(super) type SharedFrame = Arc<Frame>;
