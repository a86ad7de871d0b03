//! Tells sequencers that a log grew: a hint, never the record.
//!
//! Losing every announcement costs a moment (the sequencer looks at the log by itself) and never an event, so announcing neither waits nor
//! fails. Within one process the announcement carries the events, so that live delivery reads nothing back.

mod local;

pub use local::Local;

use crate::{
    domain::{Epoch, Event, Seq},
    log::LogId,
};

/// That a log has grown.
#[derive(Debug)]
pub struct Announcement {
    /// Which log.
    pub log: LogId,
    /// The numbering of the events.
    pub epoch: Epoch,
    /// The newest seq that is known to be committed.
    pub head: Seq,
    /// Consecutive events up to `head`; empty when only the head is known.
    pub events: Vec<Event>,
}

/// Where committed events are announced.
pub trait Backplane: Send + Sync + 'static {
    /// Announces what is committed. Never waits; what doesn't fit is dropped and found later.
    fn announce(&self, announcement: Announcement);
}
