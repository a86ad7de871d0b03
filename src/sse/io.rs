//! The socket as actix sees it, and as a handler sees it; holds a client to the [`Terms`] until the connection is a stream.
//!
//! actix bounds the first head and an idle connection, but neither a later head, nor what is left of a body that nobody reads, nor an answer that
//! nobody takes; and it reads ahead of the request at hand until it spins. So the connection has a phase ([`super::slot`]), which the outermost
//! middleware moves through [`DetachHandle`], and every phase has an end: **no client holds a connection without a request**
//! (`a_trickled_head_on_a_kept_connection_is_closed`), **nor with an answer that it does not take**
//! (`an_answer_that_is_not_taken_closes_its_connection`). While a request is handled nothing is read.
//!
//! A request that actix cannot parse never reaches the middleware, so its bare 400 is replaced here by a problem. What is sent, and what
//! the durations are, is for others to say.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

use super::{
    slot::{Phase, Slot},
    terms::{Patience, Terms},
};

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
        Self(Rc::new(Slot::new(socket, terms)))
    }

    /// The handler's side.
    #[must_use]
    pub fn handle(&self) -> DetachHandle {
        DetachHandle(self.0.clone())
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
