//! The servers that are measured: started, asked what they take, ended.

use std::{
    fmt,
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{
    http::Http,
    interrupt,
    usage::{self, Usage},
};

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(20);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Floor,
    Chaincast,
    Nchan,
    Express,
    BetterSse,
    ActixWebLab,
}

impl Kind {
    /// All, in the order of tables.
    pub(crate) const ALL: [Self; 6] = [Self::Floor, Self::Chaincast, Self::Nchan, Self::ActixWebLab, Self::Express, Self::BetterSse];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Chaincast => "chaincast",
            Self::Nchan => "nchan",
            Self::Express => "express",
            Self::BetterSse => "better-sse",
            Self::ActixWebLab => "actix-web-lab",
        }
    }

    /// Whether it is one of `peers/`, with scripts of its own.
    pub(crate) const fn is_peer(self) -> bool {
        !matches!(self, Self::Floor | Self::Chaincast)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How to start a server.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) kind: Kind,
    pub(crate) workers: usize,
    /// chaincast's environment.
    pub(crate) env: Vec<(String, String)>,
    /// chaincast's store, when it is not a SQLite file in the scratch directory.
    pub(crate) postgres: Option<String>,
    pub(crate) chaincast: PathBuf,
    pub(crate) peers: PathBuf,
    /// Where each server has a directory of its own: on a disk, since stores are in it.
    pub(crate) scratch: PathBuf,
}

/// A running server; killed with all below it when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    recipe: Recipe,
    pub(crate) addr: SocketAddr,
    child: Child,
    home: TempDir,
}

impl Recipe {
    /// Installs what a peer needs; why not, when that fails.
    pub(crate) fn install(&self) -> Result<(), String> {
        if !self.kind.is_peer() {
            return Ok(());
        }
        let output = Command::new(self.script("install")).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Err(text.lines().last().unwrap_or("its install script failed").to_owned())
    }

    fn script(&self, name: &str) -> PathBuf {
        self.peers.join(self.kind.name()).join(name)
    }

    /// Starts it on a free port and waits until it is ready.
    pub(crate) fn start(&self) -> anyhow::Result<Server> {
        let home = TempDir::new_in(&self.scratch)?;
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let child = self.spawn(addr, home.path())?;
        interrupt::note(&child, home.path());
        let mut server = Server { recipe: self.clone(), addr, child, home };
        server.wait_until_it_is_ready()?;
        Ok(server)
    }

    fn spawn(&self, addr: SocketAddr, home: &Path) -> anyhow::Result<Child> {
        let mut command = match self.kind {
            Kind::Floor => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("floor").arg(addr.to_string());
                command
            }
            Kind::Chaincast => {
                let mut command = Command::new(&self.chaincast);
                // what stands in this environment is this tool's, and a service refuses settings that it does not know
                for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHAINCAST_")) {
                    command.env_remove(name);
                }
                let store = self.postgres.clone().unwrap_or_else(|| format!("sqlite://{}", home.join("chaincast.db").display()));
                command
                    .env("CHAINCAST_LISTEN", addr.to_string())
                    .env("CHAINCAST_WORKERS", self.workers.to_string())
                    .env("DATABASE_URL", store);
                command.env("CHAINCAST_MAX_CONNECTIONS", "19900").envs(self.env.iter().cloned());
                command
            }
            _ => {
                let mut command = Command::new(self.script("run"));
                command.arg(addr.port().to_string()).arg(self.workers.to_string()).arg(home);
                command
            }
        };
        let output = File::options().create(true).append(true).open(home.join("output"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        command.spawn().with_context(|| format!("can't start {} ({})", self.kind, command.get_program().display()))
    }
}

impl Server {
    fn wait_until_it_is_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        while !self.is_ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.recipe.kind, self.output());
            }
            if Instant::now() > deadline {
                bail!("{} does not get ready: {}", self.recipe.kind, self.output());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        match self.recipe.kind {
            Kind::Chaincast => Http::connect(self.addr).and_then(|mut http| http.get("/health/ready")).is_ok(),
            _ => TcpStream::connect(self.addr).is_ok(),
        }
    }

    /// The end of what it has written.
    pub(crate) fn output(&self) -> String {
        let text = fs::read_to_string(self.home.path().join("output")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        usage::of_tree(self.child.id())
    }

    /// chaincast's `/events/stats`.
    pub(crate) fn stats(&self) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_slice(&Http::connect(self.addr)?.get("/events/stats")?)?)
    }

    /// The cursor of the log's newest event, of chaincast.
    pub(crate) fn head(&self) -> anyhow::Result<String> {
        let stats = self.stats()?;
        let epoch = stats["log"]["epoch"].as_str().context("no epoch in the statistics")?;
        Ok(format!("{epoch}-{}", stats["log"]["head"]))
    }

    /// Kills it as a power cut would, and starts it anew on the same port and store; how long the start took.
    pub(crate) fn crash_and_restart(&mut self) -> anyhow::Result<Duration> {
        self.kill(Signal::KILL);
        self.child.wait()?;
        let started = Instant::now();
        interrupt::forget(&self.child);
        self.child = self.recipe.spawn(self.addr, self.home.path())?;
        interrupt::note(&self.child, self.home.path());
        self.wait_until_it_is_ready()?;
        Ok(started.elapsed())
    }

    fn kill(&self, signal: Signal) {
        interrupt::kill_group(self.child.id(), signal);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        interrupt::last_words(self.output());
        self.kill(Signal::TERM);
        interrupt::forget(&self.child);
        let deadline = Instant::now() + STOP;
        while !matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
            if Instant::now() > deadline {
                self.kill(Signal::KILL);
                let _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A port below those from which the kernel takes the ports of outgoing connections.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let start = 18_000 + (std::process::id() % 1000) as u16;
    (start..start + 2000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("no free port")
}
