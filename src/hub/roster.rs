//! Which logs an instance knows, which of them it follows, and what their tenants' settings are: all that stands under one lock.
//!
//! Nothing here waits or calls anything that does. Names are bounded, hubs by names: to make room the name that was used longest ago is forgotten, but
//! none whose log is followed or has settings of its own. What is known of a name is not for ever: a store can be put back, and then has another
//! log under a number, or none.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{Hub, hubs::OpenError, orders::Orders, stats::Statistics, strangers::Strangers, underway::Underway, view::Asked};
use crate::{
    backplane::Announcement,
    domain::LogName,
    log::{LogError, LogId, Position, TenantSettings},
};

/// A log that is followed, or about to be.
pub(super) enum Place {
    Starting { inbox: mpsc::Sender<Announcement>, underway: Underway<Arc<Hub>, LogError> },
    Running { hub: Arc<Hub>, idle_since: Option<Instant> },
}

/// What is known of a name.
#[derive(Clone, Copy)]
struct Known {
    id: LogId,
    /// How many looks had been asked for when the store said so.
    since: u64,
    /// Higher than that of every name which was used before.
    used: u64,
}

/// A name that is not its log's any more, and the hub that was.
pub(super) struct Misplaced {
    pub(super) name: LogName,
    pub(super) id: LogId,
    pub(super) hub: Option<Arc<Hub>>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Roster {
    ids: HashMap<LogName, Known>,
    names: HashMap<LogId, LogName>,
    /// Logs that the store is being asked for.
    pub(super) opening: HashMap<LogName, Underway<LogId, OpenError>>,
    pub(super) places: HashMap<LogId, Place>,
    /// Nothing before they were told.
    tenants: Option<HashMap<LogName, TenantSettings>>,
    /// Tenants' logs are being opened because they have settings.
    pub(super) is_resolving: bool,
    /// Who announces what this store does not have.
    pub(super) strangers: Strangers,
    /// Where all logs of the store stood at the last look.
    pub(super) positions: HashMap<LogId, Position>,
    /// What hubs have counted that were stopped.
    retired: Statistics,
    /// What holds for connections of all logs.
    orders: Orders,
    /// Looks that were asked for.
    looks: u64,
    /// Uses of names.
    uses: u64,
}

impl Roster {
    pub(super) fn id(&self, name: &LogName) -> Option<LogId> {
        self.ids.get(name).map(|known| known.id)
    }

    /// As [`Roster::id`], for someone who uses the log.
    pub(super) fn used(&mut self, name: &LogName) -> Option<LogId> {
        self.uses += 1;
        let known = self.ids.get_mut(name)?;
        known.used = self.uses;
        Some(known.id)
    }

    pub(super) fn name(&self, id: LogId) -> Option<&LogName> {
        self.names.get(&id)
    }

    pub(super) fn open_logs(&self) -> impl Iterator<Item = LogId> {
        self.names.keys().copied()
    }

    /// Forgets names until there is room for one more, if there can be; those that are kept for their settings alone take up none.
    pub(super) fn make_room(&mut self, max: usize, keep: LogId) -> bool {
        loop {
            let is_free = |known: &Known| !self.places.contains_key(&known.id) && known.id != keep;
            let takes_room = |(name, known): &(&LogName, &Known)| !is_free(known) || !self.has_settings(name);
            if self.ids.iter().filter(takes_room).count() + self.opening.len() < max {
                return true;
            }
            let free = self.ids.iter().filter(|(name, known)| is_free(known) && !self.has_settings(name));
            let Some(name) = free.min_by_key(|(_, known)| known.used).map(|(name, _)| name.clone()) else { return false };
            self.forget(&name);
        }
    }

    fn has_settings(&self, name: &LogName) -> bool {
        self.tenants.as_ref().is_some_and(|tenants| tenants.contains_key(name))
    }

    fn forget(&mut self, name: &LogName) -> Option<LogId> {
        let id = self.ids.remove(name)?.id;
        if self.names.get(&id) == Some(name) {
            self.names.remove(&id);
        }
        Some(id)
    }

    /// Notes which log a name is; what that proves to be over is given back.
    pub(super) fn add(&mut self, name: LogName, id: LogId) -> Vec<Misplaced> {
        let before = self.names.get(&id).filter(|before| **before != name).cloned();
        let moved = self.id(&name).filter(|before| *before != id).map(|_| name.clone());
        let over = before.into_iter().chain(moved).filter_map(|name| self.misplaced(name)).collect();
        self.uses += 1;
        self.ids.insert(name.clone(), Known { id, since: self.looks, used: self.uses });
        self.names.insert(id, name);
        if let Some(hub) = self.running(id) {
            hub.set_max_connections(max_connections(&self.settings_of(id)));
        }
        over
    }

