//! One event as its publisher sent it, checked, in canonical order, and not yet under a source.
//!
//! The members of the envelope are written anew, in one order and spelling, so that equal events look equal; `data` is text from the
//! publisher to the browser. The digest is taken over what was received, so it does not depend on how this module writes.

use sha2::{Digest as _, Sha256};

use super::{
    fault::{Excess, Faults},
    ids::MissingIds,
    minify::{minify, nests_deeper_than},
    object::Object,
    rules,
};
use crate::{
    domain::{Envelope, EventId, EventType, Keys, Source, StreamId, Topic, UserId},
    log::{ContentDigest, NewEvent},
};

const MEMBERS: [&str; 15] =
    ["id", "type", "streams", "users", "topics", "key", "time", "chain", "contract", "block", "tx", "index", "status", "ref", "data"];
/// How deep `data` may nest: half of what common parsers follow.
const MAX_DEPTH: usize = 64;

/// A checked event that lacks its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where it stands in the body.
    pointer: String,
    id: EventId,
    digest: ContentDigest,
    keys: Keys,
    /// The members of the envelope from `type` to `ref`, each with a comma behind.
    members: String,
    data: String,
}

impl Draft {
    /// Where it stands in the body, as a JSON Pointer: what a fault of it begins with.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Its idempotency key; as [`MissingIds`] says when the publisher gave none.
    #[must_use]
    pub fn id(&self) -> &EventId {
        &self.id
    }

    /// What it is filed under: what a policy decides by.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The event, as one of `source`.
    #[must_use]
    pub fn into_event(self, source: &Source) -> NewEvent {
        let mut envelope = Members::default();
        envelope.string("id", self.id.as_str());
        envelope.string("source", source.as_str());
        let envelope = Envelope::assemble(&format!("{{{}{}", envelope.0, self.members), &self.data);
        NewEvent { id: self.id, digest: self.digest, keys: self.keys, envelope }
    }

    /// Reads one event of a body that is valid JSON. `None` when it has faults.
    pub(super) fn read(
        json: &str,
        index: usize,
        pointer: String,
        max_bytes: usize,
        missing: &MissingIds<'_>,
        faults: &mut Faults,
    ) -> Result<Option<Self>, Excess> {
        let json = minify(json);
        // before anything is taken apart, so that what is kept of one event is bounded by its size
        if json.len() > max_bytes {
            return Err(Excess::EventBytes { index, max: max_bytes, found: json.len() });
        }
        let before = faults.count();
        let Some(object) = Object::read(&json, pointer.clone(), &MEMBERS, faults) else { return Ok(None) };
        let id = object.string("id", EventId::parse, faults);
        let keys = read_keys(&object, pointer.clone(), faults);
        let mut members = Members::default();
        if let Some(keys) = &keys {
            members.keys(keys);
        }
        members.rest(&object, faults);
        let data = object.get("data").unwrap_or("null");
        if nests_deeper_than(data, MAX_DEPTH) {
            faults.add(object.pointer_of("data"), "too_deep", format!("must not nest more than {MAX_DEPTH} deep"));
        }
        let Some(keys) = keys.filter(|_| faults.count() == before) else { return Ok(None) };
        let draft = Self {
            pointer,
            // made before the first try, so that a repeated append finds what the first one stored
            id: id.unwrap_or_else(|| missing.id(index)),
            digest: Sha256::digest(&json).into(),
            keys,
            members: members.0,
            data: data.to_owned(),
        };
        let found = draft.encoded_bytes();
        if found > max_bytes { Err(Excess::EventBytes { index, max: max_bytes, found }) } else { Ok(Some(draft)) }
    }

    /// The bytes of the envelope without its source.
    fn encoded_bytes(&self) -> usize {
        let mut id = Members::default();
        id.string("id", self.id.as_str());
        "{".len() + id.0.len() + self.members.len() + "\"data\":".len() + self.data.len() + "}".len()
    }
}

