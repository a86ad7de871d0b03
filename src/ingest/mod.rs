//! The publish use case: from the bytes of a request to events in the log, without a word of HTTP.
//!
//! [`parse`] turns a body into [`Draft`]s or says everything that is wrong with it; [`request`] puts drafts under a [`Source`]; a
//! [`Publisher`] hands them to the one [`Committer`] of the instance, which commits whatever has queued and announces it.
//!
//! **Append before deliver**: nothing is announced before the log has answered (`events_are_announced_after_the_log_has_answered`).
//! **Acknowledged is durable**, **a publish is idempotent** and **the database can vanish** as far as a publisher can tell: see [`committer`].
//! **Every queue is bounded**: parsing by [`Limits`], waiting by [`Settings`].
//!
//! Who may publish what is decided between parsing and publishing, from [`Draft::keys`], by whoever calls this module.

mod body;
pub mod committer;
mod draft;
mod fault;
mod ids;
mod minify;
mod object;
mod rules;

pub use body::{BodyForm, Limits, parse, parse_with};
pub use committer::{Committer, ConflictingId, Counts, PublishError, Published, PublishedItem, Publisher, Publishing, Queued, Settings};
pub use draft::Draft;
pub use fault::{Excess, Fault, ParseError};
pub use ids::MissingIds;
pub use object::pairs;

use crate::{
    domain::Source,
    log::{AppendRequest, OnConflict},
};

/// One publisher's batch, as the log takes it.
#[must_use]
pub fn request(source: Source, drafts: Vec<Draft>, on_conflict: OnConflict) -> AppendRequest {
    let events = drafts.into_iter().map(|draft| draft.into_event(&source)).collect();
    AppendRequest { source, events, on_conflict }
}
