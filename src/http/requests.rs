//! How requests were answered, by route, method and class of status: for `/metrics`.
//!
//! **Labels are bounded** (`what_is_served_is_counted_by_its_pattern_and_all_else_together`): only what is in the table has a series of its own, by its
//! pattern, and under `/v1` it is the same one. A stream counts as answered with its head, so that it is no request of an hour's length; how many
//! there are and how they end is the hub's to count.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actix_web::http::{Method, StatusCode};

use super::routes::PREFIX;
use crate::histogram::{Histogram, Spread};

/// What has series of its own. HEAD counts as GET.
const SERVED: [(&str, &str); 28] = [
    ("/", "GET"),
    ("/admin/audit", "GET"),
    ("/admin/keys", "GET"),
    ("/admin/keys", "POST"),
    ("/admin/keys/{id}", "DELETE"),
    ("/admin/keys/{id}/rotate", "POST"),
    ("/admin/revocations", "GET"),
    ("/admin/revocations", "POST"),
    ("/admin/revocations/{id}", "DELETE"),
    ("/admin/tenants", "GET"),
    ("/admin/tenants/{name}", "PUT"),
    ("/asyncapi.json", "GET"),
    ("/docs", "GET"),
    ("/docs/{file}", "GET"),
    ("/events", "GET"),
    ("/events", "POST"),
    ("/events/session", "DELETE"),
    ("/events/session", "POST"),
    ("/events/stats", "GET"),
    ("/events/subscribe", "GET"),
    ("/events/tickets", "POST"),
    ("/health", "GET"),
    ("/health/live", "GET"),
    ("/health/ready", "GET"),
    ("/metrics", "GET"),
    ("/openapi.json", "GET"),
    ("/page/{file}", "GET"),
    // what is not found, not allowed, or failed before it was known what was asked for
    ("other", "other"),
];

/// Classes of status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counts, which every worker adds to.
#[derive(Debug, Default)]
pub(super) struct Requests {
    served: [Served; SERVED.len()],
}

#[derive(Debug, Default)]
struct Served {
    classes: [AtomicU64; CLASSES.len()],
    took: Histogram,
}

/// One route, as it was answered since the start.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) route: &'static str,
    pub(super) method: &'static str,
    /// By class of status.
    pub(super) classes: Vec<(&'static str, u64)>,
    /// From the head of the request to that of the answer.
    pub(super) took: Spread,
}

impl Requests {
    pub(super) fn count(&self, pattern: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        let pattern = pattern.map(|pattern| pattern.strip_prefix(PREFIX).unwrap_or(pattern));
        // patterns may hold expressions
        let pattern = pattern.map(|pattern| if pattern.starts_with("/docs/{") { "/docs/{file}" } else { pattern });
        let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
        let known = pattern.and_then(|pattern| SERVED.iter().position(|served| *served == (pattern, method)));
        let served = &self.served[known.unwrap_or(SERVED.len() - 1)];
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        served.classes[class].fetch_add(1, Ordering::Relaxed);
        served.took.record(took, 1);
    }

    /// What was counted; a class that answers seldom have is there once there was one.
    pub(super) fn answered(&self) -> Vec<Answered> {
        let each = SERVED.into_iter().zip(&self.served);
        let answered = each.map(|((route, method), served)| {
            let counts = served.classes.iter().map(|count| count.load(Ordering::Relaxed));
            let classes = CLASSES.into_iter().zip(counts).filter(|(class, count)| *count > 0 || !matches!(*class, "1xx" | "3xx"));
            Answered { route, method, classes: classes.collect(), took: Histogram::spread(&[&served.took]) }
        });
        answered.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::openapi;

    #[test]
    fn what_is_served_is_counted_by_its_pattern_and_all_else_together() {
        let requests = Requests::default();
        let ok = StatusCode::OK;
        for (pattern, method, status) in [
            (Some("/events/stats"), Method::GET, ok),
            (Some("/v1/events/stats"), Method::HEAD, ok),
            (Some("/events/stats"), Method::GET, StatusCode::FORBIDDEN),
            (Some("/docs/{file:.*}"), Method::GET, StatusCode::NOT_MODIFIED),
            (Some("/events/stats"), Method::DELETE, StatusCode::METHOD_NOT_ALLOWED),
            (Some("/secret/1"), Method::GET, StatusCode::NOT_FOUND),
            (None, Method::from_bytes(b"BREW").expect("a method"), StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            requests.count(pattern, &method, status, Duration::from_millis(1));
        }
        let found = requests.answered();
        let of = |route: &str| &found.iter().find(|answered| answered.route == route).expect("a route").classes;
        assert_eq!(found.len(), SERVED.len());
        assert_eq!(*of("/events/stats"), [("2xx", 2), ("4xx", 1), ("5xx", 0)]);
        assert_eq!(*of("/docs/{file}"), [("2xx", 0), ("3xx", 1), ("4xx", 0), ("5xx", 0)]);
        assert_eq!(*of("other"), [("2xx", 0), ("4xx", 2), ("5xx", 1)]);
        assert_eq!(found.iter().flat_map(|answered| &answered.took.buckets).map(|(_, count)| count).sum::<u64>(), 7);
    }

    #[test]
    fn every_operation_of_the_document_has_series_of_its_own() {
        let document: serde_json::Value = serde_json::from_str(&openapi::to_json()).expect("JSON");
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for method in operations.as_object().expect("operations").keys().filter(|key| *key != "parameters") {
                let served = (path.as_str(), method.to_ascii_uppercase());
                assert!(SERVED.iter().any(|(path, method)| (*path, method.to_string()) == served), "{served:?} counts as other");
            }
        }
    }
}
