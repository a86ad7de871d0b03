//! `chaincast log export` and `log import`: a log as lines of events, out of a store and into another one.
//!
//! Lines carry what events say, and not the numbers of a store: an import appends, as a publisher would, under the ids that the events have. What moves
//! numbers, digests and access too is `copy`. Both work page by page, in the memory of a few pages, beside a running service or without one.

mod export;
mod import;

pub use self::{export::export, import::import};

use anyhow::Context as _;

use crate::{
    domain::LogName,
    log::{EventLog, LogId},
};

fn name(tenant: &str) -> anyhow::Result<LogName> {
    LogName::parse(tenant).map_err(|error| anyhow::anyhow!("--tenant: {error}"))
}

/// The log of this name, which must be there: reading one must not make it.
async fn existing(log: &dyn EventLog, name: &LogName) -> anyhow::Result<LogId> {
    let look = log.look().await?;
    let found = look.names.iter().find(|(_, known)| *known == name).map(|(id, _)| *id);
    found.with_context(|| {
        let mut names: Vec<&str> = look.names.values().map(LogName::as_str).take(20).collect();
        names.sort_unstable();
        format!("there is no log of tenant {name}; there are: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })
    })
}
