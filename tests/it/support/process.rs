//! The service as its users run it: the real binary, its own process, its own port.
//!
//! Ports come from below the range from which the kernel takes those of outgoing connections, so that a restart finds its port free even
//! while hundreds of clients of other tests connect.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;
use tokio::{sync::watch, time::timeout};

use super::{
    postgres::is_root,
    store::Store,
    wait::{PATIENCE, eventually},
};

/// The service's environment, and what starts it there.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    variables: BTreeMap<String, String>,
    /// A command that takes the binary as its last argument and becomes it; the binary itself when empty.
    starter: Vec<String>,
}

impl Settings {
    /// Two workers, quick retries and a short drain on this store.
    pub(crate) fn on(store: &Store) -> Self {
        Self::at(&store.url())
    }

    /// The same for a `DATABASE_URL` that leads somewhere else, such as through a proxy.
    pub(crate) fn at(database_url: &str) -> Self {
        Self { variables: BTreeMap::new(), starter: Vec::new() }
            .with("DATABASE_URL", database_url)
            .with("CHAINCAST_WORKERS", 2)
            .with("CHAINCAST_RETRY_MILLISECONDS", 50)
            .with("CHAINCAST_DRAIN_SECONDS", 1)
            .with("CHAINCAST_LOG_FORMAT", "json")
    }

    /// The binary with these settings, in an environment of its own.
    pub(crate) fn command(&self) -> Command {
        let mut line = self.starter.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_chaincast")]);
        let mut command = Command::new(line.next().expect("the binary at least"));
        command.args(line).env_clear().envs(&self.variables).env("RUST_BACKTRACE", "1");
        for inherited in ["PATH", "HOME", "TMPDIR"] {
            command.envs(std::env::var_os(inherited).map(|value| (inherited, value)));
        }
        command
    }

    /// With one more variable.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.insert(name.to_owned(), value.to_string());
        self
    }

    /// Where this directory is a file system of so many megabytes that only the process sees; others find it below `/proc/<pid>/root`.
    pub(crate) fn on_a_disk_of_its_own(mut self, dir: &Path, megabytes: usize) -> Self {
        let mount = format!("mount -t tmpfs -o size={megabytes}m tmpfs \"$0\" && exec \"$@\"");
        let mut starter = vec!["unshare", "--mount"];
        // without root's rights, those of a user namespace
        starter.extend((!is_root()).then_some("--map-root-user"));
        starter.extend(["sh", "-c", &mount, dir.to_str().expect("temporary directories are UTF-8")]);
        self.starter = starter.into_iter().map(str::to_owned).collect();
        self
    }

    /// Where a write beyond the limit of a file's size fails, and does not end the process.
    pub(crate) fn that_survives_file_limits(mut self) -> Self {
        self.starter = ["sh", "-c", "trap '' XFSZ && exec \"$@\"", "sh"].map(str::to_owned).into();
        self
    }
}

/// A running service; killed when dropped, when it must never have panicked.
pub(crate) struct Service {
    settings: Settings,
    addr: SocketAddr,
    running: Running,
    /// Where the process stands, so that a path relative to it never reaches the checkout.
    home: TempDir,
}

struct Running {
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// Starts the binary and waits until it says that it listens.
    pub(crate) async fn start(settings: Settings) -> Self {
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let home = TempDir::new().expect("a temporary directory");
        let running = Running::start(&settings, addr, &home).await;
        Self { settings, addr, running, home }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Everything that it has written so far, a line each.
    pub(crate) fn output(&self) -> Vec<String> {
        self.running.output.lock().expect("no reader panics").clone()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// Lets none of its files grow beyond so many bytes, or as large as they like.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(Pid::from_child(&self.running.child)), Resource::Fsize, limit).expect("own child");
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        self.running.child.try_wait().expect("own child").is_none()
    }

    /// Asks it to end and does not wait.
    pub(crate) fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.ask_to_end();
        self.ended().await
    }

