//! The only door into a log's fan-out: one task for each log that is followed, which hands events to the shards strictly by seq.
//!
//! It follows announcements, reads holes from the log, and hears what the [`lookout`](super::lookout) found, so that a lost hint costs a
//! moment and never an event. What of all that is believed is the [`track`](super::track)'s to say. It never waits for a shard: one that is
//! full is told later, and one that fell behind the ring finds a hole. Reads run as tasks of their own, one at a time, so that a slow log
//! delays no announcement. It ends with its hub.
//!
//! **The backplane can vanish** (`the_backplane_can_vanish_what_another_process_commits_is_found_by_looking_at_the_log`): announcements
//! only make it faster. **The database can vanish** (`the_database_can_vanish_silently_and_come_back`): then looks fail, the position
//! stays, and everything that is in memory is served on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    Settings,
    reach::Reach,
    shard::Update,
    track::{Asking, Track, Want},
    view::{Asked, View},
};
use crate::{
    backplane::Announcement,
    domain::{EpochChain, Filter, Seq},
    log::{EventLog, LogError, LogId, Page, PageRequest, Position, StoreIdentity},
};

/// Updates that may wait for a shard: together no more frames than a ring has by default.
pub(crate) const SHARD_INBOX: usize = 16;
/// How soon a full shard is tried again.
const FULL_RETRY: Duration = Duration::from_millis(2);
/// How soon a read that failed is tried again.
const READ_RETRY: Duration = Duration::from_millis(250);

/// A shard that wants updates from now on.
pub(crate) type NewShard = mpsc::Sender<Update>;

/// What a look found of one log.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Looked {
    /// The store could not be looked at.
    Failed,
    /// The store was looked at; who it is, if it can tell, and where it has the log, if it has it.
    At { store: Option<StoreIdentity>, position: Option<Position>, asked: Asked },
}

/// What reaches a sequencer from outside, until its hub is gone.
pub(crate) struct Feeds {
    pub(crate) announcements: mpsc::Receiver<Announcement>,
    /// The last look's; one that was not heard before the next is no loss.
    pub(crate) looks: watch::Receiver<Looked>,
    pub(crate) newcomers: mpsc::UnboundedReceiver<NewShard>,
}

/// What a task of the sequencer brought back.
enum Brought {
    /// And whether it was read for a hole's sake alone.
    Page(Result<Page, LogError>, Asking, bool),
    Epochs(Result<EpochChain, LogError>, Asking),
}

/// See the module.
pub(crate) struct Sequencer {
    log: Arc<dyn EventLog>,
    id: LogId,
    track: Track,
    view: Arc<View>,
    reach: Arc<Reach>,
    feeds: Feeds,
    /// By number; `None` once the worker is gone.
    shards: Vec<Option<NewShard>>,
    tasks: JoinSet<Brought>,
    reading: bool,
    read_not_before: Option<Instant>,
}

impl Sequencer {
    /// Reads where the log stands, and its tail into the ring: a hub is not ready before, because the storm of reconnects follows a start.
    pub(crate) async fn start(
        log: Arc<dyn EventLog>,
        id: LogId,
        settings: &Settings,
        reach: Arc<Reach>,
        feeds: Feeds,
    ) -> Result<Self, LogError> {
        let chain = log.epochs(id).await?;
        // its own look: the lookout's may be from before the log was opened
        let (store, position) = log.standing(id).await?;
        let view = Arc::new(View::new(chain.clone()));
        let mut track = Track::new(chain, store, position, settings.ring);
        loop {
            let asked = track.asking();
            match track.want(Instant::now()) {
                Want::Nothing => break,
                Want::Events { after } => track.on_page(read(&*log, id, after).await?, asked, Instant::now()),
                Want::Epochs => track.on_epochs(log.epochs(id).await?, asked, Instant::now()),
            }
        }
        let this =
            Self { log, id, track, view, reach, feeds, shards: Vec::new(), tasks: JoinSet::new(), reading: false, read_not_before: None };
        this.publish_view();
        Ok(this)
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.clone()
    }

