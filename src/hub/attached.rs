//! The shards of one worker thread, one for each log that someone on it follows.
//!
//! Attached at first use. A shard ends with its hub, and this keeps neither: what is left of one that has ended is forgotten when the next is attached.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, Weak},
};

use super::{Hub, Outlet, ShardHandle, worker::WeakShard};
use crate::log::LogId;

/// A shard, and which hub it belongs to.
type Attachment<O> = (Weak<Hub>, WeakShard<O>);

/// See the module.
#[derive(Debug)]
pub struct Attached<O: Outlet>(RefCell<HashMap<LogId, Attachment<O>>>);

impl<O: Outlet> Default for Attached<O> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<O: Outlet> Attached<O> {
    /// This worker's shard of `hub`.
    pub fn shard_of(&self, hub: &Arc<Hub>) -> ShardHandle<O> {
        let mut shards = self.0.borrow_mut();
        // another hub of the same log: the old one was stopped in between
        let found = shards.get(&hub.id()).filter(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(hub)));
        if let Some(shard) = found.and_then(|(_, shard)| shard.upgrade()) {
            return shard;
        }
        shards.retain(|_, (hub, _)| hub.strong_count() > 0);
        let shard = hub.attach();
        shards.insert(hub.id(), (Arc::downgrade(hub), shard.downgrade()));
        shard
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.0.borrow().len()
    }
}
