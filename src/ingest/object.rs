//! A JSON object read member by member, each value still as text, every broken rule noted with its pointer.
//!
//! Nothing here recurses: a value is skipped by `serde_json`'s loop, and read only when its first byte has the right type
//! (`a_megabyte_of_brackets_is_answered_at_once` pins it). A `null` member is an absent one.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer as _,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    fault::{Faults, member_pointer},
    rules::Broken,
};

/// The members of one object that it may have, each at most once.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pointer: String,
    members: Vec<(&'static str, &'a str)>,
}

impl<'a> Object<'a> {
    /// Reads valid JSON. `None`, with a fault, when it is no object; unknown and repeated members are faults, the first one counts.
    pub(super) fn read(json: &'a str, pointer: String, known: &[&'static str], faults: &mut Faults) -> Option<Self> {
        if !json.starts_with('{') {
            faults.add(pointer, "wrong_type", format!("must be an object, not {}", type_of(json)));
            return None;
        }
        let Ok(pairs) = pairs(json) else {
            // the text was valid JSON before, so all that is left to fail is a name that is no Unicode text
            faults.add(pointer, "invalid", "has a member name with a lone surrogate");
            return None;
        };
        let mut members: Vec<(&'static str, &'a str)> = Vec::with_capacity(known.len());
        for (name, value) in pairs {
            match known.iter().find(|known| **known == name) {
                None => faults.add(member_pointer(&pointer, &name), "unknown_member", "is no member of an event; put it into `data`"),
                Some(known) if members.iter().any(|(member, _)| member == known) => {
                    faults.add(member_pointer(&pointer, &name), "repeated_member", "is given more than once");
                }
                Some(known) => members.push((known, value)),
            }
        }
        Some(Self { pointer, members })
    }

    pub(super) fn pointer_of(&self, name: &str) -> String {
        member_pointer(&self.pointer, name)
    }

    /// The text of a member's value; `None` when it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.members.iter().find(|(member, _)| *member == name)?;
        (*value != "null").then_some(*value)
    }

    /// A string that keeps a rule.
    pub(super) fn string<T, E: Into<Broken>>(&self, name: &str, rule: fn(&str) -> Result<T, E>, faults: &mut Faults) -> Option<T> {
        string(self.get(name)?, self.pointer_of(name), rule, faults)
    }

    /// An array of strings that keep a rule, each once, in the order of their first appearance.
    pub(super) fn strings<T: PartialEq>(
        &self,
        name: &str,
        rule: fn(&str) -> Result<T, crate::domain::NameError>,
        faults: &mut Faults,
    ) -> Vec<T> {
        let Some(json) = self.get(name) else { return Vec::new() };
        let elements = if json.starts_with('[') { serde_json::from_str::<Vec<&RawValue>>(json).ok() } else { None };
        let Some(elements) = elements else {
            faults.add(self.pointer_of(name), "wrong_type", format!("must be an array of strings, not {}", type_of(json)));
            return Vec::new();
        };
        let mut found = Vec::with_capacity(elements.len().min(crate::domain::Keys::MAX_SELECTORS));
        for (index, element) in elements.into_iter().enumerate() {
            let pointer = format!("{}/{index}", self.pointer_of(name));
            match string(element.get(), pointer, rule, faults) {
                Some(value) if !found.contains(&value) => found.push(value),
                _ => {}
            }
            if faults.is_full() {
                break;
            }
        }
        found
    }

    /// A non-negative integer that a signed 64-bit column can hold.
    pub(super) fn integer(&self, name: &str, faults: &mut Faults) -> Option<u64> {
        let json = self.get(name)?;
        if !json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            faults.add(self.pointer_of(name), "wrong_type", format!("must be a number, not {}", type_of(json)));
            return None;
        }
        // JSON has no plus sign and no leading zeros, so what `parse` takes is an integer in its one spelling
        let value = json.parse().ok().filter(|value| *value <= i64::MAX as u64);
        if value.is_none() {
            faults.add(self.pointer_of(name), "invalid", "must be an integer from 0 to 9223372036854775807");
        }
        value
    }

    /// An object within.
    pub(super) fn object(&self, name: &str, known: &[&'static str], faults: &mut Faults) -> Option<Self> {
        Object::read(self.get(name)?, self.pointer_of(name), known, faults)
    }
}

fn string<T, E: Into<Broken>>(json: &str, pointer: String, rule: fn(&str) -> Result<T, E>, faults: &mut Faults) -> Option<T> {
    let value = if json.starts_with('"') {
        serde_json::from_str::<Text<'_>>(json).map_err(|_| Broken::new("invalid", "must not hold a lone surrogate"))
    } else {
        Err(Broken::new("wrong_type", format!("must be a string, not {}", type_of(json))))
    };
    match value.and_then(|Text(value)| rule(&value).map_err(Into::into)) {
        Ok(value) => Some(value),
        Err(Broken { code, detail }) => {
            faults.add(pointer, code, detail);
            None
        }
    }
}

/// A JSON value's type, by its first byte, in words.
fn type_of(json: &str) -> &'static str {
    match json.bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Borrowed unless it holds escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object's members in their order, repeated ones included, each value as its text.
///
/// # Errors
/// What is no object, or has a name that is no Unicode text.
pub fn pairs(json: &str) -> Result<Vec<(Cow<'_, str>, &str)>, serde_json::Error> {
    serde_json::Deserializer::from_str(json).deserialize_map(Pairs)
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            pairs.push((name, value.get()));
        }
        Ok(pairs)
    }
}