    /// Runs until its hub is gone.
    pub(crate) async fn run(mut self) {
        loop {
            let full = self.hand_on();
            self.publish_view();
            self.read_on();
            let pause = self.pause(full);
            tokio::select! {
                announcement = self.feeds.announcements.recv() => {
                    let Some(announcement) = announcement else { return };
                    let now = Instant::now();
                    self.track.on_announcement(announcement, now);
                    while let Ok(more) = self.feeds.announcements.try_recv() {
                        self.track.on_announcement(more, now);
                    }
                }
                newcomer = self.feeds.newcomers.recv() => {
                    let Some(newcomer) = newcomer else { return };
                    self.track.add_shard();
                    self.shards.push(Some(newcomer));
                }
                Some(brought) = self.tasks.join_next() => {
                    self.reading = false;
                    match brought {
                        Ok(brought) => self.take(brought),
                        Err(error) => tracing::error!(%error, "a read of the log died"),
                    }
                }
                changed = self.feeds.looks.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let looked = *self.feeds.looks.borrow_and_update();
                    self.take_look(looked);
                }
                () = sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    /// Tells every shard what it has not heard; whether one was full.
    fn hand_on(&mut self) -> bool {
        let mut full = false;
        for (number, place) in self.shards.iter_mut().enumerate() {
            // its worker is gone; one that replaces it registers anew
            if place.as_ref().is_some_and(mpsc::Sender::is_closed) {
                *place = None;
            }
            let Some(shard) = place else { continue };
            while self.track.has_news_for(number) {
                // room first: an update is not made in vain every time that a full shard is tried again
                let Ok(room) = shard.try_reserve() else {
                    full |= !shard.is_closed();
                    break;
                };
                let Some(update) = self.track.next_update(number) else { break };
                let end = update.frames.last().map_or(update.before, |frame| frame.seq());
                room.send(update);
                self.track.heard(number, end);
            }
        }
        full
    }

    fn publish_view(&self) {
        self.view.store(&self.track);
    }

    /// How long there is nothing to do unless something comes.
    fn pause(&self, full: bool) -> Option<Duration> {
        let reads = if self.reading { None } else { self.read_not_before.max(self.track.due()) };
        let until_reading = reads.map(|moment| moment.saturating_duration_since(Instant::now()));
        until_reading.into_iter().chain(full.then_some(FULL_RETRY)).min()
    }

    fn read_on(&mut self) {
        let now = Instant::now();
        if self.read_not_before.is_some_and(|moment| now < moment) || self.reading {
            return;
        }
        self.read_not_before = None;
        let (log, id, asked) = (self.log.clone(), self.id, self.track.asking());
        match self.track.want(now) {
            Want::Nothing => return,
            Want::Events { after } => {
                let for_hole = self.track.is_for_hole(now);
                self.tasks.spawn(async move { Brought::Page(read(&*log, id, after).await, asked, for_hole) })
            }
            Want::Epochs => self.tasks.spawn(async move { Brought::Epochs(log.epochs(id).await, asked) }),
        };
        self.reading = true;
    }

    fn take(&mut self, brought: Brought) {
        let outcome = match brought {
            Brought::Page(page, asked, for_hole) => page.map(|page| {
                if for_hole {
                    self.reach.count_hole();
                }
                self.track.on_page(page, asked, Instant::now());
            }),
            Brought::Epochs(chain, asked) => chain.map(|chain| self.track.on_epochs(chain, asked, Instant::now())),
        };
        self.view.set_reachable(outcome.is_ok());
        if let Err(error) = outcome {
            self.reach.note(Err(&error));
            self.read_not_before = Some(Instant::now() + READ_RETRY);
        }
    }

    fn take_look(&mut self, looked: Looked) {
        self.view.set_reachable(!matches!(looked, Looked::Failed));
        match looked {
            Looked::At { store, position, asked } => self.track.on_look(store, position, asked),
            Looked::Failed => self.read_not_before = Some(Instant::now() + READ_RETRY),
        }
    }
}

async fn read(log: &dyn EventLog, id: LogId, after: Seq) -> Result<Page, LogError> {
    let filter = Arc::new(Filter::everything());
    log.read(id, &PageRequest { filter, after, limit: 1000, max_bytes: 4 * 1024 * 1024 }).await
}
