//! A Redis of a test's own: the real server, on a port of its own, with nothing on disk.

use std::process::{Child, Command, Stdio};

use redis::{Client, FromRedisValue, RedisResult};
use rustix::process::{Pid, Signal, kill_process};

use super::{process::free_port, wait::eventually};

/// Killed when dropped.
pub(crate) struct Redis {
    port: u16,
    child: Child,
}

/// A server that gets no processor time.
pub(crate) struct Halted<'a>(&'a Redis);

impl Redis {
    /// Starts one and waits until it answers.
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let redis = Self { port, child: spawn(port) };
        redis.until_it_answers().await;
        redis
    }

    /// What `REDIS_URL` says.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A client of the redis crate.
    pub(crate) fn client(&self) -> Client {
        Client::open(self.url()).expect("a URL")
    }

    /// Ends it at once, with all that it had.
    pub(crate) fn kill(&mut self) {
        // both fail only when it has ended, which is what is wanted
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts an empty one in the place of one that was killed.
    pub(crate) async fn start_again(&mut self) {
        self.kill();
        self.child = spawn(self.port);
        self.until_it_answers().await;
    }

    /// Halts it without ending it, for as long as the guard lives.
    pub(crate) fn halt(&self) -> Halted<'_> {
        self.signal(Signal::STOP);
        Halted(self)
    }

    /// What it answers to a command.
    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut connection = self.client().get_multiplexed_async_connection().await?;
        let (name, arguments) = words.split_first().expect("a command");
        redis::cmd(name).arg(arguments).query_async(&mut connection).await
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("own child");
    }

    async fn until_it_answers(&self) {
        eventually("a Redis that answers", async || self.ask::<()>(&["PING"]).await.map_err(|error| error.to_string())).await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Drop for Halted<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

fn spawn(port: u16) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("redis-server is installed")
}
