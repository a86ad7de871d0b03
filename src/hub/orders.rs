//! What holds for every connection of an instance from some moment on: told to each hub, and by it to its shards.
//!
//! Never taken back. Whoever comes later, a hub or a shard, begins with what holds by then, so that no order is missed between two steps of a start.

use std::time::Duration;

use super::CloseReason;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// Every connection is closed, paced over this window.
    pub(super) drain: Option<Duration>,
    /// Connections that were opened without a right end for this reason.
    pub(super) unowned: Option<CloseReason>,
}
