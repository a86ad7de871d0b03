//! A detached connection: the socket of a client that follows, driven by its shard.

use std::{
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

use super::{
    Style,
    encode::{chunked, event_block, notice_block},
};
use crate::hub::{Encoded, Flow, Frame, Notice, Offer, Outlet};

/// What a client may send after its request before it is taken for an abuser, in bytes: a stream has no use for more requests.
const INBOUND_ALLOWANCE: u16 = 16 * 1024;
/// What completes a chunked body (RFC 9112 §7.1): a stream that must not be resumed ends with it, any other is cut.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Slices in one vectored write.
const SLICES: usize = 64;

/// A socket that has left actix.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    style: Style,
    chunked: bool,
    inbound: u16,
    /// Told in `hub.open`, so that a client and the log of an operator can speak of the same connection.
    name: u64,
    /// The rest of what the socket took a part of.
    pinned: Bytes,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, style: Style, chunked: bool) -> Self {
        Self { socket, style, chunked, inbound: 0, name: fastrand::u64(..), pinned: Bytes::new() }
    }

    fn bytes<'a>(&self, encoded: &'a Encoded) -> &'a [u8] {
        if self.chunked { &encoded.framed } else { &encoded.framed[encoded.bare.clone()] }
    }

    fn shared(&self, encoded: &Encoded) -> Bytes {
        if self.chunked { encoded.framed.clone() } else { encoded.framed.slice(encoded.bare.clone()) }
    }

    fn encoded<'a>(&self, frame: &'a Frame) -> &'a Encoded {
        frame.encoded(self.style.form(), |frame| chunked(&event_block(frame, self.style)))
    }

    /// Writes up to [`SLICES`] frames with one call.
    fn write_some(&mut self, frames: &[&Frame]) -> Offer {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = frames.len().min(SLICES);
        for (slice, frame) in slices.iter_mut().zip(frames) {
            *slice = IoSlice::new(self.bytes(self.encoded(frame)));
        }
        let written = match count {
            1 => self.socket.try_write(&slices[0]),
            _ => self.socket.try_write_vectored(&slices[..count]),
        };
        let mut left = match written {
            Ok(written) => written,
            Err(error) if is_passing(&error) => return Offer { taken: 0, flow: Flow::Blocked },
            Err(_) => return Offer { taken: 0, flow: Flow::Closed },
        };
        for (at, slice) in slices[..count].iter().enumerate() {
            if left < slice.len() {
                if left == 0 {
                    return Offer { taken: at, flow: Flow::Blocked };
                }
                self.pinned = self.shared(self.encoded(frames[at]));
                self.pinned.advance(left);
                return Offer { taken: at + 1, flow: Flow::Blocked };
            }
            left -= slice.len();
        }
        Offer { taken: count, flow: Flow::Open }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl Outlet for Connection {
    fn offer(&mut self, frames: &[&Frame]) -> Offer {
        let mut taken = 0;
        while taken < frames.len() {
            let offer = self.write_some(&frames[taken..]);
            taken += offer.taken;
            if offer.flow != Flow::Open {
                return Offer { taken, flow: offer.flow };
            }
        }
        Offer { taken, flow: Flow::Open }
    }

    fn tell(&mut self, notice: &Notice<'_>) -> Flow {
        let name = format!("{:016x}", self.name);
        self.pinned = self.shared(&chunked(&notice_block(notice, self.style, &name)));
        if let Notice::Closing { reason, .. } = notice
            && reason.is_final()
            && self.chunked
        {
            self.pinned = [&self.pinned, LAST_CHUNK].concat().into();
        }
        self.flush()
    }

    fn flush(&mut self) -> Flow {
        while self.pinned.has_remaining() {
            match self.socket.try_write(&self.pinned) {
                Ok(written) => self.pinned.advance(written),
                Err(error) if is_passing(&error) => return Flow::Blocked,
                Err(_) => return Flow::Closed,
            }
        }
        // an empty slice of a shared frame would keep the whole frame
        self.pinned = Bytes::new();
        Flow::Open
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // an error shows with the next write
        self.socket.poll_write_ready(cx).map(drop)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0; 1024];
        loop {
            if ready!(self.socket.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            match self.socket.try_read(&mut scrap) {
                Ok(0) => return Poll::Ready(()),
                Ok(read) => {
                    let read = u16::try_from(read).unwrap_or(u16::MAX);
                    match self.inbound.checked_add(read) {
                        Some(inbound) if inbound <= INBOUND_ALLOWANCE => self.inbound = inbound,
                        _ => return Poll::Ready(()),
                    }
                }
                Err(error) if is_passing(&error) => {}
                Err(_) => return Poll::Ready(()),
            }
        }
    }

    fn cut(self) {
        // a close with unread input becomes a reset, which may overtake the last bytes; a FIN does not
        let _ = socket2::SockRef::from(&self.socket).shutdown(std::net::Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::hub::CloseReason;

    /// What a client reads of a stream that is closed for `reason`, to its end.
    async fn read_to_end(reason: CloseReason, chunked: bool) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let socket = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connects");
        let (mut client, _) = listener.accept().expect("accepts");
        socket.writable().await.expect("connected");
        let mut connection = Connection::new(socket, Style::default(), chunked);
        assert_eq!(connection.tell(&Notice::Closing { reason, retry: 1 }), Flow::Open);
        connection.cut();
        let mut read = String::new();
        client.read_to_string(&mut read).expect("no reset");
        read
    }

    #[tokio::test]
    async fn a_final_reason_completes_the_stream_and_any_other_cuts_it() {
        for reason in CloseReason::ALL {
            let block = notice_block(&Notice::Closing { reason, retry: 1 }, Style::default(), "");
            let end =
                if matches!(reason, CloseReason::Expired | CloseReason::Revoked | CloseReason::Superseded) { "0\r\n\r\n" } else { "" };
            assert_eq!(read_to_end(reason, true).await, format!("{:x}\r\n{block}\r\n{end}", block.len()));
            // without chunks there is only the end of the connection
            assert_eq!(read_to_end(reason, false).await, block);
        }
    }
}