    /// Takes out what a look shows to be over, of what was known when the look was asked for.
    pub(super) fn take_misplaced(&mut self, found: &HashMap<LogId, LogName>) -> Vec<Misplaced> {
        let is_over = |(name, known): &(&LogName, &Known)| known.since < self.looks && found.get(&known.id) != Some(*name);
        let over: Vec<_> = self.ids.iter().filter(is_over).map(|(name, _)| name.clone()).collect();
        over.into_iter().filter_map(|name| self.misplaced(name)).collect()
    }

    fn misplaced(&mut self, name: LogName) -> Option<Misplaced> {
        let id = self.forget(&name)?;
        // one that is starting finds that it has no place any more
        let hub = match self.places.remove(&id) {
            Some(Place::Running { hub, .. }) => Some(hub),
            Some(Place::Starting { .. }) | None => None,
        };
        hub.iter().for_each(|hub| self.retired.settle(hub.statistics()));
        Some(Misplaced { name, id, hub })
    }

    pub(super) fn running(&self, id: LogId) -> Option<&Arc<Hub>> {
        match self.places.get(&id) {
            Some(Place::Running { hub, .. }) => Some(hub),
            _ => None,
        }
    }

    pub(super) fn all_running(&self) -> impl Iterator<Item = (LogId, &Arc<Hub>)> {
        self.places.iter().filter_map(|(id, place)| match place {
            Place::Running { hub, .. } => Some((*id, hub)),
            Place::Starting { .. } => None,
        })
    }

    /// Puts a hub that has started where all find it, as everything that was decided meanwhile wants it.
    pub(super) fn add_hub(&mut self, id: LogId, hub: Arc<Hub>) {
        hub.set_max_connections(max_connections(&self.settings_of(id)));
        hub.order(self.orders);
        self.places.insert(id, Place::Running { hub, idle_since: None });
    }

    /// Changes what holds from now on, for hubs that run and those that start later.
    pub(super) fn order(&mut self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders);
        self.all_running().for_each(|(_, hub)| hub.order(self.orders));
    }

    /// Who hears of a log's growth, if anyone follows it.
    pub(super) fn inbox(&self, id: LogId) -> Option<&mpsc::Sender<Announcement>> {
        match self.places.get(&id)? {
            Place::Starting { inbox, .. } => Some(inbox),
            Place::Running { hub, .. } => Some(hub.inbox()),
        }
    }

    /// Where each hub stands now: what a look that is about to be asked for has to remember.
    pub(super) fn asked(&mut self) -> Vec<(Weak<Hub>, Asked)> {
        self.looks += 1;
        self.all_running().map(|(_, hub)| (Arc::downgrade(hub), hub.view().asked())).collect()
    }

    /// Takes out the hubs but `keep`'s that nobody has followed for `idle`.
    ///
    /// Whoever holds a hub keeps it: the roster's is the last reference, and nobody can get another while the roster is locked.
    pub(super) fn take_idle(&mut self, keep: LogId, idle: Duration, now: Instant) -> Vec<Arc<Hub>> {
        let mut over = Vec::new();
        for (id, place) in &mut self.places {
            let Place::Running { hub, idle_since } = place else { continue };
            if *id == keep || hub.admission().now() > 0 {
                *idle_since = None;
            } else if now.duration_since(*idle_since.get_or_insert(now)) >= idle && Arc::strong_count(hub) == 1 {
                over.push(*id);
            }
        }
        let taken = over.into_iter().filter_map(|id| self.places.remove(&id));
        let taken: Vec<_> = taken.filter_map(|place| if let Place::Running { hub, .. } = place { Some(hub) } else { None }).collect();
        taken.iter().for_each(|hub| self.retired.settle(hub.statistics()));
        taken
    }

    /// What was counted of all logs: that of a hub which is stopped later is counted once all the same.
    pub(super) fn statistics(&self) -> Statistics {
        let all = self.retired.settled();
        self.all_running().for_each(|(_, hub)| all.join(hub.statistics()));
        all
    }

    pub(super) fn configure(&mut self, tenants: &[(LogName, TenantSettings)]) {
        self.tenants = Some(tenants.iter().cloned().collect());
        for (id, hub) in self.all_running() {
            hub.set_max_connections(max_connections(&self.settings_of(id)));
        }
    }

    /// A log's own settings, as far as its name is known.
    pub(super) fn settings_of(&self, id: LogId) -> TenantSettings {
        let own = self.names.get(&id).and_then(|name| self.tenants.as_ref()?.get(name));
        own.copied().unwrap_or_default()
    }

    /// Tenants that have settings, and of which it is not known which log is theirs.
    pub(super) fn unresolved(&self) -> impl Iterator<Item = &LogName> {
        self.tenants.iter().flat_map(HashMap::keys).filter(|name| !self.ids.contains_key(*name))
    }

    /// Whether [`Roster::settings_of`] is the whole truth about a log.
    pub(super) fn is_sure_of(&self, id: LogId) -> bool {
        self.tenants.is_some() && (self.names.contains_key(&id) || self.unresolved().next().is_none())
    }
}

fn max_connections(settings: &TenantSettings) -> Option<usize> {
    settings.max_connections.map(|max| max as usize)
}
