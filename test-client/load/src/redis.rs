//! A Redis of this run's own, which keeps nothing.

use std::{
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::{interrupt, server::free_port};

const START: Duration = Duration::from_secs(10);

/// A running `redis-server`; ended when dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    child: Child,
    port: u16,
    _home: TempDir,
}

impl Redis {
    pub(crate) fn start(scratch: &Path) -> anyhow::Result<Self> {
        let (home, port) = (TempDir::new_in(scratch)?, free_port()?);
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string(), "--dir"]).arg(home.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn();
        let child = child.context("can't start redis-server, of Debian's package of that name")?;
        interrupt::note(&child, home.path());
        let this = Self { child, port, _home: home };
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                bail!("redis-server does not listen");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(this)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        interrupt::forget(&self.child);
        // fails only when it has ended
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
