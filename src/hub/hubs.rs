//! The hubs of one instance: a log is followed from its first subscriber on, and until nobody has followed it for a while.
//!
//! A log without followers costs an entry in a table: publishing to it, and reading its history, needs no hub. The first subscriber has the log's tail
//! read into memory; who comes while that is under way shares it. `default`'s hub is there from the start and stays, so that an instance is ready
//! when it says so.
//!
//! All tasks here run on the runtime on which [`Hubs::start`] was called, whoever asks. Two serve all logs: the [`lookout`](super::lookout) looks
//! at the store, and the [`router`](super::router) hands announcements to the hub of their log. **Every list is bounded**: logs by `max_logs`
//! (`logs_are_opened_once_and_no_more_of_them_than_may_be`), hubs by logs. Whoever holds a [`Permit`](super::Permit) or a hub keeps it.
//!
//! A store that was put back may have another log under a number that was seen before: what a look calls otherwise than this instance does is
//! forgotten, and its streams are closed (`a_log_whose_number_is_another_ones_now_is_forgotten_and_its_streams_are_closed`).

#[cfg(test)]
mod fake;
mod misplaced;
mod news;
mod tenants;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, watch},
};

use self::news::by_log;
use super::{
    Admission, CloseReason, Hub, Settings, Totals,
    lookout::Lookout,
    reach::Reach,
    roster::{Place, Roster},
    router,
    underway::{self, Underway},
};
use crate::{
    backplane::{Announcement, Backplane, Local},
    domain::LogName,
    histogram::Spread,
    log::{AccessVersion, EventLog, LogError, LogId, Position},
    vital::vital,
};

/// Why a log is not open.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// This instance has as many in use as it may.
    #[error("this instance has as many logs as it may")]
    TooMany,
    /// The store could not be asked.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Pages of replay that are wanted now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Being read.
    pub now: usize,
    /// The most that are read at once.
    pub max: usize,
    /// Waiting for their turn.
    pub waiting: usize,
}

/// See the module.
pub struct Hubs {
    me: Weak<Self>,
    log: Arc<dyn EventLog>,
    settings: Arc<Settings>,
    max_logs: usize,
    /// The log that is always followed, as a column.
    default: AtomicI32,
    admission: Arc<Admission>,
    reach: Arc<Reach>,
    /// Pages of replay, and starts of hubs, that are read at once.
    reads: Arc<Semaphore>,
    access: watch::Sender<AccessVersion>,
    /// Told which logs are followed; not kept.
    backplane: OnceLock<Weak<dyn Backplane>>,
    /// Whether the tasks are to end; they also do when this is dropped.
    stopped: watch::Sender<bool>,
    runtime: Handle,
    roster: Mutex<Roster>,
}

