//! The distribution's reverse proxies, run with the configurations of `deploy/` as they are, but for addresses, certificates and where they log.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{process::free_port, wait::eventually};

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Caddy,
}

/// A running proxy; ended when dropped.
pub(crate) struct Proxy {
    child: Child,
    port: u16,
    plain: SocketAddr,
    dir: TempDir,
}

impl Proxy {
    /// Starts it before one instance.
    pub(crate) async fn start(kind: Kind, upstream: SocketAddr) -> Self {
        Self::before(kind, &[upstream]).await
    }

    /// Starts it before several.
    pub(crate) async fn before(kind: Kind, upstreams: &[SocketAddr]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let (port, plain) = (free_port(), SocketAddr::from(([127, 0, 0, 1], free_port())));
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(dir.path().join("cert.pem"), cert.pem()).expect("written");
        fs::write(dir.path().join("key.pem"), signing_key.serialize_pem()).expect("written");
        let mut command = match kind {
            Kind::Nginx => nginx(dir.path(), port, plain, upstreams),
            Kind::Caddy => caddy(dir.path(), port, plain, upstreams),
        };
        let said = fs::File::create(dir.path().join("said.log")).expect("written");
        command.stdin(Stdio::null()).stdout(said.try_clone().expect("a file")).stderr(said);
        let mut proxy = Self { child: command.spawn().expect("the proxy starts"), port, plain, dir };
        eventually("listening", async || {
            let ended = proxy.child.try_wait().expect("own child");
            assert!(ended.is_none(), "{kind:?} ended: {}", proxy.logs());
            let connected = TcpStream::connect(("127.0.0.1", port)).and_then(|_| TcpStream::connect(plain));
            connected.map(drop).map_err(|_| proxy.logs())
        })
        .await;
        proxy
    }

    /// Where the same is served without TLS, which is the one thing that `deploy/` has not: for clients that only speak HTTP.
    pub(crate) fn plain(&self) -> SocketAddr {
        self.plain
    }

    /// Everything that it wrote anywhere.
    pub(crate) fn logs(&self) -> String {
        let files = fs::read_dir(self.dir.path()).expect("readable").map(|entry| entry.expect("readable").path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).map(|path| read(&path)).collect()
    }

    /// What curl gets for these arguments and this path, head and body.
    pub(crate) fn curl(&self, path: &str, arguments: &[&str]) -> String {
        let Output { stdout, stderr, .. } = self.command(path, arguments).output().expect("curl is installed");
        format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
    }

    /// Follows a stream.
    pub(crate) fn follow(&self, path: &str, arguments: &[&str]) -> Following {
        let mut child = self.command(path, arguments).stdout(Stdio::piped()).spawn().expect("curl is installed");
        let (lines, stdout) = (Arc::<Mutex<Vec<String>>>::default(), child.stdout.take().expect("piped"));
        let collected = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                collected.lock().expect("no reader panics").push(line);
            }
        });
        Following { child, lines }
    }

    fn command(&self, path: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--include", "--no-buffer", "--http2", "--max-time", "60", "--cacert"]);
        command.arg(self.dir.path().join("cert.pem")).args(arguments).arg(format!("https://localhost:{}{path}", self.port));
        command
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // asked first: nginx's workers do not outlive a master that could tell them
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the proxy's logs ---\n{}\n---", self.logs());
        }
    }
}

/// A curl that follows; ended when dropped.
pub(crate) struct Following {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Following {
    /// Waits for a line with this in it, and returns it.
    pub(crate) async fn until(&self, part: &str) -> String {
        eventually(&format!("told of {part:?}"), async || {
            let lines = self.lines.lock().expect("no reader panics");
            lines.iter().find(|line| line.contains(part)).cloned().ok_or_else(|| lines.join("\n"))
        })
        .await
    }

    /// The first cursor that came.
    pub(crate) fn first_id(&self) -> String {
        let lines = self.lines.lock().expect("no reader panics");
        lines.iter().find_map(|line| line.strip_prefix("id: ")).expect("a cursor").to_owned()
    }

