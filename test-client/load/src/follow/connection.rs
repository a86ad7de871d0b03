//! One follower: its socket and what it has seen.

use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use super::Ask;
use crate::{clock, mark::Carry};

/// Followers of one source address: below the kernel's default range of ports, with room for those that linger from the run before.
const PER_SOURCE: usize = 4_000;

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
    pub(super) carry: Carry,
    /// The number of the newest event, plus one.
    pub(super) next: u64,
    /// Events of this phase.
    pub(super) count: u64,
    pub(super) opened_at: u64,
    pub(super) deaf: bool,
}

impl Connection {
    /// Begins to connect, from a source address of the `i`th follower's own range.
    pub(super) fn begin(server: SocketAddr, i: usize, deaf: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        if let IpAddr::V4(address) = server.ip()
            && address.is_loopback()
        {
            let [_, _, c, d] = Ipv4Addr::from_bits((2 + i / PER_SOURCE) as u32).octets();
            socket.bind(&SocketAddr::from(([127, 0, c, d], 0)).into())?;
        }
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => return Err(error),
            _ => {}
        }
        Ok(Self {
            socket: TcpStream::from_std(socket.into()),
            stage: Stage::Connecting,
            carry: Carry::default(),
            next: 0,
            count: 0,
            opened_at: clock::now(),
            deaf,
        })
    }

    /// Writes the request; it fits into an empty socket.
    pub(super) fn request(&mut self, server: SocketAddr, ask: &Ask, group: u64) -> io::Result<()> {
        let path = ask.path.replace("{i}", &group.to_string());
        let cursor = ask.cursor.as_ref().map(|cursor| format!("last-event-id: {cursor}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {server}\r\naccept: text/event-stream\r\n{cursor}\r\n");
        self.socket.write_all(request.as_bytes())
    }
}
