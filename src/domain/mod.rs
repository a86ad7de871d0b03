//! The words of chaincast as types: pure, no IO, no async, and importing nothing else of the crate.
//!
//! Untrusted text enters through `parse` and is valid ever after; everything below holds values of these types and checks nothing twice.
//! [`Filter`] and [`Keys`] meet in one predicate, [`Filter::matches`], made of [`Term::matches`] and [`Filter::keeps_type`]. The log's postings and
//! the hub's index only narrow the candidates for these, so that replay and live delivery cannot disagree on what matches.

mod cursor;
mod epoch;
mod event;
mod filter;
mod gap;
mod id;
mod keys;
mod name;
mod selector;
mod seq;
mod text;
mod timestamp;

pub use cursor::{Cursor, CursorError, Start};
pub use epoch::{Epoch, EpochChain, EpochStart, Resolved};
pub use event::{Envelope, EnvelopeError, Event};
pub use filter::{Filter, FilterError, Parts as FilterParts};
pub use gap::{Gap, GapReason};
pub use id::{EventId, LogName, Source, StreamId, UserId};
pub use keys::Keys;
pub use name::{EventType, MAX_NAME_BYTES, MAX_SEGMENTS, NameError, Pattern, Topic};
pub use selector::{SelectorKey, Term};
pub use seq::Seq;
pub use timestamp::{Timestamp, TimestampError};
