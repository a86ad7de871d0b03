//! What tenants have settings of their own, and for which logs those are.
//!
//! Settings stand under names, and retention goes by logs, used on this instance or not. A log whose name is not known may be one that is to be kept
//! for longer, so it is left alone until it is known whose it is.

use std::sync::Arc;

use super::Hubs;
use crate::{
    domain::LogName,
    log::{LogId, Retention, TenantSettings},
};

impl Hubs {
    /// Keeps the settings of the tenants that have their own; what is told last counts, as a whole. Before that no log is trimmed.
    pub fn configure(&self, tenants: Arc<Vec<(LogName, TenantSettings)>>) {
        self.roster().configure(&tenants);
        self.resolve_tenants();
    }

    /// A log's own settings.
    #[must_use]
    pub fn settings_of(&self, id: LogId) -> TenantSettings {
        self.roster().settings_of(id)
    }

    /// How much to keep of a log; `None` as long as it may have settings that are not known to be its: what is trimmed too early is gone.
    #[must_use]
    pub fn retention_of(&self, id: LogId, default: Retention) -> Option<Retention> {
        let roster = self.roster();
        roster.is_sure_of(id).then(|| default.overridden_by(&roster.settings_of(id)))
    }

    /// Opens the logs of tenants that have settings, one after another: retention has to know whose a log is, used or not.
    pub(super) fn resolve_tenants(&self) {
        let Some(this) = self.me.upgrade() else { return };
        let names: Vec<LogName> = {
            let mut roster = self.roster();
            let names: Vec<_> = roster.unresolved().cloned().collect();
            if names.is_empty() || std::mem::replace(&mut roster.is_resolving, true) {
                return;
            }
            names
        };
        self.runtime.spawn(async move {
            for name in names {
                // an operator has named them, so they do not count against the bound
                if let Err(error) = this.open(&name, usize::MAX).await {
                    tracing::debug!(%error, "a tenant that has settings could not be looked up; the next look is followed by another try");
                    break;
                }
            }
            this.roster().is_resolving = false;
        });
    }
}
