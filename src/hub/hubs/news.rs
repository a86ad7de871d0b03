//! What reaches the hubs from outside: announcements, and what looks at the store found.

use std::{
    collections::{HashMap, HashSet},
    sync::Weak,
    time::Instant,
};

use super::Hubs;
use crate::{
    backplane::Announcement,
    hub::{Hub, sequencer::Looked, view::Asked},
    log::{LogError, LogId, Look, Position},
};

impl Hubs {
    /// Hands an announcement to the hub of its log, if there is one.
    pub(in crate::hub) fn announce(&self, announcement: Announcement) {
        let (inbox, are_strangers) = {
            let mut roster = self.roster();
            (roster.inbox(announcement.log).cloned(), roster.strangers.note(announcement.store, Instant::now()))
        };
        if are_strangers {
            tracing::warn!(
                "an instance on a copy of this store announces through the same backplane; it is not believed, and should have another one"
            );
        }
        // a full inbox is a hint lost: the sequencer sees the hole with the next announcement, or with the next look
        let _ = inbox.map(|inbox| inbox.try_send(announcement));
    }

    /// What a look that is asked for now has to remember.
    pub(in crate::hub) fn asked(&self) -> Vec<(Weak<Hub>, Asked)> {
        self.roster().asked()
    }

    /// Hands what a look found to those who were there when it was asked for.
    pub(in crate::hub) fn take_look(&self, asked: Vec<(Weak<Hub>, Asked)>, outcome: Result<Look, LogError>) {
        self.reach.note(outcome.as_ref().map(|_| ()));
        let positions = outcome.as_ref().ok().map(by_log);
        // first: what the look says of a number that is another log's now is none of its hub's business
        let closed = outcome.as_ref().map_or_else(|_| HashSet::new(), |look| self.close_misplaced(&look.names));
        for (hub, asked) in asked {
            let Some(hub) = hub.upgrade().filter(|hub| !closed.contains(&hub.id())) else { continue };
            hub.tell(match (&outcome, &positions) {
                (Ok(look), Some(positions)) => Looked::At { store: look.store, position: positions.get(&hub.id()).copied(), asked },
                _ => Looked::Failed,
            });
        }
        if let (Ok(look), Some(positions)) = (outcome, positions) {
            {
                let mut roster = self.roster();
                roster.positions = positions;
                roster.strangers.follow(look.store);
            }
            self.access.send_if_modified(|version| std::mem::replace(version, look.access) != look.access);
            self.resolve_tenants();
            self.keep_default();
        }
    }
}

pub(super) fn by_log(look: &Look) -> HashMap<LogId, Position> {
    look.positions.iter().map(|position| (position.log, *position)).collect()
}
