//! What a subscription or a page of history asks for, from its query string and `Last-Event-ID`.
//!
//! Where to start, the earlier wins: the header (a reconnecting EventSource repeats its first URL, so the header is newer), `last_event_id`,
//! `since`, and then the default: **now** for a subscription, **earliest** for history. All that is given is checked, also what loses.

use actix_web::http::header::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{
    params::{self, Once},
    problem::Problem,
    tenancy::{Tenancy, TenancyParams},
};
use crate::{
    domain::{Filter, FilterError, FilterParts, Pattern, Start, StreamId, Timestamp, UserId},
    log::SecretDigest,
    sse::{Names, Shape, Style},
};

/// What to do about events that are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum OnGap {
    /// Tell of them, and go on behind them.
    #[default]
    Resume,
    /// Refuse with 410.
    Fail,
}

/// `GET /events/subscribe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowQuery {
    /// Which events.
    pub filter: Filter,
    /// From where.
    pub start: Start,
    /// What to do about a gap.
    pub on_gap: OnGap,
    /// How events are written.
    pub style: Style,
    /// Whose events.
    pub tenancy: Tenancy,
}

/// `GET /events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Which events.
    pub filter: Filter,
    /// From where.
    pub start: Start,
    /// What to do about a gap.
    pub on_gap: OnGap,
    /// The most events to answer.
    pub limit: usize,
    /// Whose events.
    pub tenancy: Tenancy,
}

impl FollowQuery {
    /// Reads a query string and the headers, for at most `max_selectors` selectors.
    ///
    /// # Errors
    /// A problem that names the parameter at fault.
    pub fn parse(query: &str, headers: &HeaderMap, max_selectors: usize) -> Result<Self, Problem> {
        let mut common = Common::new();
        let mut shape = Once::new("shape");
        let mut names = Once::new("names");
        let mut ticket = Once::new("ticket");
        for (name, value) in params::pairs(query)? {
            match name.as_str() {
                "shape" => shape.set(&value, params::either(("envelope", Shape::Envelope), ("data", Shape::Data)))?,
                "names" => names.set(&value, params::either(("on", Names::On), ("off", Names::Off)))?,
                // what it opens was decided before
                "ticket" => ticket.set(&value, |_| Ok(()))?,
                _ => common.take(&name, &value)?,
            }
        }
        let (filter, start, on_gap, tenancy) = common.finish(headers, max_selectors)?;
        let style = Style { shape: shape.get().unwrap_or_default(), names: names.get().unwrap_or_default() };
        Ok(Self { filter, start: start.unwrap_or(Start::Now), on_gap, style, tenancy })
    }
}

impl FollowQuery {
    /// What a ticket is bound to: the filter as it is asked for, and whose events it is asked of; not from where, nor how it is written.
    #[must_use]
    pub fn digest(&self) -> SecretDigest {
        let parts = self.filter.parts();
        let mut text = format!("all={}\n", parts.all);
        let mut add = |name: &str, value: &str| text.extend([name, "=", value, "\n"]);
        parts.streams.iter().for_each(|id| add("streams", id.as_str()));
        parts.users.iter().for_each(|id| add("users", id.as_str()));
        parts.topics.iter().for_each(|pattern| add("topics", pattern.as_str()));
        parts.types.iter().for_each(|pattern| add("types", pattern.as_str()));
        self.tenancy.tenant.iter().for_each(|tenant| add("tenant", tenant.as_str()));
        Sha256::digest(text).into()
    }
}

impl HistoryQuery {
    /// The most events of one answer.
    pub const MAX_LIMIT: usize = 1000;
    /// How many events an answer has unless asked otherwise.
    pub const DEFAULT_LIMIT: usize = 100;

    /// Reads a query string and the headers, for at most `max_selectors` selectors.
    ///
    /// # Errors
    /// A problem that names the parameter at fault.
    pub fn parse(query: &str, headers: &HeaderMap, max_selectors: usize) -> Result<Self, Problem> {
        let mut common = Common::new();
        let mut limit = Once::new("limit");
        for (name, value) in params::pairs(query)? {
            match name.as_str() {
                "limit" => limit.set(&value, parse_limit)?,
                _ => common.take(&name, &value)?,
            }
        }
        let (filter, start, on_gap, tenancy) = common.finish(headers, max_selectors)?;
        let limit = limit.get().unwrap_or(Self::DEFAULT_LIMIT);
        Ok(Self { filter, start: start.unwrap_or(Start::Earliest), on_gap, limit, tenancy })
    }
}

fn parse_limit(text: &str) -> Result<usize, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number
        .filter(|limit| (1..=HistoryQuery::MAX_LIMIT).contains(limit))
        .ok_or_else(|| format!("must be a number from 1 to {}", HistoryQuery::MAX_LIMIT))
}

