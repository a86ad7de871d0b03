//! A subscriber that behaves as EventSource does, over a raw socket, and keeps a transcript of everything that it was sent.
//!
//! It is strict where a browser is lenient: a frame that this service must never send fails the test ([`super::sse_parser`]), and so does
//! a clean end in the middle of one ([`super::sse_connection`]).

use std::net::SocketAddr;

use tokio::time::{Instant, timeout, timeout_at};

use super::{
    http::Answer,
    raw::{Head, RawConnection},
    sse_connection::{Connection, Ending, Manner, subscribe_request},
    sse_parser::{Frame, Item, seq_of},
    wait::{PATIENCE, eventually},
};

/// One subscription across all its connections.
pub(crate) struct SseClient {
    addr: SocketAddr,
    manner: Manner,
    query: String,
    connection: Connection,
    transcript: Vec<Frame>,
    heartbeats: usize,
    last_id: Option<String>,
    retry: Option<u64>,
}

impl SseClient {
    /// Subscribes with this query; panics unless the answer is an event stream.
    pub(crate) async fn connect(addr: SocketAddr, query: &str, last_event_id: Option<&str>) -> Self {
        Self::connect_as(Manner::USUAL, addr, query, last_event_id).await
    }

    /// The same in a manner of its own, which it keeps when it comes back.
    pub(crate) async fn connect_as(manner: Manner, addr: SocketAddr, query: &str, last_event_id: Option<&str>) -> Self {
        let connection = Connection::open(addr, manner, query, last_event_id).await.unwrap_or_else(|e| panic!("subscribe {query}: {e}"));
        let last_id = last_event_id.map(str::to_owned);
        Self { addr, manner, query: query.to_owned(), connection, transcript: Vec::new(), heartbeats: 0, last_id, retry: None }
    }

    /// Subscribes and waits until it is live.
    pub(crate) async fn live(addr: SocketAddr, query: &str) -> Self {
        let mut client = Self::connect(addr, query, None).await;
        client.until_live().await;
        client
    }

    /// Asks for a subscription that will be refused by a status.
    pub(crate) async fn refused(addr: SocketAddr, query: &str, last_event_id: Option<&str>) -> Answer {
        RawConnection::send(addr, subscribe_request(addr, Manner::USUAL, query, last_event_id)).await.answer().await
    }

    /// Every frame so far, of all connections.
    pub(crate) fn transcript(&self) -> &[Frame] {
        &self.transcript
    }

    /// How many comments came.
    pub(crate) fn heartbeats(&self) -> usize {
        self.heartbeats
    }

    /// What would be sent as `Last-Event-ID`.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The last `retry`, in milliseconds.
    pub(crate) fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// The head of the present connection's response.
    pub(crate) fn head(&self) -> &Head {
        self.connection.head()
    }

    /// The next frame of any kind.
    pub(crate) async fn next_frame(&mut self) -> Frame {
        self.until("any frame", |_| true).await
    }

    /// The next event of the log. The service may tell of itself in between, but neither of a gap nor of an end.
    pub(crate) async fn next_event(&mut self) -> Frame {
        let frame = self.until("an event", |frame| !matches!(frame.name(), "hub.open" | "hub.live" | "hub.cursor")).await;
        assert!(frame.is_event(), "wanted an event, got {frame:?}\n{}", self.report());
        frame
    }

    /// The next `n` events.
    pub(crate) async fn next_events(&mut self, n: usize) -> Vec<Frame> {
        let mut events = Vec::with_capacity(n);
        while events.len() < n {
            events.push(self.next_event().await);
        }
        events
    }

