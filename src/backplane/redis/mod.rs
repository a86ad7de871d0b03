//! Redis pub/sub (RESP3) as a carrier; on a cluster, sharded pub/sub (Redis 7).
//!
//! Nothing is stored in Redis. A plain server, or one behind a name that a failover moves, is one connection; a cluster is one connection to each
//! node that has a channel in use ([`topology`]). Whatever is odd, such as a slot that moved, ends the whole connection: the next one asks anew
//! who has what, so that there is one way of healing.
//!
//! No text that a server sent is told to anyone: an old server repeats the command that it does not know, and the password stands in it
//! ([`reason`]).

mod connection;
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

pub use self::url::{RedisUrl, RedisUrlError};
use self::{connection::RedisConnection, pushes::pushes, topology::Route};
use super::{
    Inbox, Link, LinkSettings,
    carrier::{Carrier, Connection, Lost},
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
        Self::start(Redis { seeds: url.seeds().to_vec(), learnt: Mutex::default(), tries: AtomicUsize::new(0) }, settings)
    }
}

struct Redis {
    seeds: Vec<ConnectionInfo>,
    /// Nodes of the cluster as it was last: a node that was named may be the one that is gone.
    learnt: Mutex<Vec<ConnectionAddr>>,
    tries: AtomicUsize,
}

impl Redis {
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

    async fn connect(&self) -> Result<Box<dyn Connection>, Lost> {
        let mut lost = Lost("it does not answer".to_owned());
        let connecting = async {
            for node in self.nodes() {
                let (sink, pushed) = pushes(MAX_MESSAGE);
                match RedisConnection::open(node, sink, pushed).await {
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
        match timeout(CALL_WITHIN, connecting).await {
            Ok(Some(connection)) => Ok(Box::new(connection)),
            Ok(None) | Err(_) => Err(lost),
        }
    }
}
