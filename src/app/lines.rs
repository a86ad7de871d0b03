//! `chaincast log export` and `log import`: a log as lines of events, out of a store and into another one.
//!
//! Lines carry what events say, with the digests of what was received, and not the numbers of a store: an import appends, as a publisher would, under the
//! ids that the events have, so that a publisher's own repetition is known there too. What moves numbers and access as well is `copy`. Both work page by page, in the memory of a few pages, beside a running service or without one.

mod export;
mod import;

pub use self::{export::export, import::import};

use anyhow::Context as _;

use crate::{
    domain::LogName,
    log::{ContentDigest, EventLog, LogId},
};

/// A digest as text.
fn to_hex(digest: &ContentDigest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What [`to_hex`] wrote.
fn from_hex(text: &str) -> Option<ContentDigest> {
    let mut digest = ContentDigest::default();
    let is_hex = text.len() == 2 * digest.len() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (at, byte) in digest.iter_mut().enumerate().take_while(|_| is_hex) {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    is_hex.then_some(digest)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_as_it_was_written() {
        let digest: ContentDigest = std::array::from_fn(|at| (at * 8) as u8);
        assert_eq!(from_hex(&to_hex(&digest)), Some(digest));
        for bad in ["", "00", &"é".repeat(32), &"0".repeat(63), &"+0".repeat(32), &"0".repeat(65)] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
