//! The members of a JSON object, each as text. One that stands twice is an error: which of the two counts is what parsers disagree on.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members of an object.
pub(super) struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    /// Reads an object; `None` if it is anything else.
    pub(super) fn parse(json: &'a [u8]) -> Option<Self> {
        serde_json::from_str(str::from_utf8(json).ok()?).ok()
    }

    /// The text of a member's value.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|value| value.get())
    }

    /// A member as `T`: `None` without it, an error if it is something else.
    pub(super) fn read<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        self.text(name).map(serde_json::from_str).transpose()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> Visitor<'de> for Once {
            type Value = BTreeMap<String, &'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(M::Error::custom("a member stands twice"));
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Once).map(Self)
    }
}