    /// How many lines so far have this in them.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.lines.lock().expect("no reader panics").iter().filter(|line| line.contains(part)).count()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the distribution: also from where users other than root have no path to.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').chain(["/usr/sbin", "/sbin"]).map(|folder| Path::new(folder).join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not there: scripts/test brings it, or have it in PATH"))
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned()
}

/// The configuration with each of these texts replaced; all of them have to be there.
fn configuration(file: &str, replaced: &[(&str, String)]) -> String {
    let mut text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file));
    for (there, here) in replaced {
        assert!(text.contains(there), "{file} has no {there:?} any more");
        text = text.replace(there, here);
    }
    text
}

fn nginx(dir: &Path, port: u16, plain: SocketAddr, upstreams: &[SocketAddr]) -> Command {
    const FOR_STREAMS: &str = "server 127.0.0.1:3001 max_fails=0;";
    const FOR_THE_REST: &str = "server 127.0.0.1:3001 max_fails=1 fail_timeout=2s;";
    let (home, redirecting) = (dir.display(), free_port());
    let instances = |one: &str| upstreams.iter().map(|upstream| one.replace("127.0.0.1:3001", &upstream.to_string())).collect();
    let conf = configuration(
        "nginx/chaincast.conf",
        &[
            (FOR_STREAMS, instances(FOR_STREAMS)),
            (FOR_THE_REST, instances(FOR_THE_REST)),
            ("listen [::]:80;", String::new()),
            ("listen [::]:443 ssl http2;", String::new()),
            ("listen 80;", format!("listen 127.0.0.1:{redirecting};")),
            ("listen 443 ssl", format!("listen {plain}; listen 127.0.0.1:{port} ssl")),
            ("events.example.com;", "localhost;".to_owned()),
            ("/etc/ssl/events.example.com/fullchain.pem", format!("{home}/cert.pem")),
            ("/etc/ssl/events.example.com/privkey.pem", format!("{home}/key.pem")),
            ("/var/log/nginx", home.to_string()),
        ],
    );
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {home}/{name};\n")).concat();
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    fs::write(dir.join("chaincast.conf"), conf).expect("written");
    let main = format!(
        "{user}\ndaemon off;\npid {home}/nginx.pid;\nerror_log {home}/main.log emerg;\nworker_processes 2;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}include {home}/chaincast.conf;\n}}\n"
    );
    fs::write(dir.join("nginx.conf"), main).expect("written");
    let mut command = Command::new(program("nginx"));
    command.args(["-p".as_ref(), dir.as_os_str(), "-e".as_ref(), dir.join("main.log").as_os_str()]).arg("-c").arg(dir.join("nginx.conf"));
    command
}

fn caddy(dir: &Path, port: u16, plain: SocketAddr, upstreams: &[SocketAddr]) -> Command {
    const SITE: &str = "the.site {";
    let home = dir.display();
    let instances: String = upstreams.iter().map(|upstream| format!(" {upstream}")).collect();
    let conf = configuration(
        "caddy/Caddyfile",
        &[
            ("admin localhost:2019", "admin off\nauto_https disable_redirects".to_owned()),
            ("events.example.com {", SITE.to_owned()),
            ("reverse_proxy 127.0.0.1:3001", format!("reverse_proxy{instances}")),
            ("/var/log/caddy", home.to_string()),
        ],
    );
    // it is the last thing in the file, and one site is served either with TLS or without
    let (before, site) = conf.split_once(SITE).expect("just put there");
    let secure = format!("https://localhost:{port} {{\ntls {home}/cert.pem {home}/key.pem");
    fs::write(dir.join("Caddyfile"), format!("{before}{secure}{site}\nhttp://{plain} {{{site}")).expect("written");
    let mut command = Command::new(program("caddy"));
    command.env("HOME", dir).env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(dir.join("Caddyfile"));
    command
}