/// What both routes know.
struct Common {
    parts: FilterParts,
    all: Once<bool>,
    last_event_id: Once<Start>,
    since: Once<Timestamp>,
    on_gap: Once<OnGap>,
    token: Once<()>,
    tenancy: TenancyParams,
}

impl Common {
    const fn new() -> Self {
        let parts = FilterParts { streams: Vec::new(), users: Vec::new(), topics: Vec::new(), types: Vec::new(), all: false };
        Self {
            parts,
            all: Once::new("all"),
            last_event_id: Once::new("last_event_id"),
            since: Once::new("since"),
            on_gap: Once::new("on_gap"),
            token: Once::new("token"),
            tenancy: TenancyParams::new(),
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "streams" => extend(&mut self.parts.streams, "streams", value, StreamId::parse),
            "users" => extend(&mut self.parts.users, "users", value, UserId::parse),
            "topics" => extend(&mut self.parts.topics, "topics", value, Pattern::parse),
            "types" => extend(&mut self.parts.types, "types", value, Pattern::parse),
            "all" => self.all.set(value, params::either(("true", true), ("false", false))),
            "last_event_id" | "lastEventId" => self.last_event_id.set(value, |text| Start::parse(text).map_err(|error| error.to_string())),
            "since" => self.since.set(value, |text| Timestamp::parse(text).map_err(|error| error.to_string())),
            "on_gap" => self.on_gap.set(value, params::either(("resume", OnGap::Resume), ("fail", OnGap::Fail))),
            // whose it is was found out before
            "token" => self.token.set(value, |_| Ok(())),
            "tenant" | "reason" => self.tenancy.take(name, value),
            _ => Err(params::unknown_among(
                name,
                &["streams", "users", "topics", "types", "last_event_id", "since", "on_gap", "tenant", "all"],
            )),
        }
    }

    fn finish(self, headers: &HeaderMap, max_selectors: usize) -> Result<(Filter, Option<Start>, OnGap, Tenancy), Problem> {
        let mut parts = self.parts;
        parts.all = self.all.get().unwrap_or_default();
        let filter = Filter::new(parts, max_selectors).map_err(|error| {
            let parameter = match error {
                FilterError::Selector { parameter, .. } => parameter,
                // of several, the one that every example starts with
                FilterError::Empty | FilterError::TooMany { .. } => "streams",
            };
            Problem::parameter(parameter, error.to_string())
        })?;
        let start = header_start(headers)?.or(self.last_event_id.get()).or(self.since.get().map(Start::Since));
        Ok((filter, start, self.on_gap.get().unwrap_or_default(), self.tenancy.finish(headers)))
    }
}

/// Adds the comma-separated selectors of one value.
fn extend<T, E: ToString>(list: &mut Vec<T>, name: &'static str, value: &str, parse: fn(&str) -> Result<T, E>) -> Result<(), Problem> {
    for item in value.split(',') {
        list.push(parse(item).map_err(|error| Problem::parameter(name, error.to_string()))?);
    }
    Ok(())
}

