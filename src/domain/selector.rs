//! One thing a filter asks for, and the key under which log and hub file it.

use sha2::{Digest as _, Sha256};

use super::{Keys, Pattern, StreamId, UserId};

/// A 64-bit name of a selector: the first bytes of the SHA-256 of its kind and text.
///
/// Postings and index are keyed by it, because it is small and of one size. Two selectors may share a key, so whoever finds an event by key
/// rechecks it by [`Term::matches`]. The log stores keys: the derivation must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelectorKey(u64);

impl SelectorKey {
    pub(crate) fn stream(id: &StreamId) -> Self {
        Self::derive(b's', id.as_str())
    }
    pub(crate) fn user(id: &UserId) -> Self {
        Self::derive(b'u', id.as_str())
    }
    pub(super) fn topic(name: &str) -> Self {
        Self::derive(b't', name)
    }
    pub(super) fn under_topic(ancestor: &str) -> Self {
        Self::derive(b'T', ancestor)
    }
    pub(super) fn event_type(name: &str) -> Self {
        Self::derive(b'y', name)
    }
    pub(super) fn under_type(ancestor: &str) -> Self {
        Self::derive(b'Y', ancestor)
    }

    fn derive(kind: u8, text: &str) -> Self {
        let digest = Sha256::new().chain_update([kind]).chain_update(text).finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(first))
    }

    /// As a database column.
    #[must_use]
    pub const fn to_column(self) -> i64 {
        self.0.cast_signed()
    }
}

/// One alternative of a filter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// Events that concern this stream.
    Stream(StreamId),
    /// Events that concern this user.
    User(UserId),
    /// Events filed under a topic that the pattern selects.
    Topic(Pattern),
    /// Events whose type the pattern selects.
    Type(Pattern),
}

impl Term {
    /// The key among whose postings every match is found; `None` when a match can be anywhere: the pattern starts with a wild segment.
    #[must_use]
    pub fn anchor(&self) -> Option<SelectorKey> {
        let named = |pattern: &Pattern, exact: fn(&str) -> SelectorKey, under: fn(&str) -> SelectorKey| {
            if pattern.is_exact() {
                Some(exact(pattern.as_str()))
            } else if pattern.literal().is_empty() {
                None
            } else {
                Some(under(pattern.literal()))
            }
        };
        match self {
            Self::Stream(id) => Some(SelectorKey::stream(id)),
            Self::User(id) => Some(SelectorKey::user(id)),
            Self::Topic(pattern) => named(pattern, SelectorKey::topic, SelectorKey::under_topic),
            Self::Type(pattern) => named(pattern, SelectorKey::event_type, SelectorKey::under_type),
        }
    }

    /// Whether it means every event that `other` means.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Topic(ours), Self::Topic(theirs)) | (Self::Type(ours), Self::Type(theirs)) => ours.covers(theirs),
            _ => self == other,
        }
    }

    /// Whether an event with these keys is meant.
    #[must_use]
    pub fn matches(&self, keys: &Keys) -> bool {
        match self {
            Self::Stream(id) => keys.streams.contains(id),
            Self::User(id) => keys.users.contains(id),
            Self::Topic(pattern) => keys.topics.iter().any(|topic| pattern.matches(topic.as_str())),
            Self::Type(pattern) => pattern.matches(keys.event_type.as_str()),
        }
    }
}
