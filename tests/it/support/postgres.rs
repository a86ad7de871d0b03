//! Postgres for tests: a fresh database on a server that is there, or a server of one's own that may be killed.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use chaincast::log::PostgresSettings;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use tempfile::TempDir;

/// Superuser's url of the server on which tests make their databases.
pub(crate) const SERVER: &str = "CHAINCAST_TEST_POSTGRES";

/// An empty database, dropped with this value.
pub(crate) struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// # Panics
    /// When the server is not named or does not answer: a test without its server fails.
    pub(crate) async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var(SERVER).unwrap_or_else(|_| {
            panic!("set {SERVER}=postgres://user:password@host:port/postgres, a superuser's, to run the tests of Postgres")
        });
        let name = format!("chaincast_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let database = Self { server, name };
        database.on_server("CREATE DATABASE").await;
        database
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').expect("the url names a database");
        format!("{base}/{}", self.name)
    }

    async fn on_server(&self, verb: &str) {
        let mut connection = PgConnection::connect(&self.server).await.unwrap_or_else(|error| panic!("{SERVER}: {error}"));
        let statement = format!("{verb} {}", self.name);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("superusers make and drop databases");
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // a thread of its own, because the runtime that is dropping this cannot wait
        std::thread::scope(|scope| {
            let dropping = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let dropped = async {
                    let mut connection = PgConnection::connect(&self.server).await?;
                    let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
                    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await
                };
                if let Err(error) = runtime.block_on(dropped) {
                    eprintln!("database {} stays: {error}", self.name);
                }
            });
            let _ = dropping.join();
        });
    }
}

/// Settings for tests: the server of the tests may run without fsync.
pub(crate) fn settings() -> PostgresSettings {
    PostgresSettings { allow_unsafe_fsync: true, max_connections: 4, ..PostgresSettings::default() }
}

/// A server with a data directory of its own, that flushes what it commits. Stopped and removed with this value.
pub(crate) struct Cluster {
    dir: TempDir,
    port: u16,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let cluster = Self::prepare();
        run_as_postgres(&cluster.dir, "initdb", &["-D", "data", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"]);
        cluster.configure();
        cluster.start_again();
        cluster
    }

    /// A server that follows this one, asynchronously.
    pub(crate) fn replica(&self) -> Self {
        let replica = Self::prepare();
        let port = self.port.to_string();
        run_as_postgres(
            &replica.dir,
            "pg_basebackup",
            &["-D", "data", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-R", "-X", "stream", "-c", "fast"],
        );
        replica.configure();
        replica.start_again();
        replica
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts a server that was stopped or killed, and waits until it takes connections.
    pub(crate) fn start_again(&self) {
        run_as_postgres(&self.dir, "pg_ctl", &["-D", "data", "-l", "server.log", "-w", "-t", "60", "start"]);
    }

    pub(crate) fn stop(&self) {
        run_as_postgres(&self.dir, "pg_ctl", &["-D", "data", "-m", "fast", "-w", "stop"]);
    }

    /// Ends a standby's following: it takes writes from now on.
    pub(crate) fn promote(&self) {
        run_as_postgres(&self.dir, "pg_ctl", &["-D", "data", "-w", "promote"]);
    }

    /// Kills the server and all its children where they stand.
    pub(crate) fn kill_9(&self) {
        let pids = self.processes();
        if pids.is_empty() {
            return;
        }
        let _ = Command::new("kill").arg("-9").args(&pids).output();
        let deadline = Instant::now() + Duration::from_secs(10);
        while pids.iter().any(|pid| is_running(pid)) {
            assert!(Instant::now() < deadline, "the killed server is still there");
            std::thread::yield_now();
        }
        // where nobody reaps orphans the dead server's pid still seems to be in use
        let _ = std::fs::remove_file(self.dir.path().join("data/postmaster.pid"));
    }

    /// Halts the server and all its children: the kernel still takes connections, and nobody answers.
    pub(crate) fn halt(&self) {
        // once for the postmaster, of whose children one may end meanwhile; then for all that there will be
        let _ = Command::new("kill").arg("-STOP").args(self.processes()).output();
        check(Command::new("kill").arg("-STOP").args(self.processes()).output(), "kill -STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        let _ = Command::new("kill").arg("-CONT").args(self.processes()).output();
    }

    /// The postmaster, then its children; nobody when it is not running.
    fn processes(&self) -> Vec<String> {
        let Some(postmaster) = self.postmaster() else { return Vec::new() };
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &postmaster]).output().expect("ps is there");
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        // first, or it would start recovery when a child is killed
        let mut pids = vec![postmaster];
        pids.extend(children.split_whitespace().map(str::to_owned));
        pids
    }

    fn prepare() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        if is_root() {
            check(Command::new("chown").arg("postgres").arg(dir.path()).output(), "chown");
        }
        // the port is free now; nobody else on this machine asks for one by number
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        Self { dir, port }
    }

    fn configure(&self) {
        let path = self.dir.path().join("data/postgresql.conf");
        let mut conf = std::fs::read_to_string(&path).expect("initdb wrote it");
        // no lock file of a socket and no shared segment outlives a server that is killed
        conf.push_str(&format!(
            "\nport={}\nlisten_addresses='127.0.0.1'\nunix_socket_directories=''\ndynamic_shared_memory_type=mmap\nfsync=on\nshared_buffers=16MB\nmax_connections=30\n",
            self.port
        ));
        std::fs::write(&path, conf).expect("the owner of the test may write it");
    }

    fn postmaster(&self) -> Option<String> {
        let pid = std::fs::read_to_string(self.dir.path().join("data/postmaster.pid")).ok()?;
        pid.lines().next().map(str::to_owned)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_9();
    }
}

fn is_running(pid: &str) -> bool {
    // a zombie has no command line
    std::fs::read(Path::new("/proc").join(pid).join("cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Whether these tests run as root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// The newest Postgres of this machine.
fn binary(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("Postgres is installed");
    let mut found: Vec<PathBuf> =
        versions.flatten().map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("no {name} below /usr/lib/postgresql"))
}

fn run_as_postgres(dir: &TempDir, name: &str, args: &[&str]) {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(binary(name));
        command
    } else {
        Command::new(binary(name))
    };
    // to a file, because a server inherits its starter's pipes and holds them open
    let output = std::fs::File::create(dir.path().join("output.log")).expect("writable");
    let error = output.try_clone().expect("a second handle");
    let status = command.current_dir(dir.path()).args(args).stdout(output).stderr(error).env("LC_ALL", "C").status();
    let log = || ["output.log", "server.log"].map(|file| std::fs::read_to_string(dir.path().join(file)).unwrap_or_default()).join("\n");
    assert!(status.is_ok_and(|status| status.success()), "{name} {args:?}: {}", log());
}

fn check(output: std::io::Result<Output>, what: &str) {
    let output = output.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
