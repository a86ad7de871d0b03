//! What a credential allows, written the same way in a token's claim, an API key and a setting:
//!
//! ```json
//! {"subscribe": {"streams": ["1"], "users": ["self", "GABC…"], "topics": ["market.**"], "all": false},
//!  "publish": {"types": ["stream.*"], "topics": ["**"]}, "source": "default", "role": "admin"}
//! ```
//!
//! Everything is optional, and what is not given is not allowed. An unknown member is an error: a right that is misspelt must not silently be less, nor a
//! limit silently be none.

use serde::{Deserialize, Serialize};

use crate::domain::{EventType, Filter, Keys, NameError, Pattern, Source, StreamId, Term, Topic, UserId};

/// What stands for one's own user in a list of users.
const SELF: &str = "self";

/// What a credential allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// What may be seen.
    pub subscribe: Subscribe,
    /// What may be published; `None`: nothing.
    pub publish: Option<Publish>,
    /// Under which source it publishes: the scope of its idempotency keys, which several credentials may share.
    pub source: Option<Source>,
    /// What it may look after.
    pub role: Role,
}

/// What a credential may look after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Nothing.
    #[default]
    None,
    /// Keys, revocations and settings of its tenant.
    Admin,
    /// Those of every tenant; may read across tenants, giving a reason.
    SuperAdmin,
}

/// What may be seen: any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// Everything of the tenant.
    pub all: bool,
    /// Streams, users and topics; types never stand here.
    pub terms: Vec<Term>,
}

/// What may be published: events of a type and with topics that these select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The event's type must match one of these.
    pub types: Vec<Pattern>,
    /// Each of the event's topics must match one of these.
    pub topics: Vec<Pattern>,
}

/// Rights that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RightsError {
    /// Not the JSON that it should be.
    #[error("{0}")]
    Malformed(String),
    /// A selector that breaks the grammar.
    #[error("{member}: `{text}` {error}")]
    Selector {
        /// Where.
        member: &'static str,
        /// What.
        text: String,
        /// Why.
        error: NameError,
    },
    /// `self` in rights that belong to nobody in particular.
    #[error("subscribe.users: `self` needs a subject")]
    Nobody,
}

/// A selector that a filter names and the rights do not cover.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{selector}` in {parameter} is more than the credential allows")]
pub struct Denied {
    /// The query parameter.
    pub parameter: &'static str,
    /// The selector, as it was asked for.
    pub selector: String,
}

impl Rights {
    /// Everything, as in a service without credentials.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            subscribe: Subscribe { all: true, terms: Vec::new() },
            publish: Some(Publish { types: vec![Publish::any()], topics: vec![Publish::any()] }),
            source: None,
            role: Role::SuperAdmin,
        }
    }

    /// Reads rights of `subject`, whose user `self` is.
    ///
    /// # Errors
    /// [`RightsError`] says which member is wrong.
    pub fn parse(json: &str, subject: Option<&str>) -> Result<Self, RightsError> {
        let raw = RawRights::read(json)?;
        let RawSubscribe { streams, users, topics, all } = raw.subscribe.unwrap_or_default();
        let user = |text: &str| match (text, subject) {
            (SELF, Some(subject)) => selector("subscribe.users", subject, UserId::parse),
            (SELF, None) => Err(RightsError::Nobody),
            _ => selector("subscribe.users", text, UserId::parse),
        };
        let mut terms = Vec::with_capacity(streams.len() + users.len() + topics.len());
        for text in &streams {
            terms.push(Term::Stream(selector("subscribe.streams", text, StreamId::parse)?));
        }
        for text in &users {
            terms.push(Term::User(user(text)?));
        }
        for text in &topics {
            terms.push(Term::Topic(selector("subscribe.topics", text, Pattern::parse)?));
        }
        terms.sort_unstable();
        terms.dedup();
        let patterns = |member, texts: Option<Vec<String>>| match texts {
            None => Ok(vec![Publish::any()]),
            Some(texts) => texts.iter().map(|text| selector(member, text, Pattern::parse)).collect(),
        };
        let publish = match raw.publish {
            None => None,
            Some(raw) => Some(Publish { types: patterns("publish.types", raw.types)?, topics: patterns("publish.topics", raw.topics)? }),
        };
        let source = raw.source.as_deref().map(|text| selector("source", text, Source::parse)).transpose()?;
        Ok(Self { subscribe: Subscribe { all, terms }, publish, source, role: raw.role })
    }

    /// The JSON that [`Rights::parse`] reads back; `self` is written out.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut subscribe = RawSubscribe { all: self.subscribe.all, ..RawSubscribe::default() };
        for term in &self.subscribe.terms {
            match term {
                Term::Stream(id) => subscribe.streams.push(id.as_str().to_owned()),
                Term::User(id) => subscribe.users.push(id.as_str().to_owned()),
                Term::Topic(pattern) => subscribe.topics.push(pattern.as_str().to_owned()),
                Term::Type(_) => {}
            }
        }
        let texts = |patterns: &[Pattern]| Some(patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect());
        let publish = self.publish.as_ref().map(|publish| RawPublish { types: texts(&publish.types), topics: texts(&publish.topics) });
        let source = self.source.as_ref().map(|source| source.as_str().to_owned());
        let raw = RawRights { subscribe: Some(subscribe), publish, source, role: self.role };
        serde_json::to_string(&raw).expect("strings always serialise")
    }

    /// Under which source it publishes.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source.clone().unwrap_or_else(|| Source::new(Source::DEFAULT))
    }
}

