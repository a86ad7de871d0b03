//! What an event is filed under.

use smallvec::SmallVec;

use super::{EventType, SelectorKey, StreamId, Topic, UserId, name::ancestors};

/// The parts of an event that filters look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The event's kind.
    pub event_type: EventType,
    /// The streams it concerns.
    pub streams: Box<[StreamId]>,
    /// The users it concerns.
    pub users: Box<[UserId]>,
    /// The topics it is filed under.
    pub topics: Box<[Topic]>,
}

impl Keys {
    /// The most streams, users and topics of one event together.
    pub const MAX_SELECTORS: usize = 16;

    /// Every key under which the event is posted: each stream, user, topic and the type, and each ancestor of a topic or the type.
    /// Sorted, each once.
    #[must_use]
    pub fn postings(&self) -> SmallVec<[SelectorKey; 12]> {
        let mut keys: SmallVec<[SelectorKey; 12]> = self.ids().collect();
        for topic in &self.topics {
            keys.push(SelectorKey::topic(topic.as_str()));
            keys.extend(ancestors(topic.as_str()).map(SelectorKey::under_topic));
        }
        keys.push(SelectorKey::event_type(self.event_type.as_str()));
        keys.extend(ancestors(self.event_type.as_str()).map(SelectorKey::under_type));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The keys of the streams and users alone.
    pub fn ids(&self) -> impl Iterator<Item = SelectorKey> {
        self.streams.iter().map(SelectorKey::stream).chain(self.users.iter().map(SelectorKey::user))
    }
}
