//! One request on its connection: tells the socket when it began and was answered, and bounds how long its body takes.
//!
//! What the socket does with it is `sse::DetachHandle`'s. Whatever handler reads the body, **a body that trickles ends in time**
//! (`a_trickled_body_is_refused_and_its_connection_closed`), and one that nobody reads closes its connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage as _,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    web::Bytes,
};
use futures::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::sse::DetachHandle;

/// A request that is being answered; answered when dropped.
#[derive(Debug)]
pub(super) struct Exchange(Option<DetachHandle>);

impl Exchange {
    /// Begins with a request; one that came over no socket, as in tests, is left alone.
    pub(super) fn begin(request: &mut ServiceRequest) -> Self {
        let Some(socket) = request.conn_data::<DetachHandle>().cloned() else { return Self(None) };
        match request.take_payload() {
            Payload::None => socket.request_began(false),
            rest => {
                socket.request_began(true);
                let deadline = Instant::now() + socket.patience().body;
                let body = TimedBody { rest, deadline, alarm: None, socket: socket.clone() };
                request.set_payload(Payload::Stream { payload: Box::pin(body) });
            }
        }
        Self(Some(socket))
    }

    /// Whether its body was not read to the end.
    pub(super) fn is_unread(&self) -> bool {
        self.0.as_ref().is_some_and(DetachHandle::has_unread_body)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            socket.request_answered();
        }
    }
}

/// A body that has to arrive in time.
struct TimedBody {
    rest: Payload,
    deadline: Instant,
    /// Made when something is waited for, which for most bodies is never.
    alarm: Option<Pin<Box<Sleep>>>,
    socket: DetachHandle,
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { rest, deadline, alarm, socket } = self.get_mut();
        let next = Pin::new(rest).poll_next(cx);
        match &next {
            Poll::Ready(None) => socket.body_ended(),
            Poll::Ready(Some(_)) => {}
            Poll::Pending => {
                if alarm.get_or_insert_with(|| Box::pin(sleep_until(*deadline))).as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))));
                }
            }
        }
        next
    }
}

/// Whether a body broke off because it took too long.
pub(super) fn is_late(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}
