//! From a line to an event that can be sent: checked by the service's own parser, with an id, on one line.

use std::{io::BufRead, sync::mpsc::SyncSender};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    super::{Document, Documents, without_the_logs_own},
    MAX_EVENT_BYTES,
    reject::{Reject, Why},
};
use crate::{
    cli::Publish,
    domain::EventId,
    ingest::{self, BodyForm, Limits, ParseError, pairs},
};

/// An event on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) line: u64,
    /// On one line.
    pub(super) json: String,
}

/// What the reader finds.
#[derive(Debug)]
pub(super) enum Entry {
    /// An event.
    Ready(Ready),
    /// None, and there may be more behind it.
    Bad(Reject),
    /// Nothing more can be read.
    Broken(String),
}

/// How events without ids are treated, and how large events may be.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    missing: Missing,
    limits: Limits,
}

#[derive(Clone, Debug)]
enum Missing {
    Refused,
    Numbered(String),
    Made,
}

impl Rules {
    pub(super) fn new(order: &Publish) -> anyhow::Result<Self> {
        let missing = match &order.id_prefix {
            Some(prefix) => {
                let longest = EventId::parse(&numbered(prefix, u64::MAX, u64::MAX));
                longest.map_err(|error| anyhow::anyhow!("--id-prefix does not make ids: {error}"))?;
                Missing::Numbered(prefix.clone())
            }
            None if order.allow_missing_ids => Missing::Made,
            None => Missing::Refused,
        };
        // how much the service takes is for it to say, but for a dry run
        let largest = Limits { event_bytes: MAX_EVENT_BYTES, batch_events: 1, batch_bytes: 2 * MAX_EVENT_BYTES };
        let usual = Limits { event_bytes: Limits::default().event_bytes, ..largest };
        Ok(Self { missing, limits: if order.dry_run { usual } else { largest } })
    }

    /// The event on this line.
    pub(super) fn prepare(&self, document: Document) -> Result<Ready, Reject> {
        match self.read(&document) {
            Ok(json) => Ok(Ready { line: document.line, json }),
            Err(whys) => Err(Reject { line: document.line, json: String::from_utf8_lossy(&document.bytes).into_owned(), whys }),
        }
    }

    fn read(&self, document: &Document) -> Result<String, Vec<Why>> {
        if let Some(most) = document.longer_than {
            return Err(vec![Why::all(format!("has more than {most} bytes"))]);
        }
        let text = std::str::from_utf8(&document.bytes).map_err(|_| vec![Why::all("is not UTF-8")])?;
        let valid = serde_json::from_str::<&RawValue>(text).map_err(|error| vec![Why::all(format!("is not JSON: {error}"))])?;
        // line breaks within strings are not JSON, so these stand between members
        let text = valid.get().replace(['\n', '\r'], " ");
        let mut json = without_the_logs_own(&text).event.into_owned();
        let has_id = pairs(&json).is_ok_and(|pairs| pairs.iter().any(|(name, value)| name == "id" && *value != "null"));
        if !has_id && json.starts_with('{') {
            json = self.with_id(&json, document)?;
        }
        let parsed = ingest::parse(BodyForm::Ndjson, json.as_bytes(), &self.limits);
        parsed.map(|_| json).map_err(|error| match error {
            ParseError::Invalid { faults } => {
                faults.into_iter().map(|fault| Why { pointer: Why::within(&fault.pointer).to_owned(), detail: fault.detail }).collect()
            }
            other => vec![Why::all(other.to_string())],
        })
    }

    fn with_id(&self, json: &str, at: &Document) -> Result<String, Vec<Why>> {
        let id = match &self.missing {
            Missing::Refused => {
                let detail = "is missing: without an id an event that is sent again is stored again. Give each event one, or have them made from the \
                              numbers of lines with --id-prefix, or take the risk with --allow-missing-ids";
                return Err(vec![Why { pointer: "/id".into(), detail: detail.into() }]);
            }
            Missing::Numbered(prefix) => numbered(prefix, at.line, at.nth),
            Missing::Made => Uuid::now_v7().to_string(),
        };
        let id = serde_json::Value::from(id);
        let members: Vec<String> = match pairs(json) {
            Ok(pairs) => pairs
                .iter()
                .filter(|(name, _)| name != "id")
                .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(&**name)))
                .collect(),
            Err(error) => return Err(vec![Why::all(error.to_string())]),
        };
        let rest = if members.is_empty() { String::new() } else { format!(",{}", members.join(",")) };
        Ok(format!("{{\"id\":{id}{rest}}}"))
    }
}

