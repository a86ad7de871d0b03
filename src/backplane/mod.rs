//! What instances tell each other: that a log grew, and how they are. A hint, never the record.
//!
//! Losing every announcement costs a moment (the sequencer looks at the log by itself) and never an event, so announcing neither waits nor
//! fails. Within one process an announcement carries the events, so that live delivery reads nothing back.
//!
//! [`Backplane`] is the contract; `tests/it/backplane_contract` runs one suite over every adapter. Whoever receives an announcement does
//! not believe it: its events are taken only if they are of the store and the numbering that the receiver itself knows, and continue its
//! position.
//!
//! - [`Local`]: one process.
//! - [`Link`]: several, over a carrier of messages: [`Link::over_redis`], or [`Link::over_postgres`], which carries no events.

mod carrier;
mod leases;
mod link;
mod local;
mod message;
mod postgres;
mod redis;

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

#[cfg(test)]
pub(crate) use self::message::over_the_wire;
pub use self::redis::{LeaseSettings, RedisLeases, RedisUrl, RedisUrlError};
pub use self::{
    leases::{Away, LeaseKey, Leases},
    link::{Link, LinkSettings},
    local::Local,
};
use crate::{
    domain::{Epoch, Event, Seq},
    log::{LogId, StoreIdentity},
    trace::Passage,
};

/// That a log has grown.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// Which log.
    pub log: LogId,
    /// The store that has it; `None` when that is not known, and nothing of it may be taken for granted.
    pub store: Option<StoreIdentity>,
    /// The numbering of the events.
    pub epoch: Epoch,
    /// The newest seq that is known to be committed.
    pub head: Seq,
    /// Consecutive events up to `head`; empty when only the head is known.
    pub events: Vec<Event>,
    /// The commit as a step of a trace, if it is sampled.
    pub trace: Option<Arc<Passage>>,
}

impl Announcement {
    /// The same without its events and its trace.
    fn clone_without_events(&self) -> Self {
        let &Self { log, store, epoch, head, events: _, trace: _ } = self;
        Self { log, store, epoch, head, events: Vec::new(), trace: None }
    }
}

/// What reaches an instance through its backplane, its own announcements included.
#[derive(Debug)]
pub struct Inbox {
    /// Ends when the backplane is gone.
    pub announcements: mpsc::Receiver<Announcement>,
    /// What other instances want to know.
    pub questions: mpsc::Receiver<Question>,
}

/// What another instance wants to know.
#[derive(Debug)]
pub struct Question {
    /// Its words; what they mean is between those who ask and those who answer.
    pub text: Vec<u8>,
    /// Where the answer goes; dropped: there is none.
    pub reply: oneshot::Sender<Vec<u8>>,
}

/// What came of asking all other instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// One of each instance that answered.
    pub texts: Vec<Vec<u8>>,
    /// Instances that are known to be there, and did not answer in time.
    pub missing: usize,
}

/// How a backplane is doing; counts are since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The adapter: `local`, `redis`, `postgres`.
    pub kind: &'static str,
    /// Whether other instances can be reached, as far as is known.
    pub is_connected: bool,
    /// Whether it has been for so long that every other instance was heard of.
    pub is_acquainted: bool,
    /// Other instances that were heard of lately.
    pub peers: usize,
    /// Messages sent to other instances.
    pub sent: u64,
    /// Messages of other instances that were believed to be theirs.
    pub received: u64,
    /// Messages that were not sent, because too many waited or the connection was lost.
    pub dropped: u64,
    /// Announcements that reached this instance and found no room: it finds the events by looking.
    pub missed: u64,
    /// Messages that cannot have come from an instance on this log: foreign, forged or damaged.
    pub refused: u64,
    /// Messages of instances on this log that this version does not understand.
    pub unclear: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Messages that wait to be sent.
    pub queued: usize,
    /// The bound.
    pub max_queued: usize,
}

/// Where committed events are announced, and other instances met.
#[async_trait]
pub trait Backplane: Send + Sync + 'static {
    /// Announces what is committed, to this instance too. Never waits; what doesn't fit is dropped and found later.
    fn announce(&self, announcement: Announcement);

    /// Hears from now on what others announce of these logs, and of no others. Never waits.
    fn follow(&self, _logs: HashSet<LogId>) {}

    /// How it is doing, from memory.
    fn status(&self) -> Status;

    /// Asks every other instance, and waits no longer than `patience`.
    async fn ask(&self, _text: Vec<u8>, _patience: Duration) -> Answers {
        Answers::default()
    }

    /// Tells the others that this instance is about to end, as far as that can be done at once. It may be dropped without.
    async fn leave(&self) {}

    /// Counts that all instances share, if there are any.
    fn leases(&self) -> Option<Arc<dyn Leases>> {
        None
    }
}