impl Hubs {
    /// Reads `default`'s tail, and starts to follow it, on the current runtime; until every announcer is gone.
    ///
    /// # Errors
    /// [`LogError`] when the store can't be read.
    pub async fn start(
        log: Arc<dyn EventLog>,
        settings: Settings,
        announcements: mpsc::Receiver<Announcement>,
        max_logs: usize,
    ) -> Result<Arc<Self>, LogError> {
        let name = LogName::new(LogName::DEFAULT);
        let default = log.open(&name).await?;
        let look = log.look().await?;
        let mut roster = Roster::default();
        drop(roster.add(name, default));
        roster.positions = by_log(&look);
        let this = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            log,
            max_logs,
            default: AtomicI32::new(default.to_column()),
            admission: Admission::new(settings.max_connections),
            reach: Arc::default(),
            reads: Arc::new(Semaphore::new(settings.replay_permits.max(1))),
            access: watch::Sender::new(look.access),
            backplane: OnceLock::new(),
            stopped: watch::Sender::new(false),
            runtime: Handle::current(),
            roster: Mutex::new(roster),
            settings: Arc::new(settings),
        });
        this.hub(default).await?;
        tokio::spawn(vital("lookout", Lookout::new(&this).run()));
        tokio::spawn(vital("router", router::run(this.me.clone(), announcements, this.stopped.subscribe())));
        Ok(this)
    }

    /// Tells `backplane` from now on of which logs to hear.
    pub fn hear_through(&self, backplane: &Arc<dyn Backplane>) {
        if self.backplane.set(Arc::downgrade(backplane)).is_ok() {
            self.tell_followed(&self.roster());
        }
    }

    /// To be called under the lock, so that a later set is told later.
    fn tell_followed(&self, roster: &Roster) {
        if let Some(backplane) = self.backplane.get().and_then(Weak::upgrade) {
            backplane.follow(roster.places.keys().copied().collect());
        }
    }

    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log of this name, which is made when the store has none.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn log(&self, name: &LogName) -> Result<LogId, OpenError> {
        self.open(name, self.max_logs).await
    }

    /// Whether the store has a log of this name; none is made.
    ///
    /// # Errors
    /// [`LogError`] when the store can't be asked.
    pub async fn has_log(&self, name: &LogName) -> Result<bool, LogError> {
        if self.roster().used(name).is_some() {
            return Ok(true);
        }
        Ok(self.log.look().await?.names.values().any(|known| known == name))
    }

    async fn open(&self, name: &LogName, max_logs: usize) -> Result<LogId, OpenError> {
        // let go of only when the roster is not locked any more
        let mut _unfollowed = Vec::new();
        let opening = {
            let (mut roster, default) = (self.roster(), self.default_log());
            if let Some(id) = roster.used(name) {
                return Ok(id);
            }
            match roster.opening.get(name) {
                Some(opening) => opening.clone(),
                None => {
                    if !roster.make_room(max_logs, default) {
                        _unfollowed = roster.take_idle(default, Duration::ZERO, Instant::now());
                        if !roster.make_room(max_logs, default) {
                            return Err(OpenError::TooMany);
                        }
                    }
                    let opening = self.ask_for(name);
                    roster.opening.insert(name.clone(), opening.clone());
                    opening
                }
            }
        };
        opening.await
    }

    fn ask_for(&self, name: &LogName) -> Underway<LogId, OpenError> {
        let (log, name, me) = (self.log.clone(), name.clone(), self.me.clone());
        let asked_for = name.clone();
        underway::start(&self.runtime, async move { Ok(log.open(&asked_for).await?) }, move |outcome| {
            if let Some(this) = me.upgrade() {
                let mut roster = this.roster();
                roster.opening.remove(&name);
                if let Ok(id) = &outcome {
                    let over = roster.add(name, *id);
                    drop(roster);
                    over.into_iter().for_each(misplaced::close);
                }
            }
            outcome
        })
    }

    /// The hub of a log that [`Hubs::log`] gave; started when there is none.
    ///
    /// # Errors
    /// [`LogError`] when the log's tail can't be read; the next who asks tries again.
    pub async fn hub(&self, id: LogId) -> Result<Arc<Hub>, LogError> {
        let starting = {
            let mut roster = self.roster();
            match roster.places.get_mut(&id) {
                Some(Place::Running { hub, idle_since }) => {
                    *idle_since = None;
                    return Ok(hub.clone());
                }
                Some(Place::Starting { underway, .. }) => underway.clone(),
                None => {
                    let (inbox, announcements) = mpsc::channel(Local::INBOX);
                    let underway = self.begin(id, inbox.clone(), announcements);
                    roster.places.insert(id, Place::Starting { inbox, underway: underway.clone() });
                    self.tell_followed(&roster);
                    underway
                }
            }
        };
        starting.await
    }

    fn begin(
        &self,
        id: LogId,
        inbox: mpsc::Sender<Announcement>,
        announcements: mpsc::Receiver<Announcement>,
    ) -> Underway<Arc<Hub>, LogError> {
        let (log, settings, reads) = (self.log.clone(), self.settings.clone(), self.reads.clone());
        let (admission, reach, me) = (Admission::within(self.admission.clone()), self.reach.clone(), self.me.clone());
        let start = async move {
            // a restart is followed by all tenants at once
            let _turn = reads.acquire().await;
            let reads = reads.clone();
            Hub::start(super::Parts { log, id, settings, admission, reach, reads, inbox, announcements }).await.map(Arc::new)
        };
        underway::start(&self.runtime, start, move |outcome| {
            if let Some(this) = me.upgrade() {
                let mut roster = this.roster();
                match &outcome {
                    // what the log was called proved wrong meanwhile
                    Ok(hub) if !roster.places.contains_key(&id) => hub.close(),
                    Ok(hub) => roster.add_hub(id, hub.clone()),
                    Err(_) => drop(roster.places.remove(&id)),
                }
            }
            outcome
        })
    }

    /// The hub of a log, if it is followed.
    #[must_use]
    pub fn running(&self, id: LogId) -> Option<Arc<Hub>> {
        self.roster().running(id).cloned()
    }

    /// How many logs are followed.
    #[must_use]
    pub fn followed(&self) -> usize {
        self.roster().all_running().count()
    }

    /// What was counted of all logs since the start, and what is held now; what was counted never grows less, whichever hubs are stopped.
    #[must_use]
    pub fn totals(&self) -> (Totals, Spread) {
        // only gathered under the lock
        let all = self.roster().statistics();
        (all.totals(), all.latency())
    }

    /// Events of all logs that wait until those before them are read.
    #[must_use]
    pub fn stashed(&self) -> usize {
        self.roster().all_running().map(|(_, hub)| hub.view().stashed()).sum()
    }

    /// Reads of all logs that were made because announced events waited behind a hole, since the start.
    #[must_use]
    pub fn holes_read(&self) -> u64 {
        self.reach.holes()
    }

    /// Pages of replay, and starts of hubs, of all logs together.
    #[must_use]
    pub fn reads(&self) -> Reads {
        let max = self.settings.replay_permits.max(1);
        let now = max - self.reads.available_permits().min(max);
        let asked: usize = self.roster().all_running().map(|(_, hub)| hub.replays.asked()).sum();
        Reads { now, max, waiting: asked.saturating_sub(now) }
    }

    /// The log that is always followed.
    #[must_use]
    pub fn default_log(&self) -> LogId {
        LogId::new(self.default.load(Ordering::Acquire))
    }

    /// The name of a log that is open.
    #[must_use]
    pub fn name(&self, id: LogId) -> Option<LogName> {
        self.roster().name(id).cloned()
    }

    /// Every log that was opened.
    #[must_use]
    pub fn open_logs(&self) -> Vec<LogId> {
        self.roster().open_logs().collect()
    }

    /// The most logs that may be.
    #[must_use]
    pub fn max_logs(&self) -> usize {
        self.max_logs
    }

    /// Where a log stood at the last look, followed or not.
    #[must_use]
    pub fn position(&self, id: LogId) -> Option<Position> {
        self.roster().positions.get(&id).copied()
    }

    /// Whether the store could be read the last time.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.reach.is_good()
    }

    /// How often who may do what was changed, as the last look found it.
    #[must_use]
    pub fn access_version(&self) -> watch::Receiver<AccessVersion> {
        self.access.subscribe()
    }

    /// Room for connections, of all logs together.
    #[must_use]
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Admits nobody any more, and closes every connection over `window`.
    pub fn drain(&self, window: Duration) {
        self.admission.drain();
        self.roster().order(|orders| orders.drain = Some(window));
    }

    /// Ends for `reason` every connection that was opened without a right, and those that come without one from now on: what allowed them is over.
    pub fn end_unowned(&self, reason: CloseReason) {
        self.roster().order(|orders| orders.unowned = Some(reason));
    }

    /// Lets go of hubs that nobody follows.
    pub(super) fn sweep(&self, now: Instant) {
        let taken = {
            let mut roster = self.roster();
            let taken = roster.take_idle(self.default_log(), self.settings.idle, now);
            // also of those that were let go of elsewhere since the last time
            self.tell_followed(&roster);
            taken
        };
        for hub in taken {
            tracing::debug!(log = hub.id().to_column(), "nobody follows it: held in memory no more");
        }
    }

    /// Ends the tasks that serve all logs: the instance is about to close the store.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    pub(super) fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    pub(super) fn store(&self) -> Arc<dyn EventLog> {
        self.log.clone()
    }

    pub(super) fn downgrade(&self) -> Weak<Self> {
        self.me.clone()
    }
}