/// `Last-Event-ID`; an empty one, which some libraries send on the first connection, is none.
fn header_start(headers: &HeaderMap) -> Result<Option<Start>, Problem> {
    const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
    let mut values = headers.get_all(LAST_EVENT_ID);
    let Some(value) = values.next() else { return Ok(None) };
    // also when one is empty: to begin at now because of it would skip what the other stands for
    if values.next().is_some() {
        return Err(Problem::parameter("Last-Event-ID", "must be given only once"));
    }
    if value.is_empty() {
        return Ok(None);
    }
    // bytes beyond ASCII are no cursor, whatever they spell
    let text = value.to_str().unwrap_or_default();
    Start::parse(text).map(Some).map_err(|error| Problem::parameter("Last-Event-ID", error.to_string()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Seq;

    fn headers(last_event_id: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(value) = last_event_id {
            headers.insert(HeaderName::from_static("last-event-id"), HeaderValue::from_static(value));
        }
        headers
    }

    fn follow(query: &str) -> Result<FollowQuery, Problem> {
        FollowQuery::parse(query, &headers(None), 5)
    }

    fn fault(query: &str) -> String {
        let body = follow(query).expect_err(query).body(None);
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        body["parameter"].as_str().expect("a parameter is named").to_owned()
    }

    #[test]
    fn repeated_and_comma_separated_selectors_are_the_same_question() {
        assert_eq!(follow("streams=1&streams=2&users=G").expect("valid"), follow("users=G&streams=2%2C1").expect("valid"));
        assert_eq!(follow("all=true").expect("valid").filter, Filter::everything());
    }

    #[test]
    fn a_ticket_is_bound_to_the_filter_however_it_is_spelt_and_to_nothing_else() {
        let digest = |query: &str| follow(query).expect(query).digest();
        let bound = digest("streams=1,2&types=a.*");
        for same in
            ["types=a.*&streams=2&streams=1&ticket=x", "streams=1,2&types=a.*&last_event_id=7&shape=data&names=off&on_gap=fail&token=x"]
        {
            assert_eq!(digest(same), bound, "{same}");
        }
        for other in ["streams=1&types=a.*", "streams=1,2", "users=1,2&types=a.*", "streams=1,2&types=a.*&tenant=acme", "all=true"] {
            assert_ne!(digest(other), bound, "{other}");
        }
    }

    #[test]
    fn the_earlier_of_header_parameter_and_time_says_where_to_start() {
        let start = |query: &str, header| FollowQuery::parse(query, &headers(header), 5).expect("valid").start;
        let all = "all=true&last_event_id=7&since=2026-02-22T10:00:00+00:00";
        assert_eq!(start(all, Some("9")), Start::Seq(Seq::new(9)));
        assert_eq!(start(all, Some("")), Start::Seq(Seq::new(7)));
        assert_eq!(start("all=true&lastEventId=earliest", None), Start::Earliest);
        assert!(matches!(start("all=true&since=2026-02-22T10:00:00+00:00", None), Start::Since(_)));
        assert_eq!(start("all=true", None), Start::Now);
        assert_eq!(HistoryQuery::parse("all=true", &headers(None), 5).expect("valid").start, Start::Earliest);
    }

    #[test]
    fn a_misspelt_parameter_is_refused_with_the_one_that_was_meant() {
        for (misspelt, meant) in [("stream", Some("streams")), ("Users", Some("users")), ("topcis", Some("topics")), ("colour", None)] {
            let refused = HistoryQuery::parse(&format!("all=true&{misspelt}=1"), &HeaderMap::new(), 5).expect_err("unknown").to_string();
            assert_eq!(meant.is_some_and(|meant| refused.contains(&format!("did you mean `{meant}`?"))), meant.is_some(), "{refused}");
            assert_eq!(refused.contains("did you mean"), meant.is_some(), "{refused}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, parameter) in [
            ("", "streams"),
            ("all=false", "streams"),
            ("streams=1,2,3,4,5,6", "streams"),
            ("streams=", "streams"),
            ("users=a,,b", "users"),
            ("topics=a*", "topics"),
            ("types=%C3%A9", "types"),
            ("streams=%ff", "streams"),
            ("all=true&all=true", "all"),
            ("all=1", "all"),
            ("all=true&last_event_id=x", "last_event_id"),
            ("all=true&last_event_id=1&lastEventId=1", "last_event_id"),
            ("all=true&since=yesterday", "since"),
            ("all=true&on_gap=ignore", "on_gap"),
            ("all=true&shape=xml", "shape"),
            ("all=true&names=no", "names"),
            ("all=true&limit=1", "limit"),
            ("all=true&stream=1", "stream"),
            ("all=true&token=a&token=b", "token"),
            ("all=true&ticket=a&ticket=b", "ticket"),
            ("all=true&tenant=", "tenant"),
            ("all=true&tenant=a&tenant=b", "tenant"),
            ("all=true&reason=a&reason=b", "reason"),
            ("all=true&key=a", "key"),
        ] {
            assert_eq!(fault(query), parameter, "{query}");
        }
        assert!(FollowQuery::parse("all=true", &headers(Some("no cursor")), 5).is_err());
    }

    #[test]
    fn a_limit_is_a_number_within_bounds() {
        let limit = |query: &str| HistoryQuery::parse(query, &headers(None), 5).map(|query| query.limit);
        assert_eq!(limit("all=true").expect("valid"), HistoryQuery::DEFAULT_LIMIT);
        assert_eq!(limit("all=true&limit=1000").expect("valid"), 1000);
        for bad in ["0", "1001", "-1", "+1", "", "99999999999999999999999"] {
            assert!(limit(&format!("all=true&limit={bad}")).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_query_string_makes_it_panic(query in ".*") {
            let _ = follow(&query);
            let _ = HistoryQuery::parse(&query, &headers(None), 5);
        }

        #[test]
        fn nor_does_one_of_known_names(query in "((streams|topics|types|all|since|limit|last_event_id)=[0-9a-f%,.*+-]{0,12}&){0,4}") {
            let _ = follow(&query);
            let _ = HistoryQuery::parse(&query, &headers(None), 5);
        }
    }
}