    /// Reads until a frame is as wanted, and returns it.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match timeout_at(deadline, self.next_item()).await {
                Ok(Some(Item::Frame(frame))) if wanted(&frame) => return frame,
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended before {what} came\n{}", self.report()),
                Err(_) => panic!("{what} did not come within {PATIENCE:?}\n{}", self.report()),
            }
        }
    }

    /// Reads until `hub.live`.
    pub(crate) async fn until_live(&mut self) -> Frame {
        self.until("hub.live", |frame| frame.name() == "hub.live").await
    }

    /// Reads until a heartbeat comes.
    pub(crate) async fn until_heartbeat(&mut self) {
        let before = self.heartbeats;
        let deadline = Instant::now() + PATIENCE;
        while self.heartbeats == before {
            match timeout_at(deadline, self.next_item()).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended before a heartbeat came\n{}", self.report()),
                Err(_) => panic!("no heartbeat within {PATIENCE:?}\n{}", self.report()),
            }
        }
    }

    /// Reads until the stream ends.
    pub(crate) async fn until_end(&mut self) -> Ending {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match timeout_at(deadline, self.next_item()).await {
                Ok(Some(_)) => {}
                Ok(None) => return self.connection.ending().expect("no item comes after the end"),
                Err(_) => panic!("the stream did not end within {PATIENCE:?}\n{}", self.report()),
            }
        }
    }

    /// Behaves as EventSource until a frame is as wanted: whenever the stream ends it comes back with the last id.
    pub(crate) async fn follow_until(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match timeout_at(deadline, self.next_item()).await {
                Ok(Some(Item::Frame(frame))) if wanted(&frame) => return frame,
                Ok(Some(_)) => {}
                Ok(None) => self.reconnect().await,
                Err(_) => panic!("{what} did not come within {PATIENCE:?}, reconnects included\n{}", self.report()),
            }
        }
    }

    /// Follows until its cursor stands at `seq` or behind it.
    pub(crate) async fn follow_to(&mut self, seq: u64) {
        if self.last_id().is_some_and(|id| seq_of(id) >= seq) {
            return;
        }
        self.follow_until(&format!("a cursor at {seq}"), |frame| frame.id_seq().is_some_and(|at| at >= seq)).await;
    }

    /// Behaves as EventSource until `over`, and returns how each of its streams ended: with which reason, if it was told one. Fails where an EventSource
    /// would give up for good, which is at every answer but an event stream.
    pub(crate) async fn follow_while(&mut self, over: impl Future<Output = ()>) -> Vec<(Option<String>, Ending)> {
        let (mut over, mut ends) = (std::pin::pin!(over), Vec::new());
        loop {
            let item = tokio::select! {
                biased;
                item = self.next_item() => item,
                () = &mut over => return ends,
            };
            if item.is_some() {
                continue;
            }
            let last = self.transcript.last().filter(|frame| frame.name() == "hub.closing");
            let reason = last.and_then(|frame| frame.json()["reason"].as_str().map(str::to_owned));
            ends.push((reason, self.connection.ending().expect("no item comes after the end")));
            let opened = Connection::open(self.addr, self.manner, &self.query, self.last_id.as_deref()).await;
            self.connection = opened.unwrap_or_else(|fault| panic!("{fault}\n{}", self.report()));
        }
    }

    /// Comes back if its cursor is not at `seq` yet, which without heartbeats it would not be told when nothing matches, and reads until it is.
    pub(crate) async fn reconnect_if_behind(&mut self, seq: u64) {
        if self.last_id().is_none_or(|id| seq_of(id) < seq) {
            self.reconnect().await;
            self.follow_to(seq).await;
        }
    }

    /// Reads until `condition` is met, and fails if any frame comes before; heartbeats are silence.
    pub(crate) async fn expect_silence_until<T>(&mut self, condition: impl Future<Output = T>) -> T {
        let mut condition = std::pin::pin!(timeout(PATIENCE, condition));
        loop {
            let item = tokio::select! {
                biased;
                item = self.next_item() => item,
                met = &mut condition => return met.unwrap_or_else(|_| panic!("the condition was not met within {PATIENCE:?}")),
            };
            assert!(matches!(item, Some(Item::Comment(_))), "wanted silence, got {item:?}\n{}", self.report());
        }
    }

    /// Comes back with the last id, as soon as there is someone to come back to.
    pub(crate) async fn reconnect(&mut self) {
        let (addr, manner, query, last_id) = (self.addr, self.manner, &self.query, self.last_id.as_deref());
        self.connection = eventually("subscribed again", async || Connection::open(addr, manner, query, last_id).await).await;
    }

    /// Comes back to another instance.
    pub(crate) async fn reconnect_to(&mut self, addr: SocketAddr) {
        self.addr = addr;
        self.reconnect().await;
    }

    /// What it was sent last, for a failed test.
    pub(crate) fn report(&self) -> String {
        let from = self.transcript.len().saturating_sub(20);
        let last: Vec<String> = self.transcript[from..].iter().map(|frame| format!("  {frame:?}")).collect();
        format!(
            "query {}, {} frames, {} heartbeats, last id {:?}, ending {:?}; the last frames:\n{}",
            self.query,
            self.transcript.len(),
            self.heartbeats,
            self.last_id,
            self.connection.ending(),
            last.join("\n")
        )
    }

    async fn next_item(&mut self) -> Option<Item> {
        let item = match self.connection.next_item().await {
            Ok(item) => item,
            Err(fault) => panic!("{fault}\n{}", self.report()),
        };
        match &item {
            Some(Item::Comment(_)) => self.heartbeats += 1,
            Some(Item::Frame(frame)) => {
                self.last_id = frame.id.clone().or(self.last_id.take());
                self.retry = frame.retry.or(self.retry);
                self.transcript.push(frame.clone());
            }
            None => {}
        }
        item
    }
}

mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// A server that answers its connections with these texts, and returns what it was asked.
    async fn scripted(answers: Vec<String>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("bound");
        let serve = async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.expect("loopback accepts");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.expect("a request"));
                }
                asked.push(String::from_utf8(request).expect("ASCII"));
                stream.write_all(answer.as_bytes()).await.expect("read");
            }
            asked
        };
        (addr, tokio::spawn(serve))
    }

    fn chunk(text: &str) -> String {
        format!("{:X}\r\n{text}\r\n", text.len())
    }

    #[tokio::test]
    async fn a_cut_stream_is_resumed_after_the_last_whole_frame_and_an_end_is_told_from_a_cut() {
        let cut = chunk("event: a.b\ndata: 2\nid: 00000001-2\n\n");
        let first = [HEAD, &chunk(":\nevent: a.b\ndata: 1\nid: 00000001-1\n\n"), &cut[..cut.len() - 4]].concat();
        let second = [HEAD, &cut, "0\r\n\r\n"].concat();
        let (addr, server) = scripted(vec![first, second]).await;
        let mut client = SseClient::connect(addr, "all=true", None).await;
        assert_eq!(client.until_end().await, Ending::Cut);
        assert_eq!((client.heartbeats(), client.last_id()), (1, Some("00000001-1")));
        client.follow_to(2).await;
        assert_eq!(client.until_end().await, Ending::Clean);
        assert_eq!(client.transcript().iter().map(|frame| &frame.data[..]).collect::<Vec<_>>(), ["1", "2"]);
        let asked = server.await.expect("no panic");
        assert!(!asked[0].contains("Last-Event-ID") && asked[1].contains("\r\nLast-Event-ID: 00000001-1\r\n"), "{asked:?}");
    }

    #[tokio::test]
    #[should_panic(expected = "wanted silence")]
    async fn a_frame_breaks_silence() {
        let (addr, _server) = scripted(vec![[HEAD, &chunk("data: 1\n\n")].concat()]).await;
        SseClient::connect(addr, "all=true", None).await.expect_silence_until(std::future::pending::<()>()).await;
    }

    #[tokio::test]
    async fn a_refusal_is_read_as_an_answer() {
        let problem = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: 29\r\n\r\n";
        let (addr, _server) = scripted(vec![format!("{problem}{}", r#"{"code":"nope","status": 400}"#)]).await;
        assert_eq!(SseClient::refused(addr, "", None).await.problem(400), "nope");
    }
}
