//! Connections to all nodes that are needed, as one.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
};

use async_trait::async_trait;
use futures::future::try_join_all;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, Pipeline, RedisError, Value, aio::MultiplexedConnection};
use tokio::time::timeout;

use super::{
    ANSWERS_WITHIN, CALL_WITHIN,
    pushes::{PushSink, Pushes},
    reason::lost,
    topology::{Route, Slots},
};
use crate::backplane::carrier::{Channel, ChannelNames, Connection, Lost};

/// Channels that are subscribed to at once.
const AT_ONCE: usize = 256;

/// What the commands are called: on a cluster they are others.
struct Verbs {
    publish: &'static str,
    subscribe: &'static str,
    unsubscribe: &'static str,
}

const PLAIN: Verbs = Verbs { publish: "PUBLISH", subscribe: "SUBSCRIBE", unsubscribe: "UNSUBSCRIBE" };
const SHARDED: Verbs = Verbs { publish: "SPUBLISH", subscribe: "SSUBSCRIBE", unsubscribe: "SUNSUBSCRIBE" };

/// See the module.
pub(super) struct RedisConnection {
    /// How to connect to any of the nodes, but for its address.
    info: ConnectionInfo,
    /// As servers list it among their clients.
    name: &'static str,
    route: Route,
    verbs: &'static Verbs,
    nodes: HashMap<String, MultiplexedConnection>,
    listening: HashSet<Channel>,
    sink: PushSink,
    pushed: Pushes,
}

impl RedisConnection {
    /// Connects to one node, and asks it whether there are more.
    pub(super) async fn open(info: ConnectionInfo, name: &'static str, sink: PushSink, pushed: Pushes) -> Result<Self, Lost> {
        let asked = info.addr().clone();
        let mut node = connect(info.clone(), name, &sink).await?;
        let hello = hello(&mut node).await.map_err(|error| lost(&error))?;
        let is = |mode: &[u8]| matches!(hello.get("mode"), Some(Value::BulkString(found)) if found == mode);
        if is(b"sentinel") {
            return Err(Lost("it is a Sentinel: REDIS_URL has to name the server that it watches".to_owned()));
        }
        let is_cluster = is(b"cluster");
        let (route, verbs) = if is_cluster {
            if major_version(&hello).is_none_or(|major| major < 7) {
                return Err(Lost("it is a cluster of a Redis before 7, which has no sharded channels".to_owned()));
            }
            (Route::Slots(slots(&mut node, &asked).await?), &SHARDED)
        } else {
            is_master(&hello)?;
            (Route::One(asked.clone()), &PLAIN)
        };
        let nodes = HashMap::from([(asked.to_string(), node)]);
        Ok(Self { info, name, route, verbs, nodes, listening: HashSet::new(), sink, pushed })
    }

    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    /// The node that has this key.
    pub(super) async fn owner(&mut self, key: &str) -> Result<MultiplexedConnection, Lost> {
        let address = self.route.node(key)?.clone();
        self.node(&address).await
    }

    async fn node(&mut self, address: &ConnectionAddr) -> Result<MultiplexedConnection, Lost> {
        let name = address.to_string();
        if let Some(node) = self.nodes.get(&name) {
            return Ok(node.clone());
        }
        let node = connect(self.info.clone().set_addr(address.clone()), self.name, &self.sink).await?;
        self.nodes.insert(name, node.clone());
        Ok(node)
    }

    /// Asks all nodes at once, each in one round trip, in this order.
    async fn call(&mut self, calls: Vec<(&'static str, String, Option<Vec<u8>>)>) -> Result<(), Lost> {
        let mut pipelines: HashMap<String, (ConnectionAddr, Pipeline)> = HashMap::new();
        for (verb, channel, message) in calls {
            let address = self.route.node(&channel)?;
            let (_, pipeline) = pipelines.entry(address.to_string()).or_insert_with(|| (address.clone(), Pipeline::new()));
            let pipeline = pipeline.cmd(verb).arg(channel);
            message.map(|message| pipeline.arg(message));
        }
        let mut asked = Vec::with_capacity(pipelines.len());
        for (address, pipeline) in pipelines.into_values() {
            let mut node = self.node(&address).await?;
            asked.push(async move { pipeline.query_async::<Vec<Value>>(&mut node).await });
        }
        try_join_all(asked).await.map(drop).map_err(|error: RedisError| lost(&error))
    }

    async fn change(&mut self, verb: &'static str, channels: Vec<String>) -> Result<(), Lost> {
        for some in channels.chunks(AT_ONCE) {
            self.call(some.iter().map(|channel| (verb, channel.clone(), None)).collect()).await?;
        }
        Ok(())
    }
}

/// A connection of this client to one node.
async fn connect(info: ConnectionInfo, name: &str, sink: &PushSink) -> Result<MultiplexedConnection, Lost> {
    let sink = sink.clone();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWERS_WITHIN))
        .set_response_timeout(Some(ANSWERS_WITHIN))
        .set_push_sender(move |push| sink.take(push));
    let connecting = async {
        let mut node = Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await?;
        redis::cmd("CLIENT").arg("SETNAME").arg(name).exec_async(&mut node).await?;
        Ok(node)
    };
    connecting.await.map_err(|error| lost(&error))
}

