//! The fan-out of one instance: from the logs' growth to the connections that follow them.
//!
//! ```text
//!                       one for each log that is followed
//!  announcements ─router─▶ sequencer ──updates──▶ shard (one a worker thread) ─▶ outlet
//!  looks ────────lookout─▶ (Track) ◀──▶ holes     ring · index · subscriptions      │ blocked
//!                                                    ▲                              ▼
//!                                                    └──── pages ◀── replays ◀── a cursor behind the ring
//!
//!            behind the ring            in the ring                 at the head
//!  ┌────────────────────────────┐ ┌──────────────────────┐ ┌────────────────────────────┐
//!  │ Wanting → Reading → Paging │▶│       Walking        │▶│ Live: offered each frame   │
//!  └────────────────────────────┘ └──────────────────────┘ └────────────────────────────┘
//!                ▲ the ring moved on          ▲ the socket took no more │
//!                └────────────────────────────┴─────────────────────────┘
//! ```
//!
//! Live delivery, replay, a slow consumer and a reconnect are the same thing: a filter and a cursor. **Exactly the matching events, once each, in
//! order** (`a_client_sees_exactly_its_events_whatever_interleaves`, `exactly_the_matching_events_once_each_in_order_across_every_reconnect`), and
//! **every queue, ring and list is bounded** (`every_ring_is_bounded_and_its_fill_is_told`): rings in frames and bytes, inboxes in messages,
//! connections by [`Admission`], a connection by one cursor and one shared page, and logs by [`Hubs`], which has a [`Hub`] for each that is followed.
//!
//! The hub knows neither SSE nor sockets; it writes to an [`Outlet`].

mod admission;
mod attached;
mod budget;
mod frame;
mod hubs;
mod index;
mod lookout;
#[cfg(any(test, feature = "bench-internals"))]
#[doc(hidden)]
pub mod measure;
mod orders;
mod outlet;
mod pace;
mod reach;
mod ready;
mod replay;
mod resolve;
mod right;
mod ring;
mod roster;
mod router;
mod sequencer;
mod settings;
mod shard;
#[cfg(test)]
mod simulation;
mod stats;
mod strangers;
mod subscription;
mod track;
mod underway;
mod view;
mod wheel;
mod worker;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, mpsc, watch};

pub use admission::{Admission, Permit};
pub use attached::Attached;
pub use frame::{Encoded, Form, Frame};
pub use hubs::{Hubs, OpenError, Reads};
pub use outlet::{CloseReason, Flow, Notice, Offer, Outlet};
pub use resolve::resolve;
pub use right::{Expiry, Right};
pub use ring::RingBounds;
pub use settings::Settings;
pub use stats::{GapMoment, GapsTold, SELECTORS, Totals};
pub use subscription::{Beginning, Request};
pub use view::View;
pub use worker::ShardHandle;

use self::{
    orders::Orders,
    reach::Reach,
    replay::Replays,
    sequencer::{Looked, NewShard, SHARD_INBOX, Sequencer},
    shard::Shard,
    stats::Statistics,
};
use crate::{
    backplane::Announcement,
    histogram::Tally,
    log::{EventLog, LogError, LogId},
    vital::vital,
};

/// The hub of one log on one instance; its tasks end when it is dropped.
pub struct Hub {
    id: LogId,
    settings: Arc<Settings>,
    view: Arc<View>,
    admission: Arc<Admission>,
    statistics: Statistics,
    replays: Replays,
    inbox: mpsc::Sender<Announcement>,
    looks: watch::Sender<Looked>,
    newcomers: mpsc::UnboundedSender<NewShard>,
    orders: watch::Sender<Orders>,
}

/// What a hub is made of.
struct Parts {
    log: Arc<dyn EventLog>,
    id: LogId,
    settings: Arc<Settings>,
    /// This log's.
    admission: Arc<Admission>,
    /// Of all logs together.
    reach: Arc<Reach>,
    /// Of all logs together.
    reads: Arc<Semaphore>,
    inbox: mpsc::Sender<Announcement>,
    announcements: mpsc::Receiver<Announcement>,
}

impl Hub {
    /// Reads the log's tail and starts the sequencer on the current runtime, which must be the log's own.
    async fn start(parts: Parts) -> Result<Self, LogError> {
        let Parts { log, id, settings, admission, reach, reads, inbox, announcements } = parts;
        let (newcomers, new_shards) = mpsc::unbounded_channel();
        let looks = watch::Sender::new(Looked::Failed);
        let feeds = sequencer::Feeds { announcements, looks: looks.subscribe(), newcomers: new_shards };
        let sequencer = Sequencer::start(log.clone(), id, &settings, reach, feeds).await?;
        let view = sequencer.view();
        tokio::spawn(vital("sequencer", sequencer.run()));
        let (statistics, orders) = (Statistics::default(), watch::Sender::default());
        let counted = statistics.register();
        let replays = Replays::new(log, id, settings.replay_permits, reads, tokio::runtime::Handle::current(), counted);
        Ok(Self { id, settings, view, admission, statistics, replays, inbox, looks, newcomers, orders })
    }

    /// Adds a shard for this worker thread, and starts its task here.
    pub fn attach<O: Outlet>(&self) -> ShardHandle<O> {
        let (to_shard, updates) = mpsc::channel(SHARD_INBOX);
        let (answer_to, answers) = mpsc::unbounded_channel();
        let shard = Shard::new(self.settings.clone(), self.statistics.register(), Instant::now());
        // a sequencer that has ended has nothing to tell
        let _ = self.newcomers.send(to_shard);
        worker::spawn(shard, worker::Feeds { updates, answers, answer_to, replays: self.replays.clone(), orders: self.orders.subscribe() })
    }

    /// Which log.
    #[must_use]
    pub fn id(&self) -> LogId {
        self.id
    }

    /// What is known of the log.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Room for one connection to this log, which keeps the hub for as long as it is held.
    ///
    /// # Errors
    /// Why there is none; it will pass.
    pub fn admit(self: &Arc<Self>) -> Result<Permit, CloseReason> {
        self.admission.admit().map(|permit| permit.keeping(self.clone()))
    }

    /// Room for connections to this log.
    #[must_use]
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Changes this log's own limit; `None`: the one of all logs, if there is one.
    pub fn set_max_connections(&self, max: Option<usize>) {
        self.admission.set_max(max.or(self.settings.max_connections_per_log));
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What all shards counted.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.statistics.totals()
    }

    /// Events written to connections.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.statistics.delivered()
    }

    /// From commit to write, over all shards.
    #[must_use]
    pub fn latency(&self) -> Tally {
        self.statistics.tally()
    }

    /// Has every shard do what holds from now on.
    fn order(&self, orders: Orders) {
        self.orders.send_replace(orders);
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Admits nobody any more, and closes every connection: its log is not what it was.
    fn close(&self) {
        self.admission.drain();
        self.orders.send_modify(|orders| orders.drain = Some(Duration::ZERO));
    }

    fn inbox(&self) -> &mpsc::Sender<Announcement> {
        &self.inbox
    }

    fn tell(&self, looked: Looked) {
        self.looks.send_replace(looked);
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("id", &self.id).finish_non_exhaustive()
    }
}