    /// Asks it to end until it has: what comes at once after the first time is taken for its echo.
    pub(crate) async fn insist(&mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.running.child);
        let child = &mut self.running.child;
        eventually("ended", async || {
            if let Some(status) = child.try_wait().expect("own child") {
                return Ok(status);
            }
            kill_process(pid, Signal::TERM).expect("own child");
            Err("still running".to_owned())
        })
        .await
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.running.child;
        eventually("ended", async || child.try_wait().expect("own child").ok_or_else(|| "still running".to_owned())).await
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill_9(&mut self) {
        self.running.kill();
    }

    /// Halts it without ending it, for as long as the guard lives.
    pub(crate) fn stop_cont(&self) -> Halted<'_> {
        self.signal(Signal::STOP);
        Halted(self)
    }

    /// Starts it again where clients will look for it.
    pub(crate) async fn restart_same_port(&mut self) {
        self.running.kill();
        self.running = Running::start(&self.settings, self.addr, &self.home).await;
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.running.child), signal).expect("own child");
    }
}

/// Whether this machine lets a process have a file system of its own.
pub(crate) fn may_mount() -> bool {
    let as_root = if is_root() { [].as_slice() } else { &["--map-root-user"] };
    let tried = Command::new("unshare").arg("--mount").args(as_root).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// A service that gets no processor time.
pub(crate) struct Halted<'a>(&'a Service);

impl Drop for Halted<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

impl Running {
    async fn start(settings: &Settings, addr: SocketAddr, home: &TempDir) -> Self {
        let child = settings
            .command()
            .env("CHAINCAST_LISTEN", addr.to_string())
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("the binary starts");
        let output = Arc::default();
        let (says, mut said) = watch::channel(None);
        collect(child.stdout.take().expect("piped"), Arc::clone(&output), says.clone());
        collect(child.stderr.take().expect("piped"), Arc::clone(&output), says);
        let running = Self { child, output };
        match timeout(PATIENCE, said.wait_for(Option::is_some)).await {
            Ok(Ok(listening)) => assert_eq!(*listening, Some(addr), "listens elsewhere"),
            Ok(Err(_)) => panic!("the service ended before it listened\n{}", running.last_lines()),
            Err(_) => panic!("the service does not listen after {PATIENCE:?}\n{}", running.last_lines()),
        }
        running
    }

    fn kill(&mut self) {
        // both fail only when it has ended, which is what is wanted
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn last_lines(&self) -> String {
        let output = self.output.lock().expect("no reader panics");
        output[output.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- the service's last lines ---\n{}\n---", self.last_lines());
            return;
        }
        let output = self.output.lock().expect("no reader panics");
        let panicked = output.iter().find(|line| line.contains("panicked at"));
        assert!(panicked.is_none(), "the service panicked: {panicked:?}");
    }
}

fn collect(pipe: impl Read + Send + 'static, output: Arc<Mutex<Vec<String>>>, says: watch::Sender<Option<SocketAddr>>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { break };
            if let Some(addr) = listening_address(&line) {
                says.send_replace(Some(addr));
            }
            output.lock().expect("no reader panics").push(line);
        }
    });
}

fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c))).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// A port that no other service of this run has, and that no outgoing connection is given.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 10_240;
    const COUNT: u16 = 22_000;
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(fastrand::u16(..COUNT)));
    loop {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

mod tests {
    use super::listening_address;

    #[test]
    fn the_address_is_found_in_plain_and_in_json_lines() {
        let addr = "127.0.0.1:3001".parse().ok();
        assert_eq!(listening_address(r#"{"level":"INFO","message":"listening on http://127.0.0.1:3001"}"#), addr);
        assert_eq!(listening_address("INFO listening on http://127.0.0.1:3001, log sqlite"), addr);
        assert_eq!(listening_address("INFO opening the log"), None);
    }
}