async fn slots(node: &mut MultiplexedConnection, asked: &ConnectionAddr) -> Result<Slots, Lost> {
    let answer = redis::cmd("CLUSTER").arg("SLOTS").query_async(node).await.map_err(|error| lost(&error))?;
    Slots::read(answer, asked).ok_or_else(|| Lost("its answer to CLUSTER SLOTS is not understood".to_owned()))
}

async fn hello(node: &mut MultiplexedConnection) -> Result<HashMap<String, Value>, RedisError> {
    redis::cmd("HELLO").query_async(node).await
}

/// A replica hears what is published to its master, and tells nobody of what is published to itself.
fn is_master(hello: &HashMap<String, Value>) -> Result<(), Lost> {
    match hello.get("role") {
        Some(Value::BulkString(role)) if role != b"master" => Err(Lost("it is a replica: REDIS_URL has to lead to the master".to_owned())),
        _ => Ok(()),
    }
}

fn major_version(hello: &HashMap<String, Value>) -> Option<u32> {
    let Some(Value::BulkString(version)) = hello.get("version") else { return None };
    std::str::from_utf8(version).ok()?.split('.').next()?.parse().ok()
}

async fn within<T>(call: impl Future<Output = Result<T, Lost>>) -> Result<T, Lost> {
    timeout(CALL_WITHIN, call).await.unwrap_or_else(|_| Err(Lost("it does not answer in time".to_owned())))
}

#[async_trait]
impl Connection for RedisConnection {
    async fn listen(&mut self, channels: &HashSet<Channel>, names: &ChannelNames) -> Result<(), Lost> {
        let named = |channels: Vec<&Channel>| channels.into_iter().map(|channel| names.name(*channel)).collect::<Vec<_>>();
        let new = named(channels.difference(&self.listening).collect());
        let left = named(self.listening.difference(channels).collect());
        left.iter().for_each(|channel| self.sink.leave(channel));
        let Verbs { subscribe, unsubscribe, .. } = self.verbs;
        within(async {
            self.change(subscribe, new).await?;
            self.change(unsubscribe, left).await
        })
        .await?;
        self.listening.clone_from(channels);
        Ok(())
    }

    async fn send(&mut self, messages: Vec<(Channel, Vec<u8>)>, names: &ChannelNames) -> Result<(), Lost> {
        let publish = self.verbs.publish;
        let calls = messages.into_iter().map(|(channel, message)| (publish, names.name(channel), Some(message)));
        within(self.call(calls.collect())).await
    }

    async fn next(&mut self) -> Result<Vec<u8>, Lost> {
        self.pushed.next().await.ok_or_else(|| Lost("the connection was closed, or a channel taken away".to_owned()))
    }

    async fn ping(&mut self) -> Result<(), Lost> {
        within(async {
            let asked = self.nodes.values().cloned().map(|mut node| async move { redis::cmd("PING").exec_async(&mut node).await });
            try_join_all(asked).await.map_err(|error: RedisError| lost(&error))?;
            let mut node = self.nodes.values().next().cloned().ok_or_else(|| Lost("no node is left".to_owned()))?;
            // who followed a failover must not go on listening to a node that nobody publishes to any more
            let Route::Slots(known) = &self.route else { return is_master(&hello(&mut node).await.map_err(|error| lost(&error))?) };
            let now = slots(&mut node, self.info.addr()).await?;
            if now == *known { Ok(()) } else { Err(Lost("slots of the cluster moved".to_owned())) }
        })
        .await
    }
}
