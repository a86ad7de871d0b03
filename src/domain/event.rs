//! An event as the log holds it and as the wire shows it.
//!
//! The *envelope* is one JSON object without `seq` and `receivedAt`, canonical in its members' order and with `data` last, as text without
//! whitespace outside strings. Nothing after ingest ever re-encodes it, so what is replayed equals, byte for byte, what was live.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{EventType, Keys, Seq, StreamId, Timestamp, Topic, UserId};

/// The envelope's text, and where its `data` lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    text: Bytes,
    data: Range<u32>,
}

/// A stored envelope is not what ingest writes: the store was edited by hand.
#[derive(Debug, thiserror::Error)]
#[error("stored envelope is malformed: {0}")]
pub struct EnvelopeError(#[from] serde_json::Error);

impl Envelope {
    /// From the members before `data`, as `{"id":…,…,` without the closing brace but with the comma, and the value of `data`.
    ///
    /// Both must be JSON text without whitespace outside strings; ingest sees to that.
    #[must_use]
    pub fn assemble(members: &str, data: &str) -> Self {
        let mut text = String::with_capacity(members.len() + data.len() + 8);
        text.push_str(members);
        text.push_str("\"data\":");
        let start = text.len();
        text.push_str(data);
        let end = text.len();
        text.push('}');
        Self { text: text.into(), data: offset(start)..offset(end) }
    }

    /// The whole object.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // `assemble` and `parse` both start from a str, and the ranges are its char boundaries
        std::str::from_utf8(&self.text).expect("built from a str")
    }

    /// Bytes of the object.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len()
    }

    /// The value of `data`.
    #[must_use]
    pub fn data(&self) -> &str {
        &self.as_str()[self.data.start as usize..self.data.end as usize]
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("events are limited to far less than 4 GiB")
}

/// One event of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its position.
    pub seq: Seq,
    /// When the log took it; never runs backwards along seq.
    pub received_at: Timestamp,
    /// What it is filed under.
    pub keys: Keys,
    /// What it says.
    pub envelope: Envelope,
}

#[derive(Deserialize)]
struct StoredEnvelope<'a> {
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
    #[serde(default, borrow)]
    streams: Vec<Cow<'a, str>>,
    #[serde(default, borrow)]
    users: Vec<Cow<'a, str>>,
    #[serde(default, borrow)]
    topics: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Event {
    /// An event from a row of the log.
    ///
    /// # Errors
    /// [`EnvelopeError`] when the text is not what ingest writes.
    pub fn from_row(seq: Seq, received_at: Timestamp, envelope: String) -> Result<Self, EnvelopeError> {
        let stored: StoredEnvelope<'_> = serde_json::from_str(&envelope)?;
        let data = stored.data.get();
        let start = data.as_ptr() as usize - envelope.as_ptr() as usize;
        let data = offset(start)..offset(start + data.len());
        let keys = Keys {
            event_type: EventType::new(stored.event_type),
            streams: stored.streams.into_iter().map(StreamId::new).collect(),
            users: stored.users.into_iter().map(UserId::new).collect(),
            topics: stored.topics.into_iter().map(Topic::new).collect(),
        };
        Ok(Self { seq, received_at, keys, envelope: Envelope { text: envelope.into(), data } })
    }

    /// The event as clients see it: the envelope with `seq` in front and `receivedAt` behind.
    #[must_use]
    pub fn to_json(&self) -> String {
        let envelope = self.envelope.as_str();
        let members = &envelope[1..envelope.len() - 1];
        format!("{{\"seq\":{},{members},\"receivedAt\":\"{}\"}}", self.seq, self.received_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_as_it_was_assembled() {
        let envelope = Envelope::assemble(r#"{"id":"a\"b","type":"x.y","streams":["1"],"#, r#"{"n":12345678901234567890123,"z":"\u0000"}"#);
        assert_eq!(envelope.data(), r#"{"n":12345678901234567890123,"z":"\u0000"}"#);
        let event = Event::from_row(Seq::new(3), Timestamp::from_micros(0), envelope.as_str().to_owned()).expect("well formed");
        assert_eq!(event.envelope, envelope);
        assert_eq!(event.keys.streams[0].as_str(), "1");
        assert_eq!(
            event.to_json(),
            r#"{"seq":3,"id":"a\"b","type":"x.y","streams":["1"],"data":{"n":12345678901234567890123,"z":"\u0000"},"receivedAt":"1970-01-01T00:00:00.000000Z"}"#
        );
    }
}
