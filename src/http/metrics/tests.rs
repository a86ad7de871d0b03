use std::{collections::BTreeSet, time::Duration};

use actix_web::http::{Method, StatusCode, header::HeaderValue};

use super::*;
use crate::{
    auth::AuthError,
    domain::GapReason,
    histogram::Spread,
    http::{
        BackplaneTraffic, InstanceStatistics, LimitSettings, Limits, ProcessFacts, RefusedCredentials, RuntimeFacts, StoreFacts, Told,
        requests::Requests,
    },
    hub::{GapMoment, GapsTold},
    ingest::Publishing,
    log::{Disk, Retention},
    trace::SpanCounts,
};

/// Names that all programs share.
const STANDARD: [&str; 6] = [
    "process_cpu_seconds",
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_max_fds",
];
const LABELS: [&str; 13] =
    ["version", "store", "backplane", "reason", "moment", "selector", "limit", "route", "method", "status", "outcome", "pool", "le"];

fn scrape() -> String {
    scrape_with_disk(true)
}

fn scrape_with_disk(disk: bool) -> String {
    let answered = Requests::default();
    answered.count(Some("/v1/events"), &Method::POST, StatusCode::CREATED, Duration::from_millis(1));
    let mut statistics = Statistics { version: "1.2.3", ..Statistics::default() };
    statistics.events.published = 7;
    statistics.connections.paced = 4;
    statistics.backplane.traffic = Some(BackplaneTraffic { refused: 5, ..BackplaneTraffic::default() });
    statistics.instance = Some(InstanceStatistics { logs: 3, followed_logs: 2, ..InstanceStatistics::default() });
    statistics.log.store = "sqlite";
    statistics.connections.closed.insert("lagging", 3);
    statistics.connections.by_selector.insert("topics", 2);
    let refused = RefusedCredentials::default();
    refused.count(&AuthError::invalid("cck_never_shown"));
    refused.count(&AuthError::Forbidden("of shop".to_owned()));
    Scrape {
        overall: Overall {
            statistics,
            delivery: Spread { buckets: vec![(Some(63), 1), (Some(127), 0), (None, 2)], sum_micros: 2_500_000 },
            publishing: Publishing {
                group: (vec![(Some(1), 4), (None, 1)], 9),
                failures: vec![("unavailable", 2)],
                ..Publishing::default()
            },
            told: Told { gaps: vec![GapsTold { reason: GapReason::Trimmed, moment: GapMoment::Live, count: 6 }], ..Told::default() },
            store: StoreFacts {
                sessions: vec![("append", SessionCounts { busy: 1, max: 1, ..SessionCounts::default() })],
                disk: disk.then_some(Disk { free: 8, size: 9 }),
                retention: Retention { max_age: Some(Duration::from_hours(1)), ..Retention::default() },
                ..StoreFacts::default()
            },
            process: ProcessFacts { cpu: Duration::from_millis(1500), ..ProcessFacts::default() },
            runtime: RuntimeFacts::default(),
        },
        answered: answered.answered(),
        in_flight: 3,
        limited: Limits::new(LimitSettings::default()).refusals().map(|(limit, count)| (limit.as_str(), count)).collect(),
        refused: refused.counts().collect(),
        shared: true,
        spans: SpanCounts { exported: 11, dropped: 12 },
    }
    .into_text()
    .expect("text")
}

#[test]
fn numbers_come_under_names_that_say_their_unit() {
    let text = scrape();
    for line in [
        "chaincast_build_info{version=\"1.2.3\",store=\"sqlite\",backplane=\"\"} 1",
        "chaincast_events_published_total 7",
        "chaincast_connections_closed_total{reason=\"lagging\"} 3",
        "chaincast_connections_following{selector=\"topics\"} 2",
        "chaincast_connections_paced 4",
        "chaincast_backplane_refused_total 5",
        "chaincast_backplane_connected 0",
        "chaincast_tenants 3",
        "chaincast_tenants_followed 2",
        "chaincast_delivery_latency_seconds_sum 2.5",
        "chaincast_delivery_latency_seconds_count 3",
        "chaincast_delivery_latency_seconds_bucket{le=\"0.000127\"} 1",
        "chaincast_delivery_latency_seconds_bucket{le=\"+Inf\"} 3",
        "process_resident_memory_bytes 0",
        "process_cpu_seconds_total 1.5",
        "chaincast_http_requests_total{route=\"/events\",method=\"POST\",status=\"2xx\"} 1",
        "chaincast_http_requests_total{route=\"other\",method=\"other\",status=\"5xx\"} 0",
        "chaincast_http_request_duration_seconds_count{route=\"/events\",method=\"POST\"} 1",
        "chaincast_http_requests_in_flight 3",
        "chaincast_gaps_total{reason=\"trimmed\",moment=\"live\"} 6",
        "chaincast_publish_failures_total{reason=\"unavailable\"} 2",
        "chaincast_commit_group_requests_bucket{le=\"1.0\"} 4",
        "chaincast_commit_group_requests_sum 9.0",
        "chaincast_database_connections_busy{pool=\"append\"} 1",
        "chaincast_log_filesystem_free_bytes 8",
        "chaincast_retention_max_age_seconds 3600",
        "chaincast_limits_shared 1",
        "chaincast_spans_dropped_total 12",
        "chaincast_limited_total{limit=\"publish_rate\"} 0",
        "chaincast_credentials_refused_total{reason=\"invalid\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn each_name_is_declared_once_and_labels_are_words_of_the_program() {
    let text = scrape();
    let mut declared = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a name and a type");
        assert!(
            (name.starts_with("chaincast_") || STANDARD.contains(&name)) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{name}"
        );
        assert!(["counter", "gauge", "histogram", "info"].contains(&kind), "{line}");
        assert!(declared.insert(name), "{name} twice");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let labels = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
        for (label, value) in labels.split(',').filter_map(|label| label.split_once('=')) {
            assert!(LABELS.contains(&label), "{line}");
            assert!(value.len() <= 2 + "/admin/revocations/{id}".len(), "{line}: a word of the program");
        }
    }
    assert!(!text.contains("cck_") && !text.contains("shop"), "{text}");
    assert!(text.lines().count() < 1200, "what one scrape costs is bounded: {}", text.lines().count());
}

#[test]
fn a_file_system_that_is_not_known_has_no_series_and_so_no_alarm() {
    assert!(!scrape_with_disk(false).contains("log_filesystem"));
}

#[test]
fn the_older_format_is_for_who_knows_no_other() {
    let wants = |accept: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        wants_classic(&headers)
    };
    assert!(wants("text/plain;version=0.0.4;q=0.5,*/*;q=0.1") && wants("Text/Plain"));
    assert!(!wants("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5"));
    assert!(!wants("*/*") && !wants_classic(&HeaderMap::new()));
}
