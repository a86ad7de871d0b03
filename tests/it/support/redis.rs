//! A Redis server of a test's own, that keeps nothing, may be stopped, and comes back on the same port.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    process::free_port,
    wait::{PATIENCE, eventually},
};

/// The server; killed and removed with this value.
pub(crate) struct RedisServer {
    /// Where the process stands.
    home: TempDir,
    port: u16,
    child: Child,
}

impl RedisServer {
    /// Starts one, and waits until it answers.
    pub(crate) async fn start() -> Self {
        let (home, port) = (TempDir::new().expect("a temporary directory"), free_port());
        let child = spawn(&home, port);
        let server = Self { home, port, child };
        server.answers().await;
        server
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
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
        self.child = spawn(&self.home, self.port);
        self.answers().await;
    }

    /// How many clients are subscribed to something.
    pub(crate) fn subscribed(&self) -> Result<usize, String> {
        let listed = self.ask("CLIENT LIST TYPE pubsub").map_err(|error| error.to_string())?;
        Ok(listed.lines().count())
    }

    /// What it calls its version.
    pub(crate) fn version(&self) -> String {
        let info = self.ask("INFO server").expect("it answers");
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        version.unwrap_or_else(|| panic!("no version: {info}")).to_owned()
    }

    async fn answers(&self) {
        eventually("a Redis that answers", async || self.ask("INFO server").map(drop).map_err(|error| error.to_string())).await;
    }

    /// Asks what is answered with a bulk string.
    fn ask(&self, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE.min(Duration::from_secs(5))))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        reader.read_line(&mut head)?;
        let wrong = || std::io::Error::other(format!("not a bulk string: {head:?}"));
        let length = head.strip_prefix('$').and_then(|n| n.trim_end().parse().ok()).ok_or_else(wrong)?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(home: &TempDir, port: u16) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    let spawned = command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    spawned.unwrap_or_else(|error| panic!("redis-server, which scripts/test unpacks: {error}"))
}
