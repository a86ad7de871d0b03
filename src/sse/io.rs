//! The socket as actix sees it, and as a handler sees it; holds a client to the [`Terms`] until the connection is a stream.
//!
//! actix bounds the first head and an idle connection, but neither a later head, nor what is left of a body that nobody reads, nor an answer that
//! nobody takes; and it reads ahead of the request at hand until it spins. So the connection has a [`Phase`], which the outermost middleware moves
//! through [`DetachHandle`], and every phase has an end: **no client holds a connection without a request**
//! (`a_trickled_head_on_a_kept_connection_is_closed`), **nor with an answer that it does not take**
//! (`an_answer_that_is_not_taken_closes_its_connection`). While a request is handled nothing is read.
//!
//! A request that actix cannot parse never reaches the middleware, so its bare 400 is replaced here by a problem. What is sent, and what
//! the durations are, is for others to say.

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

use super::terms::{Alarm, Patience, Terms};

/// The most that is read before actix has looked at it: many small requests in one read would all be kept as objects.
const TURN_BYTES: usize = 16 * 1024;

/// What the connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
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
    terms: Rc<Terms>,
    phase: Cell<Phase>,
    /// When the phase is over.
    deadline: Cell<Option<Instant>>,
    /// When a write that the kernel does not take is given up.
    stalled: Cell<Option<Instant>>,
    alarm: Alarm,
    /// Bytes of the head that is being read.
    head: Cell<usize>,
    /// Bytes that actix has not looked at.
    turn: Cell<usize>,
    /// Whom to wake when there is something to read, and reading goes on.
    held: RefCell<Option<Waker>>,
}

/// The socket as actix sees it.
#[derive(Debug)]
pub struct DetachIo(Rc<Slot>);

/// The socket as a handler sees it.
#[derive(Clone, Debug)]
pub struct DetachHandle(pub(super) Rc<Slot>);

impl DetachHandle {
    /// A request has reached the service, with or without a body.
    pub fn request_began(&self, has_body: bool) {
        let within = self.patience().body + self.patience().unread;
        if has_body { self.0.enter(Phase::Body, Some(Instant::now() + within)) } else { self.0.enter(Phase::Handled, None) }
    }

    /// Its body was read to the end.
    pub fn body_ended(&self) {
        if self.0.phase.get() == Phase::Body {
            self.0.enter(Phase::Handled, None);
        }
    }

    /// Whether there is more of its body, so that no other request can follow.
    #[must_use]
    pub fn has_unread_body(&self) -> bool {
        self.0.phase.get() == Phase::Body
    }

    /// Its answer is made.
    pub fn request_answered(&self) {
        match self.0.phase.get() {
            Phase::Body => self.0.enter(Phase::Rest, Some(Instant::now() + self.patience().unread)),
            Phase::Handled => self.0.enter(Phase::Answering, None),
            // the connection has ended meanwhile
            _ => {}
        }
    }

    /// How long what may take.
    #[must_use]
    pub fn patience(&self) -> Patience {
        self.0.terms.patience
    }
}

impl DetachIo {
    /// Wraps an accepted connection.
    #[must_use]
    pub fn new(socket: TcpStream, terms: Rc<Terms>) -> Self {
        let deadline = Instant::now() + terms.patience.head;
        Self(Rc::new(Slot {
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
        }))
    }

    /// The handler's side.
    #[must_use]
    pub fn handle(&self) -> DetachHandle {
        DetachHandle(self.0.clone())
    }
}

impl Slot {
    fn with<T>(&self, act: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match self.socket.borrow_mut().as_mut() {
            Some(socket) => act(Pin::new(socket)),
            None => Poll::Ready(Err(io::Error::new(io::ErrorKind::NotConnected, "the connection was handed over to a stream"))),
        }
    }

    fn enter(&self, phase: Phase, deadline: Option<Instant>) {
        self.phase.set(phase);
        self.deadline.set(deadline);
        if !matches!(phase, Phase::Handled | Phase::Answering)
            && let Some(waker) = self.held.take()
        {
            waker.wake();
        }
    }

    fn is_over(&self) -> bool {
        self.deadline.get().is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn poll_deadline(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.get().map_or(Poll::Pending, |deadline| self.alarm.poll_until(deadline, cx))
    }

    /// Reads nothing, and finds out that there is something only once.
    fn hold(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.with(|socket| socket.poll_read_ready(cx)))?;
        self.held.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// How many bytes actix may read before it looks at them.
    fn allowance(&self) -> usize {
        let turn = TURN_BYTES.saturating_sub(self.turn.get());
        if self.phase.get() == Phase::Head { turn.min(self.terms.head_bytes.saturating_sub(self.head.get())) } else { turn }
    }

    fn read(&self, allowance: usize, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
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
    fn refuse(&self, response: &Bytes, cx: &mut Context<'_>) -> Poll<io::Error> {
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

    fn poll_refused(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
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
    fn took(&self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
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
    fn refusal_for(&self, buf: &[u8]) -> Option<&Bytes> {
        let status = (self.phase.get() == Phase::Head).then_some(buf)?.strip_prefix(b"HTTP/1.1 4")?;
        Some(if status.starts_with(b"31") { &self.terms.refusals.too_large } else { &self.terms.refusals.malformed })
    }
}

impl AsyncRead for DetachIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let slot = &*self.0;
        let phase = slot.phase.get();
        match phase {
            Phase::Handled | Phase::Answering => return slot.hold(cx),
            Phase::Refused => return slot.poll_refused(cx).map(Err),
            _ => {}
        }
        if slot.is_over() {
            return match phase {
                Phase::Head => slot.refuse(&slot.terms.refusals.late, cx).map(Err),
                // the end of what the client sends: an answer that is being taken still goes out
                _ => Poll::Ready(Ok(())),
            };
        }
        match slot.allowance() {
            // actix has looked, and found no request
            0 if slot.turn.get() == 0 => slot.refuse(&slot.terms.refusals.too_large, cx).map(Err),
            0 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            allowance => slot.read(allowance, cx, buf),
        }
    }
}

impl AsyncWrite for DetachIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let slot = &*self.0;
        slot.turn.set(0);
        if slot.phase.get() == Phase::Refused {
            return slot.poll_refused(cx).map(Err);
        }
        if let Some(refusal) = slot.refusal_for(buf) {
            return slot.refuse(refusal, cx).map(Err);
        }
        slot.took(slot.with(|socket| socket.poll_write(cx, buf)), cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let slot = &*self.0;
        slot.turn.set(0);
        ready!(slot.with(|socket| socket.poll_flush(cx)))?;
        slot.flushed.set(true);
        if slot.phase.get() == Phase::Answering {
            slot.enter(Phase::Idle, Some(Instant::now() + slot.terms.patience.idle));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.with(|socket| socket.poll_shutdown(cx))
    }
}
