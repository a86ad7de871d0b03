//! The commands that speak to a running service, `tail` and `publish`, and the reading of events from files that `log import` shares.
//!
//! Each blocks on a thread of its own: it has one stream, or one request, at a time, and order is what it promises. Standard output is for what was
//! asked for; everything else goes to standard error. A reader that goes away (`| head`) is no error. What strangers wrote into events never reaches a
//! terminal as it is: control characters are escaped.

mod documents;
mod progress;
mod publish;
mod stored;
mod tail;
mod visible;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write as _},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

pub use self::{
    documents::{Document, Documents, ReadError},
    progress::{Progress, count},
    publish::publish,
    stored::{DIGEST, Members, without_the_logs_own},
    tail::tail,
    visible::visible,
};

/// What a command ends with when it came to the end, but not everything is as it was wanted.
pub const PARTLY: u8 = 2;
/// What a process that was interrupted ends with, as shells have it.
const INTERRUPTED: u8 = 130;
/// What whoever was refused for want of a credential is told.
const GIVE_TOKEN: &str = "with --token or CHAINCAST_TOKEN";

/// Says what failed, and what the process ends with.
#[must_use]
pub fn end(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        // whoever read it has enough
        Err(error) if is_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("chaincast: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether the reader of standard output has gone.
fn is_gone(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Waits for SIGINT or SIGTERM, which end nothing by themselves from here on.
fn interrupted() -> impl Future<Output = ()> {
    let listeners = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        match listeners {
            (Ok(mut interrupt), Ok(mut terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            // then the signal ends the process itself
            _ => std::future::pending().await,
        }
    }
}

/// A line to standard error; lost when nobody reads it.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// An input, how much of it there is, and how much was read.
pub struct Input {
    /// What to read.
    pub reader: Box<dyn BufRead + Send>,
    /// Its size in bytes, where it has one.
    pub size: Option<u64>,
    /// How many bytes were read.
    pub read: Arc<AtomicU64>,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let (source, size): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).with_context(|| path.display().to_string())?;
            let about = file.metadata().with_context(|| path.display().to_string())?;
            anyhow::ensure!(!about.is_dir(), "{}: is a directory", path.display());
            (Box::new(file), about.is_file().then_some(about.len()))
        };
        let read = Arc::<AtomicU64>::default();
        let counted = Counted { source, read: Arc::clone(&read) };
        Ok(Self { reader: Box::new(BufReader::with_capacity(256 * 1024, counted)), size, read })
    }
}

struct Counted {
    source: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
