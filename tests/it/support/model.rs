//! The naive model of the log: a list of what was acknowledged, against which history and every transcript are held.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{
    http::Http,
    naive_filter::NaiveFilter,
    sse_parser::{Frame, seq_of},
};

/// What was published, and what the service said about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    published: HashMap<String, Value>,
    acknowledged: BTreeMap<u64, String>,
}

/// The log as `GET /events` tells it: for each seq the event's bytes, and what they say.
#[derive(Clone, Debug)]
pub(crate) struct History(BTreeMap<u64, (String, Value)>);

impl Model {
    /// Notes events that will be published; they may turn up in the log from now on.
    pub(crate) fn publishing(&mut self, events: &[Value]) {
        for event in events {
            self.published.insert(id_of(event).to_owned(), event.clone());
        }
    }

    /// Notes the items of an answer to the publication of `events`.
    pub(crate) fn acknowledged(&mut self, events: &[Value], items: &[Value]) {
        assert_eq!(events.len(), items.len(), "one item an event: {items:?}");
        self.publishing(events);
        for (event, item) in events.iter().zip(items) {
            let (id, seq) = (id_of(event), item["seq"].as_u64().expect("a seq"));
            assert_eq!(item["id"], id, "items are in request order");
            assert_eq!(seq_of(item["cursor"].as_str().expect("a cursor")), seq);
            let before = self.acknowledged.insert(seq, id.to_owned());
            assert!(before.is_none_or(|before| before == id), "two events were told that they are {seq}");
        }
    }

    /// Takes over what another publisher was told; both must have been told the same of the same event.
    pub(crate) fn merge(&mut self, other: Self) {
        self.published.extend(other.published);
        for (seq, id) in other.acknowledged {
            let before = self.acknowledged.insert(seq, id.clone());
            assert!(before.is_none_or(|before| before == id), "two events were told that they are {seq}");
        }
    }

    /// How many events were acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.acknowledged.len()
    }

    /// The highest acknowledged seq, or zero.
    pub(crate) fn head(&self) -> u64 {
        self.acknowledged.keys().next_back().copied().unwrap_or(0)
    }

    /// Reads the whole log and asserts that it is this model: dense, each id once, every acknowledged event where the answer said, and
    /// nothing that nobody published.
    pub(crate) async fn check_log(&self, http: &Http) -> History {
        let history = History::read(http).await;
        let first = history.0.keys().next().copied().unwrap_or(1);
        let mut ids = BTreeSet::new();
        for (expected, (&seq, (text, event))) in (first..).zip(&history.0) {
            assert_eq!(seq, expected, "seqs are dense");
            let id = id_of(event);
            assert!(ids.insert(id.to_owned()), "{id} is in the log twice");
            let published = self.published.get(id).unwrap_or_else(|| panic!("nobody published {text}"));
            for (member, value) in published.as_object().expect("an object") {
                assert_eq!(&event[member], value, "{member} of {id}");
            }
        }
        for (&seq, id) in self.acknowledged.range(first..) {
            let (_, event) = history.0.get(&seq).unwrap_or_else(|| panic!("{id} was acknowledged as {seq} and is lost"));
            assert_eq!(id_of(event), id, "{id} was acknowledged as {seq}");
        }
        history
    }
}

impl History {
    /// Reads all that is retained.
    pub(crate) async fn read(http: &Http) -> Self {
        let events = http.whole_history("all=true", "earliest").await;
        Self::of(events)
    }

    fn of(events: impl IntoIterator<Item = String>) -> Self {
        let parse = |text: String| {
            let event: Value = serde_json::from_str(&text).expect("history is JSON");
            (event["seq"].as_u64().unwrap_or_else(|| panic!("no seq: {text}")), (text, event))
        };
        Self(events.into_iter().map(parse).collect())
    }

