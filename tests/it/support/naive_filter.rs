//! Which events a query asks for, found in the plainest way: text against text, no index, no normal form.
//!
//! Written from design.md §5 and independent of the service's own filter, so that a shared mistake cannot hide.

use serde_json::Value;

/// The selection of a query string whose values need no percent-decoding.
#[derive(Clone, Debug, Default)]
pub(crate) struct NaiveFilter {
    streams: Vec<String>,
    users: Vec<String>,
    topics: Vec<String>,
    types: Vec<String>,
    all: bool,
}

impl NaiveFilter {
    /// Reads a query; parameters that select nothing are passed over.
    pub(crate) fn of(query: &str) -> Self {
        let mut filter = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let values = value.split(',').map(str::to_owned);
            match name {
                "streams" => filter.streams.extend(values),
                "users" => filter.users.extend(values),
                "topics" => filter.topics.extend(values),
                "types" => filter.types.extend(values),
                "all" => filter.all = value == "true",
                _ => {}
            }
        }
        filter
    }

    /// Whether it asks for this event, as the wire shows it.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        let kind = event["type"].as_str().unwrap_or_default();
        let of_type = |pattern: &String| selects(pattern, kind);
        let selected = self.all
            || texts(&event["streams"]).any(|found| self.streams.iter().any(|wanted| wanted == found))
            || texts(&event["users"]).any(|found| self.users.iter().any(|wanted| wanted == found))
            || texts(&event["topics"]).any(|found| self.topics.iter().any(|wanted| selects(wanted, found)));
        let types_alone = !self.all && self.streams.is_empty() && self.users.is_empty() && self.topics.is_empty();
        (selected || types_alone && !self.types.is_empty()) && (self.types.is_empty() || self.types.iter().any(of_type))
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn selects(pattern: &str, name: &str) -> bool {
    let (wanted, found): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), name.split('.').collect());
    let same = |(wanted, found): (&&str, &&str)| *wanted == "*" || wanted == found;
    if wanted.last() == Some(&"**") {
        let front = &wanted[..wanted.len() - 1];
        return found.len() > front.len() && front.iter().zip(&found).all(same);
    }
    wanted.len() == found.len() && wanted.iter().zip(&found).all(same)
}

mod tests {
    use serde_json::json;

    use super::NaiveFilter;

    #[test]
    fn any_selector_chooses_and_types_narrow_or_stand_alone() {
        let event = json!({"type": "stream.created", "streams": ["1"], "users": ["GA"], "topics": ["market.price.CF1"]});
        for (query, wanted) in [
            ("all=true", true),
            ("all=false", false),
            ("streams=2,1", true),
            ("streams=2&streams=1", true),
            ("streams=11", false),
            ("users=GB&topics=market.**", true),
            ("topics=market.*", false),
            ("topics=market.*.CF1", true),
            ("topics=market.price.CF1.**", false),
            ("types=stream.*", true),
            ("types=pot.*", false),
            ("streams=2&types=stream.*", false),
            ("streams=1&types=pot.*", false),
            ("all=true&types=pot.*,stream.created", true),
            ("limit=9", false),
        ] {
            assert_eq!(NaiveFilter::of(query).matches(&event), wanted, "{query}");
        }
    }
}
