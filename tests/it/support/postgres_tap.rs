//! A TCP proxy before Postgres that reads what the server says: it counts notifications, and can keep them to itself.
//!
//! A session whose notifications are kept from it sees what it sees through a transaction pooler: LISTEN is taken, and nothing comes of it.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What a server's message is, <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
const NOTIFICATION: u8 = b'A';

/// A notification as it went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tapped {
    pub(crate) channel: String,
    pub(crate) payload: String,
}

/// The proxy; gone when dropped.
pub(crate) struct PostgresTap {
    url: String,
    tapped: Arc<Mutex<Vec<Tapped>>>,
    keep: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl PostgresTap {
    /// Passes everything on to the server of a `postgres://` URL, without TLS.
    pub(crate) async fn before(upstream_url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (_, behind) = upstream_url.split_once('@').expect("user@host:port/database");
        let (upstream, database) = behind.split_once('/').expect("a database");
        let own = listener.local_addr().expect("bound");
        let url = upstream_url.replacen(behind, &format!("{own}/{database}?sslmode=disable"), 1);
        let tapped = Arc::default();
        let (keep, kept) = watch::channel(false);
        let task = tokio::spawn(run_tap(listener, upstream.to_owned(), Arc::clone(&tapped), kept));
        Self { url, tapped, keep, task }
    }

    /// The same URL by way of the tap.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on notifications go no further, or do again.
    pub(crate) fn keep_notifications(&self, keep: bool) {
        self.keep.send_replace(keep);
    }

    /// What has come so far to channels whose name holds `part`.
    pub(crate) fn tapped(&self, part: &str) -> Vec<Tapped> {
        let tapped = self.tapped.lock().expect("no reader panics");
        tapped.iter().filter(|one| one.channel.contains(part)).cloned().collect()
    }
}

impl Drop for PostgresTap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run_tap(listener: TcpListener, upstream: String, tapped: Arc<Mutex<Vec<Tapped>>>, keep: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&upstream).await else { continue };
        let ((mut client_reads, client_writes), (server_reads, mut server_writes)) = (client.into_split(), server.into_split());
        let (tapped, keep) = (Arc::clone(&tapped), keep.clone());
        tokio::spawn(async move {
            let _ = tokio::io::copy(&mut client_reads, &mut server_writes).await;
            let _ = server_writes.shutdown().await;
        });
        tokio::spawn(tap(server_reads, client_writes, tapped, keep));
    }
}

/// Message by message: a byte that says what it is, and a length that counts itself.
async fn tap(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, tapped: Arc<Mutex<Vec<Tapped>>>, keep: watch::Receiver<bool>) -> Option<()> {
    loop {
        let kind = from.read_u8().await.ok()?;
        let length = from.read_u32().await.ok()?;
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await.ok()?;
        if kind == NOTIFICATION {
            let mut texts = body[4..].split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
            let (channel, payload) = (texts.next().expect("a channel"), texts.next().expect("a payload"));
            tapped.lock().expect("no reader panics").push(Tapped { channel, payload });
            if *keep.borrow() {
                continue;
            }
        }
        to.write_u8(kind).await.ok()?;
        to.write_u32(length).await.ok()?;
        to.write_all(&body).await.ok()?;
    }
}
