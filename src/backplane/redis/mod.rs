//! Redis pub/sub (RESP3) as a carrier; on a cluster, sharded pub/sub (Redis 7).
//!
//! Nothing is stored in Redis but counts that end by themselves ([`leases`]). A plain server, or one behind a name that a failover moves,
//! is one connection, to a master only; a cluster is one connection to each node that has a channel in use ([`topology`]). Whatever is odd,
//! such as a slot that moved or a master that became a replica, ends the whole connection: the next one asks anew who has what, so that
//! there is one way of healing.
//!
//! No text that a server sent is told to anyone: an old server repeats the command that it does not know, and the password stands in it
//! ([`reason`]).

mod connection;
mod leases;
mod pushes;
mod reason;
mod topology;
mod url;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::redis::{ConnectionAddr, ConnectionInfo};
use async_trait::async_trait;
use tokio::time::timeout;

use self::{connection::RedisConnection, pushes::pushes, topology::Route};
pub use self::{
    leases::{LeaseSettings, RedisLeases},
    url::{RedisUrl, RedisUrlError},
};
use super::{
    Inbox, Leases, Link, LinkSettings,
    carrier::{Carrier, ChannelNames, Connection, Lost},
};

/// How long one node may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// How long one call may take.
const CALL_WITHIN: Duration = Duration::from_millis(4500);
/// Larger messages are none of ours.
const MAX_MESSAGE: usize = 1024 * 1024;
/// Nodes of a cluster that are remembered beside those that were named.
const MAX_LEARNT: usize = 64;

impl Link {
    /// A backplane through Redis. Begins to connect, on the current runtime, and does not wait for it.
    ///
    /// The store may be one that a single process uses, or several on one machine: Redis knows nothing of it.
    #[must_use]
    pub fn over_redis(url: &RedisUrl, settings: &LinkSettings) -> (Arc<Self>, Inbox) {
        Self::start(Redis::at(url.seeds().to_vec(), "chaincast"), settings)
    }
}

struct Redis {
    /// As servers list it among their clients.
    name: &'static str,
    seeds: Vec<ConnectionInfo>,
    /// Nodes of the cluster as it was last: a node that was named may be the one that is gone.
    learnt: Mutex<Vec<ConnectionAddr>>,
    tries: AtomicUsize,
}

impl Redis {
    fn at(seeds: Vec<ConnectionInfo>, name: &'static str) -> Self {
        Self { name, seeds, learnt: Mutex::default(), tries: AtomicUsize::new(0) }
    }

    /// Where to try, another one first each time: the first must not keep the others from being asked.
    fn nodes(&self) -> Vec<ConnectionInfo> {
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nodes = self.seeds.clone();
        let known = |nodes: &[ConnectionInfo], address| nodes.iter().any(|node| node.addr() == address);
        for address in learnt.iter() {
            if !known(&nodes, address) {
                nodes.push(self.seeds[0].clone().set_addr(address.clone()));
            }
        }
        let first = self.tries.fetch_add(1, Ordering::Relaxed) % nodes.len();
        nodes.rotate_left(first);
        nodes
    }

    /// A connection to whichever node answers first, and from there to all.
    async fn open(&self) -> Result<RedisConnection, Lost> {
        let mut lost = Lost("it does not answer".to_owned());
        let connecting = async {
            for node in self.nodes() {
                let (sink, pushed) = pushes(MAX_MESSAGE);
                match RedisConnection::open(node, self.name, sink, pushed).await {
                    Ok(connection) => {
                        if let Route::Slots(slots) = connection.route() {
                            *self.learnt.lock().unwrap_or_else(PoisonError::into_inner) = slots.addresses(MAX_LEARNT);
                        }
                        return Some(connection);
                    }
                    Err(error) => lost = error,
                }
            }
            None
        };
        timeout(CALL_WITHIN, connecting).await.ok().flatten().ok_or(lost)
    }
}

#[async_trait]
impl Carrier for Redis {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn max_message(&self) -> usize {
        MAX_MESSAGE
    }

    fn carries_events(&self) -> bool {
        true
    }

    fn leases(&self, names: &ChannelNames) -> Option<Arc<dyn Leases>> {
        // a connection of their own: nobody who wants a place waits behind events
        Some(Arc::new(RedisLeases::over(self.seeds.clone(), names.prefix().to_owned(), LeaseSettings::default())))
    }

    async fn connect(&self) -> Result<Box<dyn Connection>, Lost> {
        Ok(Box::new(self.open().await?))
    }
}