impl Subscribe {
    /// Whether nothing at all may be seen.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.all && self.terms.is_empty()
    }

    /// What of `filter` may be seen. A filter for everything, or for types alone, becomes what the rights allow of it.
    ///
    /// # Errors
    /// [`Denied`] names the first selector that asks for more. Each is held against one right at a time: two rights that only together cover a
    /// pattern do not.
    pub fn narrow(&self, filter: Filter) -> Result<Filter, Denied> {
        if self.all {
            return Ok(filter);
        }
        filter.within(&self.terms).map_err(|term| {
            let (parameter, selector) = match term {
                None => ("all", "true".to_owned()),
                Some(Term::Stream(id)) => ("streams", id.to_string()),
                Some(Term::User(id)) => ("users", id.to_string()),
                Some(Term::Topic(pattern)) => ("topics", pattern.to_string()),
                Some(Term::Type(pattern)) => ("types", pattern.to_string()),
            };
            Denied { parameter, selector }
        })
    }
}

/// What of an event a credential may not publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotYours {
    /// Its type.
    Type(EventType),
    /// The topic at this index.
    Topic(usize, Topic),
}

impl Publish {
    fn any() -> Pattern {
        Pattern::parse("**").expect("a whole last segment")
    }

    /// Whether an event with these keys may be published.
    ///
    /// # Errors
    /// The first thing that stands in the way.
    pub fn permits(&self, keys: &Keys) -> Result<(), NotYours> {
        let any = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        if !any(&self.types, keys.event_type.as_str()) {
            return Err(NotYours::Type(keys.event_type.clone()));
        }
        match keys.topics.iter().enumerate().find(|(_, topic)| !any(&self.topics, topic.as_str())) {
            Some((at, topic)) => Err(NotYours::Topic(at, topic.clone())),
            None => Ok(()),
        }
    }
}

fn selector<T>(member: &'static str, text: &str, parse: fn(&str) -> Result<T, NameError>) -> Result<T, RightsError> {
    parse(text).map_err(|error| RightsError::Selector { member, text: text.chars().take(64).collect(), error })
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawRights {
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribe: Option<RawSubscribe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publish: Option<RawPublish>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    role: Role,
}

impl RawRights {
    fn read(json: &str) -> Result<Self, RightsError> {
        let malformed = |error: serde_json::Error| RightsError::Malformed(error.to_string());
        // serde takes a list for a struct, member by member; nobody means that
        let value: serde_json::Value = serde_json::from_str(json).map_err(malformed)?;
        let parts = ["subscribe", "publish"].iter().filter_map(|name| value.get(name));
        if !value.is_object() || parts.into_iter().any(|part| !(part.is_object() || part.is_null())) {
            return Err(RightsError::Malformed("rights, `subscribe` and `publish` are objects".to_owned()));
        }
        // from the text: a member that stands twice is an error here, and would not be in `value`
        serde_json::from_str(json).map_err(malformed)
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawSubscribe {
    streams: Vec<String>,
    users: Vec<String>,
    topics: Vec<String>,
    all: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawPublish {
    types: Option<Vec<String>>,
    topics: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FilterParts;

    fn rights(json: &str) -> Rights {
        Rights::parse(json, Some("GALICE")).expect(json)
    }

    fn topics(texts: &[&str]) -> Filter {
        let topics = texts.iter().map(|text| Pattern::parse(text).expect(text)).collect();
        Filter::new(FilterParts { topics, ..FilterParts::default() }, 9).expect("filter")
    }

    #[test]
    fn what_is_not_given_is_not_allowed() {
        let none = rights("{}");
        assert!(none.subscribe.is_nothing() && none.publish.is_none() && none.role == Role::None);
        assert_eq!(none.subscribe.narrow(Filter::everything()), Err(Denied { parameter: "all", selector: "true".into() }));
    }

    #[test]
    fn a_misspelt_right_is_an_error() {
        for bad in
            [r#"{"subscribes":{}}"#, r#"{"subscribe":{"topic":["a"]}}"#, r#"{"role":"root"}"#, r#"{"subscribe":{"topics":["a*"]}}"#, "[]"]
        {
            assert!(Rights::parse(bad, None).is_err(), "{bad}");
        }
        assert_eq!(Rights::parse(r#"{"subscribe":{"users":["self"]}}"#, None), Err(RightsError::Nobody));
    }

    #[test]
    fn self_is_ones_own_user() {
        let own = rights(r#"{"subscribe":{"users":["self"]}}"#);
        assert_eq!(own.subscribe.terms, [Term::User(UserId::new("GALICE"))]);
    }

    #[test]
    fn a_filter_that_asks_for_more_is_denied_by_name() {
        let market = rights(r#"{"subscribe":{"topics":["market.price.*"]}}"#).subscribe;
        for good in ["market.price.*", "market.price.CF1-001"] {
            assert!(market.narrow(topics(&[good])).is_ok(), "{good}");
        }
        for bad in ["market.**", "market.*.x", "market.price.**", "market.price", "*.price.x", "market.price.a.b", "**"] {
            assert_eq!(market.narrow(topics(&["market.price.x", bad])).expect_err(bad).selector, bad);
        }
    }

    #[test]
    fn everything_means_all_that_the_rights_allow() {
        let market = rights(r#"{"subscribe":{"topics":["market.**"]}}"#).subscribe;
        assert_eq!(market.narrow(Filter::everything()), Ok(topics(&["market.**"])));
    }

    #[test]
    fn rights_are_read_back_as_they_were() {
        let text = r#"{"subscribe":{"streams":["1"],"users":["self"],"topics":["a.*"]},"publish":{"types":["a.b"]},"source":"s","role":"super_admin"}"#;
        let read = rights(text);
        assert_eq!(Rights::parse(&read.to_json(), None), Ok(read));
        assert_eq!(Rights::parse(&Rights::everything().to_json(), None), Ok(Rights::everything()));
    }
}
