//! One HTTP response with an event stream in it, read so that an end, a cut and a reset are three things.

use std::{collections::VecDeque, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    chunked::ChunkDecoder,
    raw::Head,
    sse_parser::{Item, SseParser},
    wait::PATIENCE,
};

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With the last chunk: some clients take it as finished.
    Clean,
    /// Without the last chunk: every client comes back.
    Cut,
    /// By a reset.
    Reset,
}

/// How a subscriber speaks to the service, where that is not what most do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// The path that it asks for.
    pub(crate) path: &'static str,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub(crate) version: &'static str,
    /// Bytes that its kernel takes on its behalf while it does not read; as much as it likes if `None`.
    pub(crate) receive_buffer: Option<u32>,
    /// More lines of the head, each with its line end.
    pub(crate) headers: &'static str,
}

impl Manner {
    /// What most do.
    pub(crate) const USUAL: Self = Self { path: "/events/subscribe", version: "HTTP/1.1", receive_buffer: None, headers: "" };
    /// Takes next to nothing while the test does not read.
    pub(crate) const SLOW: Self = Self { receive_buffer: Some(4096), ..Self::USUAL };
}

/// One response, from its head to its end.
pub(crate) struct Connection {
    stream: TcpStream,
    head: Head,
    chunks: Option<ChunkDecoder>,
    parser: SseParser,
    items: VecDeque<Item>,
    ending: Option<Ending>,
}

impl Connection {
    /// Asks, and reads the head; fails unless an event stream follows.
    ///
    /// # Errors
    /// What came instead.
    pub(crate) async fn open(addr: SocketAddr, manner: Manner, query: &str, last_event_id: Option<&str>) -> Result<Self, String> {
        let socket = TcpSocket::new_v4().map_err(|e| e.to_string())?;
        if let Some(bytes) = manner.receive_buffer {
            // before connecting, because a window that was offered is not taken back
            socket.set_recv_buffer_size(bytes).map_err(|e| e.to_string())?;
        }
        let mut stream = socket.connect(addr).await.map_err(|e| e.to_string())?;
        stream.write_all(&subscribe_request(addr, manner, query, last_event_id)).await.map_err(|e| e.to_string())?;
        // a byte at a time, so that nothing of the body is taken
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match timeout(PATIENCE, stream.read_u8()).await {
                Ok(Ok(byte)) => head.push(byte),
                Ok(Err(e)) => return Err(format!("no whole head ({e}): {:?}", String::from_utf8_lossy(&head))),
                Err(_) => return Err(format!("no whole head within {PATIENCE:?}: {:?}", String::from_utf8_lossy(&head))),
            }
        }
        let head = Head::parse(&String::from_utf8_lossy(&head));
        if head.status != 200 || !head.header("content-type").is_some_and(|value| value.starts_with("text/event-stream")) {
            return Err(format!("not an event stream: {head:?}"));
        }
        let chunks = head.is_chunked().then(ChunkDecoder::default);
        Ok(Self { stream, head, chunks, parser: SseParser::default(), items: VecDeque::new(), ending: None })
    }

    /// The response's head.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// How it ended, if it has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The next item, or nothing at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// What no stream of this service may contain.
    pub(crate) async fn next_item(&mut self) -> Result<Option<Item>, String> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(item) = self.items.pop_front() {
                return Ok(Some(item));
            }
            if self.ending.is_some() {
                return Ok(None);
            }
            match self.stream.read(&mut buffer).await {
                Ok(0) => self.ending = Some(Ending::Cut),
                Ok(n) => self.take(&buffer[..n])?,
                Err(_) => self.ending = Some(Ending::Reset),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut items = Vec::new();
        if let Some(chunks) = &mut self.chunks {
            let mut body = Vec::new();
            chunks.feed(bytes, &mut body)?;
            self.parser.feed(&body, &mut items)?;
            if chunks.is_done() {
                self.ending = Some(Ending::Clean);
                if !self.parser.is_between_blocks() {
                    return Err("a clean end in the middle of a block".to_owned());
                }
            }
        } else {
            self.parser.feed(bytes, &mut items)?;
        }
        self.items.extend(items);
        Ok(())
    }
}

/// The request of a subscription.
pub(crate) fn subscribe_request(addr: SocketAddr, manner: Manner, query: &str, last_event_id: Option<&str>) -> Vec<u8> {
    let Manner { path, version, headers, .. } = manner;
    let resume = last_event_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    format!("GET {path}?{query} {version}\r\nHost: {addr}\r\nAccept: text/event-stream\r\n{resume}{headers}\r\n").into_bytes()
}