/// What the event is filed under; `None` when it has no type. Selectors with faults are left out: the faults refuse the event.
fn read_keys(object: &Object<'_>, pointer: String, faults: &mut Faults) -> Option<Keys> {
    if object.get("type").is_none() {
        faults.add(object.pointer_of("type"), "missing", "is required");
    }
    let event_type = object.string("type", EventType::parse, faults);
    let streams = object.strings("streams", StreamId::parse, faults);
    let users = object.strings("users", UserId::parse, faults);
    let topics = object.strings("topics", Topic::parse, faults);
    let found = streams.len() + users.len() + topics.len();
    if found > Keys::MAX_SELECTORS {
        let max = Keys::MAX_SELECTORS;
        faults.add(pointer, "too_many", format!("has {found} streams, users and topics; at most {max} together are taken"));
    }
    Some(Keys { event_type: event_type?, streams: streams.into(), users: users.into(), topics: topics.into() })
}

/// Members of an object as text, each with a comma behind. Absent and empty ones are not written.
#[derive(Debug, Default)]
struct Members(String);

impl Members {
    fn raw(&mut self, name: &str, json: &str) {
        for part in ["\"", name, "\":", json, ","] {
            self.0.push_str(part);
        }
    }

    fn string(&mut self, name: &str, value: &str) {
        self.raw(name, &encode(value));
    }

    fn strings<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>) {
        let values: Vec<String> = values.map(encode).collect();
        if !values.is_empty() {
            self.raw(name, &format!("[{}]", values.join(",")));
        }
    }

    fn object(&mut self, name: &str, Self(members): &Self) {
        if let Some(members) = members.strip_suffix(',') {
            self.raw(name, &format!("{{{members}}}"));
        }
    }

    fn copy_string(&mut self, name: &str, from: &Object<'_>, rule: fn(&str) -> Result<String, rules::Broken>, faults: &mut Faults) {
        if let Some(value) = from.string(name, rule, faults) {
            self.string(name, &value);
        }
    }

    fn copy_integer(&mut self, name: &str, from: &Object<'_>, faults: &mut Faults) {
        if let Some(value) = from.integer(name, faults) {
            self.raw(name, &value.to_string());
        }
    }

    fn keys(&mut self, keys: &Keys) {
        self.string("type", keys.event_type.as_str());
        self.strings("streams", keys.streams.iter().map(StreamId::as_str));
        self.strings("users", keys.users.iter().map(UserId::as_str));
        self.strings("topics", keys.topics.iter().map(Topic::as_str));
    }

    /// Everything between what the event is filed under and its data.
    fn rest(&mut self, from: &Object<'_>, faults: &mut Faults) {
        self.copy_string("key", from, rules::text, faults);
        self.copy_string("time", from, rules::time, faults);
        self.copy_string("chain", from, rules::chain, faults);
        self.copy_string("contract", from, rules::text, faults);
        if let Some(block) = from.object("block", &["height", "hash", "time"], faults) {
            let mut members = Self::default();
            members.copy_integer("height", &block, faults);
            members.copy_string("hash", &block, rules::text, faults);
            members.copy_string("time", &block, rules::time, faults);
            self.object("block", &members);
        }
        if let Some(tx) = from.object("tx", &["hash", "index"], faults) {
            let mut members = Self::default();
            members.copy_string("hash", &tx, rules::text, faults);
            members.copy_integer("index", &tx, faults);
            self.object("tx", &members);
        }
        if let Some(index) = from.object("index", &["op", "event"], faults) {
            let mut members = Self::default();
            members.copy_integer("op", &index, faults);
            members.copy_integer("event", &index, faults);
            self.object("index", &members);
        }
        self.copy_string("status", from, rules::status, faults);
        if let Some(other) = from.string("ref", EventId::parse, faults) {
            self.string("ref", other.as_str());
        }
    }
}

fn encode(s: &str) -> String {
    serde_json::to_string(s).expect("a str always has a JSON encoding, and a String takes any length")
}
