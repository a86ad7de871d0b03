//! The documents are true: commands in them run, links lead somewhere, and files that they name are there.
//!
//! A ```` ```sh ```` block is run as it stands, one after the other in one shell for each document, in a directory that looks like a checkout.
//! `chaincast` and `cargo run --release` are the binary under test, port 3001 is a free one, and the PostgreSQL of the examples is the test server.
//! What cannot be run so says it in a comment in front of the block, which readers do not see:
//!
//! - `<!-- run: serves -->`: goes on in the background; what follows waits until it is ready.
//! - `<!-- run: follows -->`: goes on in the background; what follows waits until it is live.
//! - `<!-- run: not, because … -->`: with the reason.
//! - `<!-- run first: … -->`: a command that the reader has no need of, such as one that makes what the block expects; `await` and `ready` are there.

mod block;
mod checklist;
mod links;

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use self::block::{Block, How};
use crate::support::{postgres::TestDatabase, process::free_port, wait::eventually_within};

/// How long one document may take: those that publish, follow and wait take a few seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// What of the checkout the commands may look at.
const VISIBLE: [&str; 5] = ["examples", "deploy", "openapi", "docs", "config"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document, by its path in the checkout.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "examples", "examples/typescript", "examples/python", "examples/data", "test-client/load/peers"] {
        let Ok(entries) = fs::read_dir(root().join(folder)) else { continue };
        let names = entries.filter_map(|entry| entry.expect("readable").file_name().into_string().ok());
        found.extend(names.filter(|name| name.ends_with(".md")).map(|name| Path::new(folder).join(name)));
    }
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
}

fn read(document: &Path) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{}: {error}", document.display()))
}

/// Runs all blocks of a document.
async fn run(document: &str) {
    let blocks = block::all(&read(Path::new(document)));
    assert!(!blocks.is_empty(), "{document} has no commands");
    let database = TestDatabase::create().await;
    let home = sandbox();
    let (port, other) = (free_port(), free_port());
    let script = script(&blocks, port)
        .replace("postgres://user:password@localhost/chaincast", &database.url())
        .replace("127.0.0.1:4000", &format!("127.0.0.1:{other}"));

    let mut command = Command::new("bash");
    command.arg("-c").arg(&script).env_clear().current_dir(home.path()).process_group(0).stdin(Stdio::null());
    let path = format!("{}:{}", home.path().join(".shims").display(), std::env::var("PATH").expect("a PATH"));
    let output = home.path().join(".output");
    let file = fs::File::create(&output).expect("a temporary directory");
    command.env("PATH", path).env("HOME", home.path()).env("CHAINCAST_LISTEN", format!("127.0.0.1:{port}")).env("CHAINCAST_WORKERS", "1");
    command.env("CHAINCAST_URL", format!("http://127.0.0.1:{port}"));
    command.stderr(file.try_clone().expect("a descriptor")).stdout(file);
    let mut shell = Shell(command.spawn().expect("bash"));
    let said = || fs::read_to_string(&output).unwrap_or_default();
    let status = eventually_within(PATIENCE, "run all commands", async || {
        shell.0.try_wait().expect("own child").ok_or_else(|| format!("still running\n{}", said()))
    })
    .await;
    assert!(status.success(), "{document}: {status}\n{}", said());
}

/// A shell and all that it started; ended when dropped.
struct Shell(std::process::Child);

impl Drop for Shell {
    fn drop(&mut self) {
        // those that go on in the background belong to the same group
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// A directory that looks like a checkout, with `.shims` for PATH.
fn sandbox() -> TempDir {
    let home = TempDir::new().expect("a temporary directory");
    for name in VISIBLE {
        std::os::unix::fs::symlink(root().join(name), home.path().join(name)).expect("an empty directory");
    }
    shims(home.path());
    home
}

/// `chaincast`, and a `cargo` that runs what has been built already.
fn shims(home: &Path) {
    let binary = env!("CARGO_BIN_EXE_chaincast");
    let built = Path::new(binary).parent().expect("a directory").display();
    let cargo = format!(
        r#"#!/bin/bash
set -euo pipefail
[[ $1 == run && $2 == --release ]] || {{ echo "not a command of the documents: cargo $*" >&2; exit 64; }}
shift 2
program={binary}
if [[ ${{1:-}} == --example ]]; then program={built}/examples/$2; shift 2; fi
if [[ ${{1:-}} == -- ]]; then shift; fi
exec "$program" "$@"
"#
    );
    let folder = home.join(".shims");
    fs::create_dir(&folder).expect("an empty directory");
    std::os::unix::fs::symlink(binary, folder.join("chaincast")).expect("an empty directory");
    fs::write(folder.join("cargo"), cargo).expect("an empty directory");
    Command::new("chmod").arg("+x").arg(folder.join("cargo")).status().expect("chmod");
}

/// One script of all blocks. It says each before it runs it, so that a failure shows where it was.
fn script(blocks: &[Block], port: u16) -> String {
    let mut script = format!(
        r#"set -euo pipefail
await() {{ # seconds, what, command…
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@"; do
    if ((SECONDS > end)); then echo "waited in vain for $what" >&2; exit 1; fi
    sleep 0.1
  done
}}
ready() {{ curl -sf -o /dev/null "http://${{1:-127.0.0.1:{port}}}/health/ready"; }}
"#
    );
    for (at, block) in blocks.iter().enumerate() {
        let text =
            block.text.replace("localhost:3001", &format!("localhost:{port}")).replace("127.0.0.1:3001", &format!("127.0.0.1:{port}"));
        let line = block.line;
        script.push_str(&format!("echo '--- line {line}'\n"));
        match block.how {
            How::Runs => script.push_str(&text),
            How::Serves => {
                let elsewhere = text.split_once("CHAINCAST_LISTEN=").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or_default();
                script.push_str(&format!("{{\n{text}}} &\nawait 60 'a service that is ready' ready {elsewhere}\n"));
            }
            How::Follows => script.push_str(&format!(
                "{{\n{text}}} >.followed-{at} 2>&1 &\nawait 30 'hub.live in what is followed' grep -q -e hub.live -e 'caught up' .followed-{at}\n"
            )),
            How::Not => script.push_str("echo not run\n"),
        }
    }
    script
}

macro_rules! documents_run {
    ($($name:ident = $path:literal;)+) => {
        /// Those whose commands are run.
        const RUN: &[&str] = &[$($path),+];
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                run($path).await;
            }
        )+
    };
}

documents_run! {
    the_commands_of_the_readme_run = "README.md";
    the_commands_about_access_run = "docs/access.md";
    the_commands_about_the_interface_run = "docs/api.md";
    the_commands_about_moving_from_polling_run = "docs/moving-from-polling-or-socketio.md";
    the_commands_about_moving_to_postgres_run = "docs/moving-to-postgres.md";
    the_commands_about_monitoring_run = "docs/monitoring.md";
    the_commands_for_typescript_run = "examples/typescript/README.md";
}

#[test]
fn every_document_with_commands_is_run_or_says_why_not() {
    for document in documents() {
        let name = document.to_str().expect("UTF-8");
        let some_run = block::all(&read(&document)).iter().any(|block| block.how != How::Not);
        assert_eq!(some_run, RUN.contains(&name), "{name}: name it in `documents_run`, or say before each block why it is not run");
    }
}
