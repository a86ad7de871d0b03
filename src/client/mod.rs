//! What a program needs that talks to chaincast from the outside: an SSE parser, a follower that resumes, a publisher.
//!
//! Pure parts and one that does IO. [`Parser`] turns bytes into messages (HTML Standard §9.2.6), however they are cut
//! (`however_bytes_are_cut_the_messages_are_the_same`). [`Follow`] is told what arrived and how a connection ended, and says what to do next: it keeps
//! the cursor, so that whoever connects again with it misses nothing and sees nothing twice. [`Client`] is the only part with sockets: it blocks, one
//! thread a stream, which is what a command wants. It knows no terminal and prints nothing; what it cannot do for good it says as a [`Refusal`].
//!
//! Nothing here reads a service's own types: it must work against another version.

mod backoff;
mod follow;
mod hopeless;
mod parser;
mod refusal;
mod target;
mod transport;

pub use backoff::Backoff;
pub use follow::{Ended, Follow, News, Next, Stop};
pub use parser::{Item, Message, Parser, TooLong};
pub use refusal::{Conflict, Fault, Refusal};
pub use target::{Query, Target, TargetError};
pub use transport::{Client, PublishFailure, Published, Settings, SetupError, Status};
