//! What becomes of names whose log is another one, or gone: the store was put back to an earlier moment while this instance ran.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::Ordering,
};

use super::Hubs;
use crate::{
    domain::LogName,
    hub::roster::Misplaced,
    log::{LogError, LogId},
};

impl Hubs {
    /// Forgets the names that a look contradicts, and closes their streams; which numbers those were. Whoever comes next has the log opened anew.
    pub(super) fn close_misplaced(&self, found: &HashMap<LogId, LogName>) -> HashSet<LogId> {
        let over = self.roster().take_misplaced(found);
        let numbers = over.iter().map(|misplaced| misplaced.id).collect();
        over.into_iter().for_each(close);
        numbers
    }

    /// Has `default` followed again if it is not: it is one that is over, or it could not be opened anew before.
    pub(super) fn keep_default(&self) {
        let name = LogName::new(LogName::DEFAULT);
        let is_kept = {
            let roster = self.roster();
            roster.opening.contains_key(&name) || roster.id(&name).is_some_and(|id| roster.places.contains_key(&id))
        };
        let Some(this) = self.me.upgrade().filter(|_| !is_kept) else { return };
        self.runtime.spawn(async move {
            let kept = async {
                let id = this.open(&name, usize::MAX).await.map_err(|error| LogError::Unavailable(error.to_string()))?;
                this.default.store(id.to_column(), Ordering::Release);
                this.hub(id).await
            };
            if let Err(error) = kept.await {
                tracing::warn!(%error, "the default log could not be followed; the next look is followed by another try");
            }
        });
    }
}

/// Ends what followed a log that is over.
pub(super) fn close(misplaced: Misplaced) {
    let (name, log) = (misplaced.name.as_str(), misplaced.id.to_column());
    tracing::warn!(name, log, "the store has another log under this number, or none: it was put back; streams of the log are closed");
    if let Some(hub) = misplaced.hub {
        hub.close();
    }
}
