//! Server-Sent Events: the hub's outlet for browsers and `curl -N`.
//!
//! **Append before deliver** (`append_before_deliver_what_a_subscriber_sees_is_in_the_log_already`) is kept upstream; what arrives here is committed.
//! The encoder is pure and makes each frame's bytes once ([HTML Standard §9.2](https://html.spec.whatwg.org/multipage/server-sent-events.html)).
//! [`DetachIo`] and [`Handover`] take the socket out of actix once the response head is flushed; [`Connection`] then writes to it from the
//! worker's shard. Until then [`Terms`] bound what a client may take, in time and in bytes. Routing, authentication and refusals stay with `http`.

mod connection;
mod detach;
mod encode;
mod io;
#[cfg(feature = "bench-internals")]
#[doc(hidden)]
pub mod measure;
mod slot;
mod socket;
mod terms;

pub use connection::Connection;
pub use detach::{Handover, Transport};
pub use encode::{Names, Shape, Style, event_block, refusal};
pub use io::{DetachHandle, DetachIo};
pub use socket::{SocketSettings, prepare_accepted};
pub use terms::{Patience, Refusals, Terms};
