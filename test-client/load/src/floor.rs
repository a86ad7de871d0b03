//! The floor: the least that a fan-out can do. One thread, one epoll, one `send` a delivery; no log, no filter, no resume, no limits.
//!
//! It answers a GET with the head of an event stream and a POST with 204 once it has written the body to everyone. It exists to be measured.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read as _, Write as _},
    net::SocketAddr,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

const LISTENER: Token = Token(usize::MAX);
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\nconnection: close\r\n\r\n";
const DONE: &[u8] = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n";

struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    follows: bool,
    /// What the socket did not take.
    rest: VecDeque<u8>,
}

/// Serves until it is killed.
pub(crate) fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let mut poll = Poll::new()?;
    let socket = socket2::Socket::new(socket2::Domain::for_address(listen), socket2::Type::STREAM.nonblocking(), None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&listen.into())?;
    socket.listen(4096)?;
    let mut listener = TcpListener::from_std(socket.into());
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut free = Vec::new();
    let mut events = Events::with_capacity(1024);
    let (mut published, mut frame) = (0u64, Vec::new());
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            done => done?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    let at = free.pop().unwrap_or(clients.len());
                    socket.set_nodelay(true)?;
                    poll.registry().register(&mut socket, Token(at), Interest::READABLE | Interest::WRITABLE)?;
                    let client = Some(Client { socket, request: Vec::new(), follows: false, rest: VecDeque::new() });
                    if at == clients.len() { clients.push(client) } else { clients[at] = client }
                }
                continue;
            }
            let at = event.token().0;
            let Some(client) = clients.get_mut(at).and_then(Option::as_mut) else { continue };
            let alive = (!event.is_writable() || client.flush().is_ok()) && (!event.is_readable() || client.read().is_ok());
            if !alive {
                clients[at] = None;
                free.push(at);
                continue;
            }
            while let Some(body) = clients[at].as_mut().and_then(Client::posted) {
                published += 1;
                frame.clear();
                write!(frame, "id: {published}\ndata: ")?;
                frame.extend_from_slice(&body);
                frame.extend_from_slice(b"\n\n");
                for client in clients.iter_mut().flatten().filter(|client| client.follows) {
                    // who has gone is noticed by its own event
                    let _ = client.send(&frame);
                }
                if let Some(client) = &mut clients[at] {
                    let _ = client.send(DONE);
                }
            }
        }
    }
}

impl Client {
    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.request.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// The body of a complete POST; answers a GET.
    fn posted(&mut self) -> Option<Vec<u8>> {
        let head = memchr::memmem::find(&self.request, b"\r\n\r\n")? + 4;
        if self.request.starts_with(b"GET") {
            self.request = Vec::new();
            self.follows = true;
            let _ = self.send(STREAM_HEAD);
            return None;
        }
        let text = std::str::from_utf8(&self.request[..head]).ok()?;
        let length: usize = text.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
        if self.request.len() < head + length {
            return None;
        }
        let body = self.request[head..head + length].to_vec();
        self.request.drain(..head + length);
        Some(body)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.rest.is_empty() {
            self.rest.extend(bytes);
            return Ok(());
        }
        match self.socket.write(bytes) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(written) => {
                self.rest.extend(&bytes[written..]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.rest.extend(bytes);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.rest.is_empty() {
            match self.socket.write(self.rest.make_contiguous()) {
                Ok(written) => drop(self.rest.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
