//! Redis of a test's own: a server, or a cluster, that keeps nothing, may be stopped or halted, and comes back on the same port.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{process::free_port, wait::eventually};

/// The server; killed and removed with this value.
pub(crate) struct RedisServer {
    /// Where the process stands.
    home: TempDir,
    port: u16,
    options: Vec<String>,
    password: Option<String>,
    child: Child,
}

impl RedisServer {
    /// Starts one, and waits until it answers.
    pub(crate) async fn start() -> Self {
        Self::with(&[], None).await
    }

    /// One that asks for this password.
    pub(crate) async fn with_password(password: &str) -> Self {
        Self::with(&["--requirepass", password], Some(password.to_owned())).await
    }

    async fn with(options: &[&str], password: Option<String>) -> Self {
        let (home, port) = (TempDir::new().expect("a temporary directory"), free_port());
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let child = spawn(&home, port, &options);
        let server = Self { home, port, options, password, child };
        server.answers().await;
        server
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let password = self.password.as_ref().map_or_else(String::new, |password| format!(":{password}@"));
        format!("redis://{password}127.0.0.1:{}", self.port)
    }

    /// Halts it without ending it, until [`RedisServer::resume`].
    pub(crate) fn halt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).expect("own child");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).expect("own child");
    }

    /// What it answers to one command.
    pub(crate) fn run<T: ::redis::FromRedisValue>(&self, command: &[&str]) -> ::redis::RedisResult<T> {
        let mut connection = ::redis::Client::open(self.url())?.get_connection_with_timeout(Duration::from_secs(5))?;
        let (name, arguments) = command.split_first().expect("a command");
        ::redis::cmd(name).arg(arguments).query(&mut connection)
    }

    /// Ends it, and all connections with it.
    pub(crate) fn stop(&mut self) {
        // both fail only when it has ended, which is what is wanted
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again where clients will look for it.
    pub(crate) async fn start_again(&mut self) {
        self.stop();
        self.child = spawn(&self.home, self.port, &self.options);
        self.answers().await;
    }

    /// How many clients are subscribed to something.
    pub(crate) fn subscribed(&self) -> Result<usize, String> {
        let listed: String = self.run(&["CLIENT", "LIST", "TYPE", "pubsub"]).map_err(|error| error.to_string())?;
        Ok(listed.lines().count())
    }

    /// What it calls its version.
    pub(crate) fn version(&self) -> String {
        let info: String = self.run(&["INFO", "server"]).expect("it answers");
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        version.unwrap_or_else(|| panic!("no version: {info}")).to_owned()
    }

    async fn answers(&self) {
        eventually("a Redis that answers", async || self.run::<String>(&["PING"]).map(drop).map_err(|error| error.to_string())).await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(home: &TempDir, port: u16, options: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]).args(options);
    let spawned = command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    spawned.unwrap_or_else(|error| panic!("redis-server, which scripts/test unpacks: {error}"))
}

/// Three masters, each with a third of the slots.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one, and waits until all nodes know who has what.
    pub(crate) async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(cluster_node().await);
        }
        for (node, (first, last)) in nodes.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]) {
            let _: String = node.run(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).expect("slots");
        }
        let cluster = Self { nodes };
        for node in &cluster.nodes[1..] {
            cluster.meet(node);
        }
        cluster.is_whole().await;
        cluster
    }

    fn meet(&self, node: &RedisServer) {
        let bus = node.options.last().expect("the bus's port");
        let _: String = self.nodes[0].run(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]).expect("met");
    }

    /// One of the nodes.
    pub(crate) fn url(&self) -> String {
        self.nodes[0].url()
    }

    /// Waits until all nodes find that all slots are served.
    pub(crate) async fn is_whole(&self) {
        eventually("a cluster", async || {
            for node in &self.nodes {
                let info: String = node.run(&["CLUSTER", "INFO"]).map_err(|error| error.to_string())?;
                let known = format!("cluster_known_nodes:{}", self.nodes.len());
                if !(info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384") && info.contains(&known)) {
                    return Err(info);
                }
            }
            Ok(())
        })
        .await;
    }

    /// The node that has the slot of this channel.
    pub(crate) fn owner(&self, channel: &str) -> usize {
        let slot: i64 = self.nodes[0].run(&["CLUSTER", "KEYSLOT", channel]).expect("a slot");
        usize::try_from(slot).expect("positive") * self.nodes.len() / 16384
    }

    /// Gives the slot of `channel` to the next node; which one.
    pub(crate) fn move_slot(&self, channel: &str) -> usize {
        let to = (self.owner(channel) + 1) % self.nodes.len();
        let slot: i64 = self.nodes[0].run(&["CLUSTER", "KEYSLOT", channel]).expect("a slot");
        let id: String = self.nodes[to].run(&["CLUSTER", "MYID"]).expect("an id");
        for node in [to].into_iter().chain((0..self.nodes.len()).filter(|n| *n != to)) {
            let _: String = self.nodes[node].run(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]).expect("moved");
        }
        to
    }

    /// Adds a replica of a node, and waits until it follows.
    pub(crate) async fn add_replica_of(&mut self, master: usize) {
        let replica = cluster_node().await;
        self.meet(&replica);
        self.nodes.push(replica);
        self.is_whole().await;
        let id: String = self.nodes[master].run(&["CLUSTER", "MYID"]).expect("an id");
        let replica = self.nodes.last().expect("just added");
        // again would begin anew
        let _: String = replica.run(&["CLUSTER", "REPLICATE", &id]).expect("all know each other");
        eventually("a replica", async || {
            let info: String = replica.run(&["INFO", "replication"]).map_err(|error| error.to_string())?;
            if info.contains("master_link_status:up") { Ok(()) } else { Err(info) }
        })
        .await;
    }
}

async fn cluster_node() -> RedisServer {
    let bus = free_port().to_string();
    let options =
        [["--cluster-enabled", "yes"], ["--cluster-node-timeout", "2000"], ["--repl-diskless-sync-delay", "0"], ["--cluster-port", &bus]];
    let node = RedisServer::with(&options.concat(), None).await;
    let version = node.version();
    assert!(!version.starts_with(['5', '6']), "Redis {version} has no sharded channels: 7 or later is needed");
    node
}