    /// Asserts that a subscriber who began after `after` was sent exactly the matching events up to its last cursor: once each, in order,
    /// byte for byte. What a `hub.gap` told of is the one thing that may be missing.
    pub(crate) fn check_transcript(&self, query: &str, after: u64, transcript: &[Frame]) {
        let filter = NaiveFilter::of(query);
        let wanted = self.0.range(after.saturating_add(1)..).filter(|(_, (_, event))| filter.matches(event));
        let mut expected = wanted.map(|(&seq, (text, _))| (seq, text)).peekable();
        let mut cursor = after;
        for frame in transcript {
            if frame.name() == "hub.gap" {
                let resumed = seq_of(frame.json()["resumed"].as_str().expect("a gap says where it resumed"));
                while expected.next_if(|&(seq, _)| seq <= resumed).is_some() {}
                cursor = cursor.max(resumed);
            } else if frame.is_event() {
                let (seq, text) = expected.next().unwrap_or_else(|| panic!("nothing was left to send: {frame:?}"));
                assert_eq!(frame.data, *text, "the next matching event after {cursor}");
                assert_eq!(frame.id_seq(), Some(seq), "{frame:?}");
                let event = frame.json();
                assert_eq!(event["type"], frame.name(), "{frame:?}");
                cursor = seq;
            } else if let Some(at) = frame.id_seq() {
                assert!(at >= cursor, "the cursor went back from {cursor}: {frame:?}");
                let overtaken = expected.next_if(|&(seq, _)| seq <= at);
                assert!(overtaken.is_none(), "{frame:?} has overtaken {overtaken:?}");
                cursor = at;
            }
        }
    }

    /// The newest seq, or zero.
    pub(crate) fn head(&self) -> u64 {
        self.0.keys().next_back().copied().unwrap_or(0)
    }

    /// The bytes of the event at `seq`.
    pub(crate) fn at(&self, seq: u64) -> &str {
        &self.0[&seq].0
    }
}

fn id_of(event: &Value) -> &str {
    event["id"].as_str().expect("events of the tests have ids")
}

mod tests {
    use super::*;

    fn history() -> History {
        let event = |seq: u64| format!(r#"{{"seq":{seq},"id":"e{seq}","type":"a.b","streams":["{}"],"data":null}}"#, seq % 2);
        History::of((1..=6).map(event))
    }

    fn event(history: &History, seq: u64) -> Frame {
        Frame { event: Some("a.b".into()), data: history.at(seq).to_owned(), id: Some(format!("7c1f9a02-{seq}")), retry: None }
    }

    fn cursor(seq: u64) -> Frame {
        let id = format!("7c1f9a02-{seq}");
        Frame { event: Some("hub.cursor".into()), data: id.clone(), id: Some(id), retry: None }
    }

    fn is_accepted(transcript: &[Frame]) -> bool {
        std::panic::catch_unwind(|| history().check_transcript("streams=1", 0, transcript)).is_ok()
    }

    #[test]
    fn exactly_the_matching_events_are_accepted() {
        let log = history();
        let [one, three, five] = [1, 3, 5].map(|seq| event(&log, seq));
        assert!(is_accepted(&[cursor(0), one.clone(), three.clone(), cursor(4), five.clone(), cursor(6)]));
        assert!(is_accepted(&[one.clone(), three.clone()]), "what comes after the last cursor is still to come");
        assert!(!is_accepted(&[one.clone(), five.clone()]), "a hole");
        assert!(!is_accepted(&[one.clone(), one.clone()]), "a repetition");
        assert!(!is_accepted(&[three.clone(), one.clone()]), "a reorder");
        assert!(!is_accepted(&[one.clone(), event(&log, 2)]), "no match");
        assert!(!is_accepted(&[one.clone(), cursor(4)]), "a cursor that overtakes an event");
        assert!(!is_accepted(&[one.clone(), cursor(0)]), "a cursor that goes back");
        assert!(!is_accepted(&[Frame { data: one.data.replace("null", " null"), ..one.clone() }]), "other bytes");
    }

    #[test]
    fn only_what_a_gap_told_of_may_be_missing() {
        let log = history();
        let data = r#"{"reason":"trimmed","requested":"7c1f9a02-0","resumed":"7c1f9a02-2","lost":2}"#;
        let gap = Frame { event: Some("hub.gap".into()), data: data.into(), id: None, retry: None };
        assert!(is_accepted(&[gap.clone(), event(&log, 3)]));
        assert!(!is_accepted(&[gap, event(&log, 5)]));
    }
}
