//! A connection that is no stream yet: what it is waiting for, until when, and how much may be read meanwhile.
//!
//! Moved on by [`super::io`], which is polled by actix and told by the middleware; owned by one worker's thread.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

use super::terms::{Alarm, Terms};

/// The most that is read before actix has looked at it: many small requests in one read would all be kept as objects.
const TURN_BYTES: usize = 16 * 1024;

/// What the connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first byte of another request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The rest of a body that a handler may read.
    Body,
    /// The handler; nothing is left to read.
    Handled,
    /// The answer to be taken.
    Answering,
    /// A client that has its answer to stop sending.
    Rest,
    /// A client that was refused here to see it.
    Refused,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) socket: RefCell<Option<TcpStream>>,
    /// Everything that was written has been handed to the kernel.
    pub(super) flushed: Cell<bool>,
    pub(super) terms: Rc<Terms>,
    pub(super) phase: Cell<Phase>,
    /// When the phase is over.
    deadline: Cell<Option<Instant>>,
    /// When a write that the kernel does not take is given up.
    stalled: Cell<Option<Instant>>,
    alarm: Alarm,
    /// Bytes of the head that is being read.
    head: Cell<usize>,
    /// Bytes that actix has not looked at.
    pub(super) turn: Cell<usize>,
    /// Whom to wake when there is something to read, and reading goes on.
    held: RefCell<Option<Waker>>,
}

impl Slot {
    pub(super) fn new(socket: TcpStream, terms: Rc<Terms>) -> Self {
        let deadline = Instant::now() + terms.patience.head;
        Self {
            socket: RefCell::new(Some(socket)),
            flushed: Cell::new(false),
            terms,
            phase: Cell::new(Phase::Head),
            deadline: Cell::new(Some(deadline)),
            stalled: Cell::new(None),
            alarm: Alarm::default(),
            head: Cell::new(0),
            turn: Cell::new(0),
            held: RefCell::new(None),
        }
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match self.socket.borrow_mut().as_mut() {
            Some(socket) => act(Pin::new(socket)),
            None => Poll::Ready(Err(io::Error::new(io::ErrorKind::NotConnected, "the connection was handed over to a stream"))),
        }
    }

    pub(super) fn enter(&self, phase: Phase, deadline: Option<Instant>) {
        self.phase.set(phase);
        self.deadline.set(deadline);
        if !matches!(phase, Phase::Handled | Phase::Answering)
            && let Some(waker) = self.held.take()
        {
            waker.wake();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.deadline.get().is_some_and(|deadline| Instant::now() >= deadline)
    }

    pub(super) fn poll_deadline(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.get().map_or(Poll::Pending, |deadline| self.alarm.poll_until(deadline, cx))
    }

    /// Reads nothing, and finds out that there is something only once.
    pub(super) fn hold(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.with(|socket| socket.poll_read_ready(cx)))?;
        self.held.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// How many bytes actix may read before it looks at them.
    pub(super) fn allowance(&self) -> usize {
        let turn = TURN_BYTES.saturating_sub(self.turn.get());
        if self.phase.get() == Phase::Head { turn.min(self.terms.head_bytes.saturating_sub(self.head.get())) } else { turn }
    }

    pub(super) fn read(&self, allowance: usize, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = if buf.remaining() <= allowance {
            self.with(|socket| socket.poll_read(cx, buf))
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(allowance));
            let read = self.with(|socket| socket.poll_read(cx, &mut part));
            let bytes = part.filled().len();
            buf.advance(bytes);
            read
        };
        if read.is_pending() && self.poll_deadline(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        ready!(read)?;
        let bytes = buf.filled().len() - before;
        self.turn.set(self.turn.get() + bytes);
        match self.phase.get() {
            Phase::Idle if bytes > 0 => {
                self.head.set(bytes);
                self.enter(Phase::Head, Some(Instant::now() + self.terms.patience.head));
            }
            Phase::Head => self.head.set(self.head.get() + bytes),
            _ => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Sends a response that ends the connection; resolves when it may be closed without losing the response.
    pub(super) fn refuse(&self, response: &Bytes, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.enter(Phase::Refused, Some(Instant::now() + self.terms.patience.unread));
        let sent = self.with(|socket| {
            // a buffer that has no room for so little belongs to a client that does not read anyway
            let _ = socket.try_write(response);
            socket.poll_shutdown(cx)
        });
        match sent {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            _ => self.poll_refused(cx),
        }
    }

    pub(super) fn poll_refused(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let over = || io::Error::new(io::ErrorKind::ConnectionAborted, "the request was refused before it was one");
        let mut scratch = [0; 4096];
        for _ in 0..TURN_BYTES / scratch.len() {
            let mut buf = ReadBuf::new(&mut scratch);
            match self.with(|socket| socket.poll_read(cx, &mut buf)) {
                Poll::Pending => return self.poll_deadline(cx).map(|()| over()),
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(over()),
            }
        }
        if self.is_over() {
            return Poll::Ready(over());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gives up a write that the kernel has not taken anything of for too long.
    pub(super) fn took(&self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled.set(None);
            return written;
        }
        let deadline = self.stalled.get().unwrap_or_else(|| Instant::now() + self.terms.patience.answer);
        self.stalled.set(Some(deadline));
        ready!(self.alarm.poll_until(deadline, cx));
        if let Some(socket) = &*self.socket.borrow() {
            // else the kernel goes on holding what was not taken; a socket that is gone already refuses
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer")))
    }

    /// What stands in for an answer that no handler made.
    pub(super) fn refusal_for(&self, buf: &[u8]) -> Option<&Bytes> {
        let status = (self.phase.get() == Phase::Head).then_some(buf)?.strip_prefix(b"HTTP/1.1 4")?;
        Some(if status.starts_with(b"31") { &self.terms.refusals.too_large } else { &self.terms.refusals.malformed })
    }
}
