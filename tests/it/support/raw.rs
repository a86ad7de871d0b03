//! HTTP by hand, for what no client library would send: old versions, pipelines, half-closes, resets, bytes that are no text.

use std::{net::SocketAddr, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{chunked::ChunkDecoder, http::Answer, wait::PATIENCE};

/// The head of a response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub(crate) version: String,
    /// The status.
    pub(crate) status: u16,
    /// Names in lower case, values as sent.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| &value[..])
    }

    /// Whether the body is chunked.
    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    /// Reads a status line and header lines.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let mut words = status_line.split(' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let headers =
            lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Self { version, status, headers: headers.collect() }
    }
}

/// A connection on which nothing happens but what a test does.
pub(crate) struct RawConnection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl RawConnection {
    /// Connects and sends.
    pub(crate) async fn send(addr: SocketAddr, bytes: impl AsRef<[u8]>) -> Self {
        let mut raw = Self { stream: TcpStream::connect(addr).await.expect("the service listens"), read: Vec::new() };
        raw.write(bytes).await;
        raw
    }

    /// Sends more; the service may have closed already, which shows when its answer is read.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("still open");
    }

    /// Ends it by a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    }

    /// Makes the kernel take little on the reader's behalf.
    pub(crate) fn shrink_receive_buffer(&self) {
        SockRef::from(&self.stream).set_recv_buffer_size(4096).expect("a TCP socket");
    }

    /// Reads the head of a response.
    pub(crate) async fn head(&mut self) -> Head {
        let end = self.read_until(b"\r\n\r\n").await;
        let head: Vec<u8> = self.read.drain(..end).collect();
        Head::parse(std::str::from_utf8(&head).expect("a head is ASCII").trim_end_matches("\r\n"))
    }

    /// Reads until `needle` has come, and returns where it ends.
    pub(crate) async fn read_until(&mut self, needle: &[u8]) -> usize {
        loop {
            if let Some(at) = self.read.windows(needle.len()).position(|window| window == needle) {
                return at + needle.len();
            }
            assert!(self.read_some().await > 0, "closed before {:?}; read {:?}", text(needle), text(&self.read));
        }
    }

    /// Reads until the service closes, by an end or a reset, and returns what is left unread.
    pub(crate) async fn read_to_end(mut self) -> String {
        while self.read_some().await > 0 {}
        text(&self.read)
    }

    /// Reads one whole response, by its length, its chunks, or the end of the connection.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let body = if head.is_chunked() {
            let (mut chunks, mut body) = (ChunkDecoder::default(), Vec::new());
            loop {
                let bytes = std::mem::take(&mut self.read);
                chunks.feed(&bytes, &mut body).expect("well formed chunks");
                if chunks.is_done() || self.read_some().await == 0 {
                    break body;
                }
            }
        } else {
            let length = head.header("content-length").map_or(usize::MAX, |value| value.parse().expect("a length"));
            while self.read.len() < length && self.read_some().await > 0 {}
            self.read.drain(..length.min(self.read.len())).collect()
        };
        Answer {
            status: head.status,
            content_type: head.header("content-type").unwrap_or_default().to_owned(),
            retry_after: head.header("retry-after").map(str::to_owned),
            challenge: head.header("www-authenticate").map(str::to_owned),
            body: text(&body),
        }
    }

    /// Sends the piece again and again until the service closes, and returns what it said.
    pub(crate) async fn trickle_to_end(mut self, piece: &str) -> String {
        const PAUSE: Duration = Duration::from_millis(20);
        let trickling = async {
            loop {
                self.write(piece).await;
                if let Ok(Ok(0) | Err(_)) = timeout(PAUSE, self.stream.read_buf(&mut self.read)).await {
                    break;
                }
            }
        };
        assert!(timeout(PATIENCE, trickling).await.is_ok(), "still open after {PATIENCE:?}");
        text(&self.read)
    }

    /// Whether the service still holds its end, as the kernel sees it: to look does not take anything that waits to be read.
    pub(crate) fn is_held_by_the_service(&self) -> bool {
        // a connection that was reset has no peer
        let (Ok(ours), Ok(theirs)) = (self.stream.local_addr(), self.stream.peer_addr()) else { return false };
        let connections = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        // local address, remote address, state, of which 01 is established and 08 waits for this end to close
        connections.lines().skip(1).any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (local, remote, state) = (words.next(), words.next(), words.next());
            let is = |word: Option<&str>, port: u16| word.is_some_and(|word| word.ends_with(&format!(":{port:04X}")));
            is(local, theirs.port()) && is(remote, ours.port()) && matches!(state, Some("01" | "08"))
        })
    }

    async fn read_some(&mut self) -> usize {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await {
            Ok(found) => found.unwrap_or(0),
            Err(_) => panic!("nothing came for {PATIENCE:?}; read {:?}", text(&self.read)),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Sends a request and reads its answer.
pub(crate) async fn exchange(addr: SocketAddr, bytes: impl AsRef<[u8]>) -> Answer {
    RawConnection::send(addr, bytes).await.answer().await
}

/// A request with these header lines (each ended by CRLF) and the body's length among them.
pub(crate) fn request(method: &str, target: &str, addr: SocketAddr, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: {addr}\r\n{headers}{length}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
