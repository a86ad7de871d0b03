//! Newcomers beside a flood: how long a new stream and `/health/live` take while the service is busy.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::ensure;
use hdrhistogram::Histogram;

use crate::{clock, follow, http::Http, outcome::Figures};

const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

/// A thread that asks until it is told to end.
pub(super) struct Probes {
    over: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Asked>>,
}

struct Asked {
    streams: Histogram<u64>,
    health: Histogram<u64>,
}

impl Probes {
    pub(super) fn start(server: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        Self { over, thread: thread::spawn(move || ask(server, &until)) }
    }

    /// Ends the thread and notes what it saw.
    pub(super) fn end(self, figures: &mut Figures) -> anyhow::Result<()> {
        self.over.store(true, Relaxed);
        let asked = self.thread.join().expect("the probes' thread does not panic")?;
        figures.set("probes", asked.health.len() as f64);
        figures.percentiles("new_stream", &asked.streams);
        figures.percentiles("health_live", &asked.health);
        Ok(())
    }
}

fn ask(server: SocketAddr, over: &AtomicBool) -> anyhow::Result<Asked> {
    let mut asked = Asked { streams: follow::histogram(), health: follow::histogram() };
    // at least once each, however short the flood
    loop {
        let at = clock::now();
        Http::connect(server)?.get("/health/live")?;
        follow::record(&mut asked.health, at);
        let at = clock::now();
        first_words(server)?;
        follow::record(&mut asked.streams, at);
        if over.load(Relaxed) {
            return Ok(asked);
        }
        thread::sleep(PAUSE);
    }
}

/// Subscribes on a connection of its own and waits for the first frame.
fn first_words(server: SocketAddr) -> anyhow::Result<()> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(socket, "GET /events/subscribe?streams=none HTTP/1.1\r\nhost: {server}\r\naccept: text/event-stream\r\n\r\n")?;
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    while memchr::memmem::find(&seen, b"hub.open").is_none() {
        let read = socket.read(&mut chunk)?;
        ensure!(read > 0, "the new stream ended");
        seen.extend_from_slice(&chunk[..read]);
    }
    Ok(())
}
