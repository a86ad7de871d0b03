//! One follower: its socket and what it has seen.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    sync::Arc,
};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use super::Opening;
use crate::{clock, mark::Carry};

/// The ports of one source address, out of the kernel's default range for outgoing connections.
const PORTS: Range<u32> = 33_000..60_000;
/// Source addresses, from 127.0.0.2 on: more connections than a run opens.
const SOURCES: u32 = 250;

/// How far a follower is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The connect is under way, or the request not written.
    Connecting,
    /// What there is of the response's head.
    Heading(Vec<u8>),
    Streaming,
    /// Streams, and reads nothing.
    Deaf,
    /// Ended or failed.
    Over,
}

/// A follower.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) stage: Stage,
    pub(super) opening: Arc<Opening>,
    group: u64,
    pub(super) carry: Carry,
    /// The number of the next event that is due.
    pub(super) next: u64,
    /// Events of this phase.
    pub(super) count: u64,
    pub(super) opened_at: u64,
}

/// Begins to connect; the `nth` connection of the tool has a source address and port that none had before it, because the kernel's own search
/// for a port takes long where many connections are or have just ended.
pub(super) fn connect(server: SocketAddr, nth: u32, deaf: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if server.ip().is_loopback() && server.is_ipv4() {
        let source = Ipv4Addr::new(127, 0, 0, (2 + nth / PORTS.len() as u32 % SOURCES) as u8);
        let port = (PORTS.start + nth % PORTS.len() as u32) as u16;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((source, port)).into())?;
    }
    if deaf {
        // its own kernel would keep megabytes for it, and the server would not notice for long that it does not read
        socket.set_recv_buffer_size(4096)?;
    }
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

impl Connection {
    pub(super) fn new(socket: TcpStream, opening: Arc<Opening>, group: u64) -> Self {
        Self { socket, stage: Stage::Connecting, opening, group, carry: Carry::default(), next: 0, count: 0, opened_at: clock::now() }
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.opening.ask.deaf
    }

    /// Counts from the first event of its group that is not before `start`.
    pub(super) fn expect_from(&mut self, start: u64) {
        let groups = self.opening.groups;
        self.count = 0;
        self.next = start + (self.group + groups - start % groups) % groups;
    }

    /// Writes the request; it fits into an empty socket.
    pub(super) fn request(&mut self) -> io::Result<()> {
        let Opening { server, ask, .. } = &*self.opening;
        let path = ask.path.replace("{i}", &self.group.to_string());
        let cursor = ask.cursor.as_ref().map(|cursor| format!("last-event-id: {cursor}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {server}\r\naccept: text/event-stream\r\n{cursor}\r\n");
        self.socket.write_all(request.as_bytes())
    }
}
