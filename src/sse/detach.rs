//! Takes a socket out of actix once the head of its response is on the wire.
//!
//! actix parses, routes and answers over [`super::DetachIo`], a wrapper that shares its socket with the handler through a [`DetachHandle`]. The response's
//! body, [`Handover`], writes nothing: it waits until everything before it was flushed, takes the socket and gives it to the worker's
//! shard. From then on the wrapper fails every read and flush, and the body stays pending, so that actix's dispatcher ends, with its two 8 KiB
//! buffers, before it executes a request that was pipelined behind this one.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::{Connection, DetachHandle, SocketSettings, Style, socket::prepare_stream};
use crate::hub::{Request, ShardHandle};

/// How the stream on the socket is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// The client's wishes.
    pub style: Style,
    /// Whether the response head announced chunks; HTTP/1.0 has none.
    pub chunked: bool,
    /// Options of the socket.
    pub socket: SocketSettings,
}

/// The body of a response that becomes a stream.
#[derive(Debug)]
pub struct Handover {
    handle: DetachHandle,
    transport: Transport,
    shard: ShardHandle<Connection>,
    request: Option<Request>,
    armed: bool,
}

impl Handover {
    /// A body that subscribes `request` at `shard` once the head is flushed.
    #[must_use]
    pub fn new(handle: DetachHandle, transport: Transport, shard: ShardHandle<Connection>, request: Request) -> Self {
        Self { handle, transport, shard, request: Some(request), armed: false }
    }
}

impl MessageBody for Handover {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        if !self.armed {
            // the head is in actix's buffer: the next flush that succeeds has written it
            self.armed = true;
            self.handle.0.flushed.set(false);
            cx.waker().wake_by_ref();
        } else if self.handle.0.flushed.get()
            && let Some(request) = self.request.take()
            && let Some(socket) = self.handle.0.socket.borrow_mut().take()
        {
            match prepare_stream(&socket, self.transport.socket) {
                Ok(()) => self.shard.subscribe(request, Connection::new(socket, self.transport.style, self.transport.chunked)),
                // only a connection that is already gone refuses options
                Err(error) => tracing::debug!(%error, "a connection broke before its stream began"),
            }
            // has actix find the wrapper empty, and end
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
