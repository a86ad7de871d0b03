//! A body taken apart into the texts of its events, within limits that hold before anything is kept.

use std::fmt;

use serde::{
    Deserializer as _,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    draft::Draft,
    fault::{Excess, Faults, ParseError},
    ids::MissingIds,
};

/// How a body carries its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// One object, or an array of objects.
    Json,
    /// One object a line; blank lines are skipped.
    Ndjson,
}

/// What one publish may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one event, as received without whitespace outside strings and as encoded without `source`, `seq` and `receivedAt`.
    /// Common SSE clients break at 64 KiB a line.
    pub event_bytes: usize,
    /// Events of a batch.
    pub batch_events: usize,
    /// Bytes of a body.
    pub batch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { event_bytes: 48 * 1024, batch_events: 1000, batch_bytes: 4 * 1024 * 1024 }
    }
}

/// The events of a body, in its order; at least one.
///
/// # Errors
/// [`ParseError::Malformed`] for the first thing that is not UTF-8 or not JSON; [`ParseError::TooLarge`] for the first limit that is
/// exceeded; else [`ParseError::Invalid`] with all faults, of all events.
pub fn parse(form: BodyForm, body: &[u8], limits: &Limits) -> Result<Vec<Draft>, ParseError> {
    parse_with(form, body, limits, &MissingIds::MADE)
}

/// As [`parse`], with a rule for events that have no id.
///
/// # Errors
/// As there.
pub fn parse_with(form: BodyForm, body: &[u8], limits: &Limits, missing: &MissingIds<'_>) -> Result<Vec<Draft>, ParseError> {
    if body.len() > limits.batch_bytes {
        return Err(Excess::BatchBytes { max: limits.batch_bytes, found: body.len() }.into());
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| ParseError::Malformed { detail: format!("not UTF-8 from byte {} on", error.valid_up_to()) })?;
    let events = match form {
        BodyForm::Json => from_json(text, limits.batch_events)?,
        BodyForm::Ndjson => from_lines(text, limits.batch_events)?,
    };
    let mut faults = Faults::default();
    if let Events::Many { texts, found } = &events {
        if *found > texts.len() {
            return Err(Excess::BatchEvents { max: limits.batch_events, found: *found }.into());
        }
        if texts.is_empty() {
            faults.add("", "empty", "the batch has no events");
        }
    }
    let mut drafts = Vec::new();
    for (index, (pointer, json)) in events.into_iter().enumerate() {
        drafts.extend(Draft::read(json, index, pointer, limits.event_bytes, missing, &mut faults)?);
        if faults.is_full() {
            break;
        }
    }
    faults.into_result().map(|()| drafts)
}

/// The texts of a body's events; valid JSON, of any type.
enum Events<'a> {
    One(&'a str),
    Many {
        /// No more than the limit.
        texts: Vec<&'a str>,
        /// How many there were.
        found: usize,
    },
}

impl<'a> Events<'a> {
    /// Each event's pointer and text.
    fn into_iter(self) -> impl Iterator<Item = (String, &'a str)> {
        let (one, many) = match self {
            Self::One(text) => (Some((String::new(), text)), Vec::new()),
            Self::Many { texts, .. } => (None, texts),
        };
        one.into_iter().chain(many.into_iter().enumerate().map(|(index, text)| (format!("/{index}"), text)))
    }
}

fn from_json(text: &str, max: usize) -> Result<Events<'_>, ParseError> {
    let whitespace = [' ', '\t', '\n', '\r'];
    match text.trim_start_matches(whitespace).bytes().next() {
        None => Err(ParseError::Malformed { detail: "the body is empty".into() }),
        Some(b'[') => {
            let mut json = serde_json::Deserializer::from_str(text);
            let events = json.deserialize_seq(Elements { max }).and_then(|events| json.end().map(|()| events));
            events.map_err(|error| malformed(&error, 1))
        }
        Some(_) => serde_json::from_str::<&RawValue>(text).map(|json| Events::One(json.get())).map_err(|error| malformed(&error, 1)),
    }
}

fn from_lines(text: &str, max: usize) -> Result<Events<'_>, ParseError> {
    let (mut texts, mut found) = (Vec::new(), 0);
    for (at, line) in text.lines().enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        found += 1;
        if found <= max {
            let json: &RawValue = serde_json::from_str(line).map_err(|error| malformed(&error, at + 1))?;
            texts.push(json.get());
        }
    }
    if found == 0 {
        return Err(ParseError::Malformed { detail: "the body is empty".into() });
    }
    Ok(Events::Many { texts, found })
}

/// `serde_json` counts lines from where it began to read, which is line `first` of the body.
fn malformed(error: &serde_json::Error, first: usize) -> ParseError {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    ParseError::Malformed { detail: format!("{what} at line {} column {}", first - 1 + error.line(), error.column()) }
}

/// Keeps the first elements and counts the rest: a body of small numbers would else cost eight times its size.
struct Elements {
    max: usize,
}

impl<'de> Visitor<'de> for Elements {
    type Value = Events<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while texts.len() < self.max {
            let Some(json) = elements.next_element::<&'de RawValue>()? else {
                return Ok(Events::Many { found: texts.len(), texts });
            };
            texts.push(json.get());
        }
        let mut found = texts.len();
        while elements.next_element::<IgnoredAny>()?.is_some() {
            found += 1;
        }
        Ok(Events::Many { texts, found })
    }
}

#[cfg(test)]
mod tests;
