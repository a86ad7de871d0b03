//! What the callers of a link and its task share.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    LinkSettings,
    asks::Asks,
    outbox::{Outbox, Parcel},
    peers::Peers,
    run::PRESENCE,
};
use crate::backplane::{
    Status,
    carrier::{Carrier, Channel, ChannelNames},
    message::{Codec, OVERHEAD, Refusal, Said},
};

/// How often it may be said that messages are refused.
const SAY_REFUSED_EVERY: Duration = Duration::from_secs(60);

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Sent,
    Received,
    Dropped,
    Refused,
    Unclear,
    Missed,
    Connected,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    /// Tells this process from others.
    pub(super) me: u64,
    pub(super) kind: &'static str,
    pub(super) codec: Codec,
    pub(super) names: ChannelNames,
    pub(super) inline_bytes: usize,
    /// With its signature.
    pub(super) max_message: usize,
    pub(super) outbox: Outbox,
    pub(super) peers: Peers,
    pub(super) asks: Asks,
    connected_since: Mutex<Option<Instant>>,
    counts: [AtomicU64; 7],
    said_refused: Mutex<Option<Instant>>,
    said_unclear: Mutex<Option<Instant>>,
}

impl Shared {
    pub(super) fn new(carrier: &impl Carrier, settings: &LinkSettings) -> Self {
        // unlike any other instance's; nothing is believed for its sake
        let me = fastrand::u64(..);
        Self {
            me,
            kind: carrier.kind(),
            codec: Codec::new(&settings.secret, me),
            names: ChannelNames::new(&settings.secret),
            inline_bytes: if carrier.carries_events() { settings.inline_bytes } else { 0 },
            max_message: carrier.max_message(),
            outbox: Outbox::new(settings.max_queued, settings.max_queued_bytes),
            peers: Peers::default(),
            asks: Asks::default(),
            connected_since: Mutex::default(),
            counts: Default::default(),
            said_refused: Mutex::default(),
            said_unclear: Mutex::default(),
        }
    }

    pub(super) fn count(&self, what: Count, n: usize) {
        self.counts[what as usize].fetch_add(n as u64, Ordering::Relaxed);
    }

    fn counted(&self, what: Count) -> u64 {
        self.counts[what as usize].load(Ordering::Relaxed)
    }

    fn connected_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.connected_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected_since().is_some()
    }

    /// Whether everyone who is there has had the time to say so.
    fn is_acquainted(&self) -> bool {
        self.connected_since().is_some_and(|since| since.elapsed() >= 2 * PRESENCE)
    }

    /// From now on messages can be sent.
    pub(super) fn connect(&self) {
        self.count(Count::Connected, 1);
        self.outbox.open();
        *self.connected_since() = Some(Instant::now());
    }

    /// From now on none can.
    pub(super) fn disconnect(&self) {
        *self.connected_since() = None;
        self.count(Count::Dropped, self.outbox.close());
    }

    /// Says something to all instances, or tries to.
    pub(super) fn say(&self, said: &Said<'_>) -> bool {
        let content = self.codec.encode(said);
        let fits = content.len() <= self.max_message;
        let is_put = fits && self.outbox.put(Parcel { channel: Channel::Instances, content, head: None });
        if !is_put {
            self.count(Count::Dropped, 1);
        }
        is_put
    }

    /// The most bytes of an answer's part.
    pub(super) fn part_bytes(&self) -> usize {
        // beside the text: the signature, and numbers of at most ten bytes each
        self.max_message.saturating_sub(OVERHEAD + 64).clamp(1, 64 * 1024)
    }

    /// Counts a message that was not taken, and says so now and then.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let (count, said) = match refusal {
            Refusal::Foreign => (Count::Refused, &self.said_refused),
            Refusal::Unclear { .. } => (Count::Unclear, &self.said_unclear),
        };
        self.count(count, 1);
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|at| at.elapsed() >= SAY_REFUSED_EVERY) {
            *said = Some(Instant::now());
            drop(said);
            let (backplane, so_far) = (self.kind, self.counted(count));
            match refusal {
                Refusal::Foreign => tracing::warn!(backplane, so_far, "a message is not believed: {refusal}"),
                Refusal::Unclear { .. } => {
                    tracing::info!(backplane, so_far, "an instance of another version is there, which is heard of by looking at the log");
                }
            }
        }
    }

    pub(super) fn status(&self) -> Status {
        let (queued, max_queued) = self.outbox.fill();
        Status {
            kind: self.kind,
            is_connected: self.is_connected(),
            is_acquainted: self.is_acquainted(),
            peers: self.peers.count(),
            sent: self.counted(Count::Sent),
            received: self.counted(Count::Received),
            dropped: self.counted(Count::Dropped),
            missed: self.counted(Count::Missed),
            refused: self.counted(Count::Refused),
            unclear: self.counted(Count::Unclear),
            reconnects: self.counted(Count::Connected).saturating_sub(1),
            queued,
            max_queued,
        }
    }
}