/// The id of an event that has none: no two places make the same one.
fn numbered(prefix: &str, line: u64, nth: u64) -> String {
    if nth == 1 { format!("{prefix}{line}") } else { format!("{prefix}{line}.{nth}") }
}

/// Reads to the end, or until nobody takes it.
pub(super) fn run_reader(mut documents: Documents<impl BufRead>, rules: &Rules, found: &SyncSender<Entry>) {
    loop {
        let entry = match documents.next() {
            Ok(None) => return,
            Ok(Some(document)) => rules.prepare(document).map_or_else(Entry::Bad, Entry::Ready),
            Err(error) => Entry::Broken(error.to_string()),
        };
        let is_last = matches!(entry, Entry::Broken(_));
        if found.send(entry).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(missing: Missing, json: &str) -> Result<String, String> {
        let rules = Rules { missing, limits: Limits::default() };
        let document = Document { line: 7, nth: 1, bytes: json.as_bytes().to_vec(), longer_than: None };
        rules.prepare(document).map(|ready| ready.json).map_err(|reject| reject.to_string())
    }

    #[test]
    fn an_event_with_an_id_is_sent_as_it_is() {
        let json = r#"{"data":{"n":1e400},"type":"a.b","id":"x"}"#;
        assert_eq!(prepare(Missing::Refused, json).as_deref(), Ok(json));
        assert_eq!(prepare(Missing::Refused, "{\n\"id\":\"x\",\r\n\"type\":\"a.b\"}").as_deref(), Ok("{ \"id\":\"x\",  \"type\":\"a.b\"}"));
    }

    #[test]
    fn without_an_id_the_line_makes_one_or_it_is_refused() {
        let json = r#"{"type":"a.b","id":null,"data":1}"#;
        let refused = prepare(Missing::Refused, json).expect_err("no id");
        assert!(refused.contains("line 7: /id is missing") && refused.contains("--id-prefix"), "{refused}");
        assert_eq!(prepare(Missing::Numbered("p:".into()), json).as_deref(), Ok(r#"{"id":"p:7","type":"a.b","data":1}"#));
        assert!(prepare(Missing::Made, json).expect("made").len() > json.len());
    }

    #[test]
    fn no_two_events_get_the_same_id() {
        let rules = Rules { missing: Missing::Numbered("p:".into()), limits: Limits::default() };
        let event = r#"{"type":"a.b"}"#;
        let ids = |text: String| {
            let mut documents = Documents::new(text.as_bytes(), 1000);
            let mut ids = Vec::new();
            while let Some(document) = documents.next().expect("readable") {
                let ready = rules.prepare(document).expect("an event");
                let event: serde_json::Value = serde_json::from_str(&ready.json).expect("JSON");
                ids.push(event["id"].as_str().expect("an id").to_owned());
            }
            ids
        };
        assert_eq!(ids(format!("[{event},{event},\n{event}]")), ["p:1", "p:1.2", "p:2"]);
        assert_eq!(ids(format!("{{\n\"type\":\"a.b\"}} {event}\n{event}{event}")), ["p:1", "p:2", "p:3", "p:3.2"]);
        assert_eq!(ids(format!("{event}\n\n{event}")), ["p:1", "p:3"]);
    }

    #[test]
    fn a_fault_names_the_line_and_the_place_in_it() {
        for (json, says) in [
            (r#"{"id":"x","type":""}"#, "line 7: /type "),
            (r#"{"id":"x","type":"a.b","kind":1}"#, "line 7: /kind is no member"),
            ("[1]", "line 7: must be an object, not an array"),
            ("{\"id\":", "line 7 is not JSON: EOF"),
            ("\u{1}", "line 7 is not JSON"),
        ] {
            let error = prepare(Missing::Refused, json).expect_err(json);
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn what_an_export_says_can_be_published() {
        let json = r#"{"seq":3,"id":"x","source":"s","type":"a.b","data":1,"receivedAt":"2026-02-22T10:00:00Z"}"#;
        assert_eq!(prepare(Missing::Refused, json).as_deref(), Ok(r#"{"id":"x","type":"a.b","data":1}"#));
    }
}
