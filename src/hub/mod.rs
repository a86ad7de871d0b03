//! The fan-out of one instance: from the log's growth to the connections that follow it.
//!
//! ```text
//!  announcements ─▶ sequencer ──updates──▶ shard (one a worker thread) ─▶ outlet
//!  looks, holes ◀──▶ (Track)               ring · index · subscriptions      │ blocked
//!                                             ▲                              ▼
//!                                             └──── pages ◀── replays ◀── a cursor behind the ring
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
//! connections by [`Admission`], and a connection by one cursor and one shared page.
//!
//! The hub knows neither SSE nor sockets; it writes to an [`Outlet`].

mod admission;
mod budget;
mod frame;
mod histogram;
mod index;
#[cfg(any(test, feature = "bench-internals"))]
#[doc(hidden)]
pub mod measure;
mod outlet;
mod pace;
mod ready;
mod replay;
mod resolve;
mod right;
mod ring;
mod sequencer;
mod settings;
mod shard;
#[cfg(test)]
mod simulation;
mod stats;
mod subscription;
mod track;
mod view;
mod wheel;
mod worker;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

pub use admission::{Admission, Permit};
pub use frame::{Encoded, Form, Frame};
pub use histogram::Spread;
pub use outlet::{CloseReason, Flow, Notice, Offer, Outlet};
pub use resolve::resolve;
pub use right::{Expiry, Right};
pub use ring::RingBounds;
pub use settings::Settings;
pub use stats::Totals;
pub use subscription::{Beginning, Request};
pub use view::View;
pub use worker::ShardHandle;

use self::{
    replay::Replays,
    sequencer::{NewShard, SHARD_INBOX, Sequencer},
    shard::Shard,
    stats::Statistics,
};
use crate::{
    backplane::Announcement,
    log::{EventLog, LogError, LogId},
    vital::vital,
};

/// The hub of one log on one instance.
pub struct Hub {
    settings: Arc<Settings>,
    view: Arc<View>,
    admission: Arc<Admission>,
    statistics: Statistics,
    replays: Replays,
    newcomers: mpsc::UnboundedSender<NewShard>,
    drain: watch::Sender<Option<Duration>>,
}

impl Hub {
    /// Reads the log's tail and starts the sequencer on the current runtime, which must be the log's own.
    ///
    /// # Errors
    /// [`LogError`] when the log can't be read.
    pub async fn start(
        log: Arc<dyn EventLog>,
        id: LogId,
        settings: Settings,
        announcements: mpsc::Receiver<Announcement>,
    ) -> Result<Self, LogError> {
        let settings = Arc::new(settings);
        let (newcomers, new_shards) = mpsc::unbounded_channel();
        let sequencer = Sequencer::start(log.clone(), id, settings.clone(), announcements, new_shards).await?;
        let view = sequencer.view();
        tokio::spawn(vital("sequencer", sequencer.run()));
        Ok(Self {
            view,
            admission: Admission::new(settings.max_connections),
            statistics: Statistics::default(),
            replays: Replays::new(log, id, settings.replay_permits, tokio::runtime::Handle::current()),
            newcomers,
            drain: watch::Sender::new(None),
            settings,
        })
    }

    /// Adds a shard for this worker thread, and starts its task here.
    pub fn attach<O: Outlet>(&self) -> ShardHandle<O> {
        let (to_shard, updates) = mpsc::channel(SHARD_INBOX);
        let (answer_to, answers) = mpsc::unbounded_channel();
        let shard = Shard::new(self.settings.clone(), self.statistics.register(), Instant::now());
        // a sequencer that has ended has nothing to tell
        let _ = self.newcomers.send(to_shard);
        worker::spawn(shard, worker::Feeds { updates, answers, answer_to, replays: self.replays.clone(), drain: self.drain.subscribe() })
    }

    /// What is known of the log.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Room for connections.
    #[must_use]
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
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

    /// How long events took from commit to write.
    #[must_use]
    pub fn latency(&self) -> Spread {
        self.statistics.latency()
    }

    /// Admits nobody any more, and closes every connection over `window`.
    pub fn drain(&self, window: Duration) {
        self.admission.drain();
        self.drain.send_replace(Some(window));
    }
}
