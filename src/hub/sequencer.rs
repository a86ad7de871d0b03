//! The only door into the hub: one task for each instance, which hands events to the shards strictly by seq.
//!
//! It follows announcements, reads holes from the log, and looks at the log by itself on a timer, so that a lost hint costs a moment and never an
//! event. It never waits for a shard: one that is full is told later, and one that fell behind the ring finds a hole. Reads run as tasks of their
//! own, one at a time, so that a slow log delays no announcement.
//!
//! **The backplane can vanish** (`the_backplane_can_vanish_what_another_process_commits_is_found_by_looking_at_the_log`): announcements only
//! make it faster. **The database can vanish** (`the_database_can_vanish_silently_and_come_back`): then looks fail, the position stays, and everything that is in memory is served on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    Settings,
    shard::Update,
    track::{Track, Want},
    view::View,
};
use crate::{
    backplane::Announcement,
    domain::{EpochChain, Filter, Seq},
    log::{EventLog, LogError, LogId, Page, PageRequest, Position},
};

/// Updates that may wait for a shard: together no more frames than a ring has by default.
pub(crate) const SHARD_INBOX: usize = 16;
/// How soon a full shard is tried again.
const FULL_RETRY: Duration = Duration::from_millis(2);
/// How soon a read that failed is tried again.
const READ_RETRY: Duration = Duration::from_millis(250);

/// A shard that wants updates from now on.
pub(crate) type NewShard = mpsc::Sender<Update>;

/// What a task of the sequencer brought back.
enum Brought {
    Look { asked_at: Seq, positions: Result<Vec<Position>, LogError> },
    Page(Result<Page, LogError>),
    Epochs(Result<EpochChain, LogError>),
}

/// See the module.
pub(crate) struct Sequencer {
    log: Arc<dyn EventLog>,
    id: LogId,
    settings: Arc<Settings>,
    track: Track,
    view: Arc<View>,
    announcements: mpsc::Receiver<Announcement>,
    newcomers: mpsc::UnboundedReceiver<NewShard>,
    /// By number; `None` once the worker is gone.
    shards: Vec<Option<NewShard>>,
    tasks: JoinSet<Brought>,
    looking: bool,
    reading: bool,
    read_not_before: Option<Instant>,
}

impl Sequencer {
    /// Reads where the log stands, and its tail into the ring: an instance is not ready before, because the storm of reconnects follows a start.
    pub(crate) async fn start(
        log: Arc<dyn EventLog>,
        id: LogId,
        settings: Arc<Settings>,
        announcements: mpsc::Receiver<Announcement>,
        newcomers: mpsc::UnboundedReceiver<NewShard>,
    ) -> Result<Self, LogError> {
        let chain = log.epochs(id).await?;
        let position = log.position(id).await?;
        let view = Arc::new(View::new(chain.clone()));
        let mut track = Track::new(chain, position, settings.ring);
        loop {
            match track.want() {
                Want::Nothing => break,
                Want::Events { after } => track.on_page(read(&*log, id, after).await?),
                Want::Epochs => track.on_epochs(log.epochs(id).await?),
            }
        }
        let this = Self {
            log,
            id,
            settings,
            track,
            view,
            announcements,
            newcomers,
            shards: Vec::new(),
            tasks: JoinSet::new(),
            looking: false,
            reading: false,
            read_not_before: None,
        };
        this.publish_view();
        Ok(this)
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.clone()
    }

    /// Runs until every announcer is gone.
    pub(crate) async fn run(mut self) {
        let mut look = interval(self.settings.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let full = self.hand_on();
            self.publish_view();
            self.read_on();
            tokio::select! {
                announcement = self.announcements.recv() => {
                    let Some(announcement) = announcement else { return };
                    let now = Instant::now();
                    self.track.on_announcement(announcement, now);
                    while let Ok(more) = self.announcements.try_recv() {
                        self.track.on_announcement(more, now);
                    }
                }
                Some(newcomer) = self.newcomers.recv() => {
                    self.track.add_shard();
                    self.shards.push(Some(newcomer));
                }
                Some(brought) = self.tasks.join_next() => match brought {
                    Ok(brought) => self.take(brought),
                    Err(error) => {
                        tracing::error!(%error, "a read of the log died");
                        (self.looking, self.reading) = (false, false);
                    }
                },
                _ = look.tick() => self.look(),
                () = sleep(FULL_RETRY), if full => {}
                () = sleep(READ_RETRY), if self.read_not_before.is_some() => {}
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
        self.view.store(self.track.chain(), self.track.position(), self.track.earliest(), self.track.stashed());
    }

    fn look(&mut self) {
        if std::mem::replace(&mut self.looking, true) {
            return;
        }
        let (log, asked_at) = (self.log.clone(), self.track.position());
        self.tasks.spawn(async move { Brought::Look { asked_at, positions: log.positions().await } });
    }

    fn read_on(&mut self) {
        if self.read_not_before.is_some_and(|moment| Instant::now() < moment) || self.reading {
            return;
        }
        self.read_not_before = None;
        let (log, id) = (self.log.clone(), self.id);
        match self.track.want() {
            Want::Nothing => return,
            Want::Events { after } => self.tasks.spawn(async move { Brought::Page(read(&*log, id, after).await) }),
            Want::Epochs => self.tasks.spawn(async move { Brought::Epochs(log.epochs(id).await) }),
        };
        self.reading = true;
    }

    fn take(&mut self, brought: Brought) {
        let outcome = match brought {
            Brought::Look { asked_at, positions } => {
                self.looking = false;
                positions.map(|positions| {
                    if let Some(position) = positions.into_iter().find(|position| position.log == self.id) {
                        self.track.on_look(position, asked_at);
                    }
                })
            }
            Brought::Page(page) => {
                self.reading = false;
                page.map(|page| self.track.on_page(page))
            }
            Brought::Epochs(chain) => {
                self.reading = false;
                chain.map(|chain| self.track.on_epochs(chain))
            }
        };
        self.view.note_look(outcome.as_ref().copied());
        if outcome.is_err() {
            self.read_not_before = Some(Instant::now() + READ_RETRY);
        }
    }
}

async fn read(log: &dyn EventLog, id: LogId, after: Seq) -> Result<Page, LogError> {
    let filter = Arc::new(Filter::everything());
    log.read(id, &PageRequest { filter, after, limit: 1000, max_bytes: 4 * 1024 * 1024 }).await
}
