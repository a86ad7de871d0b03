//! `GET /metrics`: what the instance counts anyway, as Prometheus reads it (OpenMetrics text).
//!
//! Nothing is counted here: each scrape reads what `/events/stats` reads, summed over all logs. Labels are words of this program, a fixed
//! number of them: no tenant, subject, selector, credential or address is ever one, or the series would be without bound and the numbers of one
//! tenant another's to read.

use std::fmt;

use actix_web::{HttpRequest, HttpResponse, web};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::{Console, Latency, Overall, State, Statistics, admin::Caller, code::Code, problem::Problem};

/// What every name begins with.
const PREFIX: &str = "chaincast";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is told at one moment.
#[derive(Debug)]
struct Scrape {
    overall: Overall,
    limited: Vec<(&'static str, u64)>,
    refused: Vec<(&'static str, u64)>,
    /// Whether the connections of a subject are counted on all instances.
    shared: bool,
}

/// Numbers of the instance for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "metrics", security((), ("bearer" = [])),
    description = "For a super admin; for whoever reaches it in open mode, and on `CHAINCAST_ADMIN_LISTEN`, which Prometheus is best pointed to.",
    responses((status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(request: HttpRequest, state: web::Data<State>, console: web::Data<Console>) -> Result<HttpResponse, Problem> {
    if console.open_metrics {
        console.guard.admit(request.headers())?;
    } else {
        Caller::of(&request).await?.of_all()?;
    }
    let scrape = Scrape {
        overall: state.facts.overall(),
        limited: console.scrutiny.limits.refusals().map(|(limit, count)| (limit.as_str(), count)).collect(),
        refused: console.scrutiny.refused.counts().collect(),
        shared: console.scrutiny.limits.are_shared() == Some(true),
    };
    let body = scrape.into_text().map_err(|error| Problem::new(Code::Internal).caused_by(&error))?;
    Ok(HttpResponse::Ok().content_type(OPENMETRICS).body(body))
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        self.process(&mut sheet)?;
        self.connections(&mut sheet)?;
        self.events(&mut sheet)?;
        self.log(&mut sheet)?;
        self.tenants(&mut sheet)?;
        self.room(&mut sheet)?;
        self.backplane(&mut sheet)?;
        let help = "Whether the connections of a subject are counted on all instances; otherwise on this one alone";
        sheet.gauge("limits_shared", help, None, u64::from(self.shared))?;
        sheet.counters("limited", "Requests and connections refused by a limit of the client's own", "limit", &self.limited)?;
        sheet.counters("credentials_refused", "Credentials that were not taken, or not presented", "reason", &self.refused)
    }
}

impl Scrape {
    fn into_text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(self));
        let mut body = String::new();
        text::encode(&mut body, &registry).map(|()| body)
    }

    fn process(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let Statistics { version, uptime_seconds, backplane, memory, log, .. } = &self.overall.statistics;
        sheet.info("build", "What runs", &[("version", version), ("store", log.store), ("backplane", backplane.kind)])?;
        sheet.gauge("uptime", "Time since the start", Some(&Unit::Seconds), *uptime_seconds)?;
        sheet.gauge(
            "process_resident_memory",
            "What the process holds in memory",
            Some(&Unit::Bytes),
            memory.clone().unwrap_or_default().resident_bytes,
        )
    }

    fn connections(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let found = &self.overall.statistics.connections;
        sheet.gauge("connections", "Streams held now", None, found.now as u64)?;
        sheet.gauge("connections_peak", "The most streams held at once", None, found.peak as u64)?;
        sheet.gauge("connections_max", "The limit of streams", None, found.max as u64)?;
        sheet.gauge("connections_replaying", "Streams behind the ring, reading from the log", None, found.replaying as u64)?;
        sheet.gauge("connections_lagging", "Streams that take nothing at the moment", None, found.lagging as u64)?;
        sheet.gauge("connections_paced", "Streams that have more to come than their pace allows", None, found.paced as u64)?;
        sheet.gauge("selectors", "Distinct selectors followed", None, found.selectors as u64)?;
        let following: Vec<_> = found.by_selector.iter().map(|(kind, count)| (*kind, *count as u64)).collect();
        sheet.gauges("connections_following", "Streams by what they follow; of several kinds, once each", "selector", &following)?;
        sheet.counter("connections_opened", "Streams ever admitted", found.opened as u64)?;
        sheet.counter("connections_refused", "Streams ever refused for want of room, or while draining", found.refused as u64)?;
        let closed: Vec<_> = found.closed.iter().map(|(reason, count)| (*reason, *count)).collect();
        sheet.counters("connections_closed", "Streams that ended; `left` are those whose peer went", "reason", &closed)
    }

    fn events(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let found = &self.overall.statistics.events;
        sheet.counter("events_published", "Events stored", found.published)?;
        sheet.counter("events_duplicate", "Events repeated with the same content", found.duplicates)?;
        sheet.counter("events_conflict", "Events repeated with other content", found.conflicts)?;
        sheet.counter("commits", "Commits that stored events", found.commits)?;
        sheet.counter("events_delivered", "Events written to streams", found.delivered)?;
        sheet.histogram("delivery_latency", "From commit to write; the sum is within an eighth", &self.overall.latency)
    }

    fn log(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let found = &self.overall.statistics.log;
        sheet.gauge("log_reachable", "Whether the last look at the log and the last append succeeded", None, u64::from(found.reachable))?;
        sheet.gauge("log_head", "The newest event's seq, of the default log", None, found.head)?;
        sheet.gauge("log_earliest", "The oldest retained event's seq, of the default log", None, found.earliest)?;
        sheet.gauge("log_size", "The whole store on disk", Some(&Unit::Bytes), found.size_bytes.unwrap_or_default())
    }

    fn tenants(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let found = self.overall.statistics.instance.clone().unwrap_or_default();
        sheet.gauge("tenants", "Tenants whose log was used", None, found.logs as u64)?;
        sheet.gauge("tenants_max", "The bound; further ones are refused", None, found.max_logs as u64)?;
        sheet.gauge("tenants_followed", "Tenants whose log is followed, and held in memory", None, found.followed_logs as u64)
    }

    fn backplane(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let found = &self.overall.statistics.backplane;
        let traffic = found.traffic.clone().unwrap_or_default();
        sheet.gauge("backplane_connected", "Whether other instances can be reached", None, u64::from(found.connected))?;
        sheet.gauge("backplane_peers", "Other instances that were heard of lately", None, found.peers as u64)?;
        sheet.counter("backplane_sent", "Messages sent to other instances", traffic.sent)?;
        sheet.counter("backplane_received", "Messages of other instances", traffic.received)?;
        sheet.counter("backplane_dropped", "Messages that were not sent: others found the events by looking", traffic.dropped)?;
        sheet.counter("backplane_missed", "Announcements that found no room here: the events were found by looking", traffic.missed)?;
        sheet.counter("backplane_unclear", "Messages of instances of another version, not understood", traffic.unclear)?;
        sheet.counter("backplane_refused", "Messages that no instance on this log can have sent", traffic.refused)?;
        sheet.counter("backplane_reconnects", "Connections made after the first", traffic.reconnects)?;
        sheet.gauge("backplane_queue", "Messages that wait to be sent", None, traffic.queued as u64)?;
        sheet.gauge("backplane_queue_max", "The bound; more are dropped", None, traffic.max_queued as u64)?;
        sheet.counter("holes_read", "Reads of the log for events before announced ones", traffic.holes_read)
    }

    fn room(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let (ring, queues) = (&self.overall.statistics.ring, self.overall.statistics.queues.clone().unwrap_or_default());
        sheet.gauge("ring_frames", "Events in the fullest ring", None, ring.frames as u64)?;
        sheet.gauge("ring_frames_max", "The bound of a ring's events", None, ring.max_frames as u64)?;
        sheet.gauge("ring_size", "Text in the fullest ring", Some(&Unit::Bytes), ring.bytes as u64)?;
        sheet.gauge("ring_size_max", "The bound of a ring's text", Some(&Unit::Bytes), ring.max_bytes as u64)?;
        sheet.gauge("publish_queue_requests", "Publish requests that are not answered yet", None, queues.publish_requests as u64)?;
        sheet.gauge("publish_queue_requests_max", "The bound; more are refused", None, queues.publish_max_requests as u64)?;
        sheet.gauge("publish_queue_size", "Bytes of the requests that wait", Some(&Unit::Bytes), queues.publish_bytes as u64)?;
        sheet.gauge("publish_queue_size_max", "The bound; more are refused", Some(&Unit::Bytes), queues.publish_max_bytes as u64)?;
        sheet.gauge("frames_behind_hole", "Events that wait until those before them are read", None, ring.frames_behind_hole as u64)
    }
}

/// Writes one metric after the other.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        ConstCounter::new(count).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn counters(&mut self, name: &str, help: &str, label: &'static str, counts: &[(&'static str, u64)]) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        counts.iter().try_for_each(|(word, count)| ConstCounter::new(*count).encode(encoder.encode_family(&[(label, *word)])?))
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?)
    }

    fn gauges(&mut self, name: &str, help: &str, label: &'static str, values: &[(&'static str, u64)]) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.iter().try_for_each(|(word, value)| ConstGauge::new(*value).encode(encoder.encode_family(&[(label, *word)])?))
    }

    fn histogram(&mut self, name: &str, help: &str, latency: &Latency) -> fmt::Result {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let bounded = latency.buckets.iter().map(|(bound, count)| (bound.map_or(f64::INFINITY, seconds), *count));
        let buckets: Vec<(f64, u64)> = bounded.collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut encoder = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(seconds(latency.sum_micros), count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        auth::AuthError,
        http::{BackplaneTraffic, InstanceStatistics, LimitSettings, Limits, RefusedCredentials},
    };

    fn scrape() -> String {
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
                latency: Latency { buckets: vec![(Some(63), 1), (Some(127), 0), (None, 2)], sum_micros: 2_500_000 },
            },
            limited: Limits::new(LimitSettings::default()).refusals().map(|(limit, count)| (limit.as_str(), count)).collect(),
            refused: refused.counts().collect(),
            shared: true,
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
            "chaincast_process_resident_memory_bytes 0",
            "chaincast_limits_shared 1",
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
            assert!(name.starts_with("chaincast_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(["counter", "gauge", "histogram", "info"].contains(&kind), "{line}");
            assert!(declared.insert(name), "{name} twice");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let label = series.split_once('{').map(|(_, labels)| labels.split_once('=').expect("a label").0);
            assert!(label.is_none_or(|label| ["version", "reason", "selector", "limit", "le"].contains(&label)), "{line}");
        }
        assert!(!text.contains("cck_") && !text.contains("shop"), "{text}");
    }
}
