//! `GET /metrics`: what the instance counts anyway, as Prometheus reads it: OpenMetrics, or the older text format for who asks for that alone.
//!
//! Nothing is counted here: each scrape reads what `/events/stats` reads, summed over all logs. Labels are words of this program, a fixed
//! number of them: no tenant, subject, selector, credential or address is ever one, or the series would be without bound and the numbers of one
//! tenant another's to read (`each_name_is_declared_once_and_labels_are_words_of_the_program`). Every series is there from the start, with 0, so
//! that a rate sees the first step too. What each is good for is told in docs/monitoring.md.

mod classic;
mod sheet;
#[cfg(test)]
mod tests;

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
    web,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::{Registry, Unit},
};

use self::sheet::Sheet;
use super::{Console, InFlight, Overall, State, Statistics, admin::Caller, code::Code, problem::Problem, requests::Answered};
use crate::{log::SessionCounts, trace::SpanCounts};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One number of a pool.
type OfSessions = fn(&SessionCounts) -> u64;

/// Everything that is told at one moment.
#[derive(Debug)]
struct Scrape {
    overall: Overall,
    answered: Vec<Answered>,
    in_flight: usize,
    limited: Vec<(&'static str, u64)>,
    refused: Vec<(&'static str, u64)>,
    /// Whether the connections of a subject are counted on all instances.
    shared: bool,
    spans: SpanCounts,
}

/// Numbers of the instance for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "metrics", security((), ("bearer" = [])),
    description = "For a super admin; for whoever reaches it in open mode, and on `CHAINCAST_ADMIN_LISTEN`, which Prometheus is best pointed to.",
    responses((status = 200, description = "OpenMetrics; the older text format for who accepts `text/plain` and not OpenMetrics",
        content((String = "application/openmetrics-text"), (String = "text/plain"))))
)]
pub(super) async fn metrics(request: HttpRequest, state: web::Data<State>, console: web::Data<Console>) -> Result<HttpResponse, Problem> {
    if console.open_metrics {
        console.guard.admit(request.headers())?;
    } else {
        Caller::of(&request).await?.of_all()?;
    }
    let in_flight = request.app_data::<InFlight>().cloned().unwrap_or_default();
    let scrape = Scrape {
        overall: state.facts.overall(),
        answered: in_flight.answered().answered(),
        in_flight: in_flight.now(),
        limited: console.scrutiny.limits.refusals().map(|(limit, count)| (limit.as_str(), count)).collect(),
        refused: console.scrutiny.refused.counts().collect(),
        shared: console.scrutiny.limits.are_shared() == Some(true),
        spans: state.tracer.counts().unwrap_or_default(),
    };
    let body = scrape.into_text().map_err(|error| Problem::new(Code::Internal).caused_by(&error))?;
    Ok(if wants_classic(request.headers()) {
        HttpResponse::Ok().content_type(CLASSIC).body(classic::of_openmetrics(&body))
    } else {
        HttpResponse::Ok().content_type(OPENMETRICS).body(body)
    })
}

/// Whether it knows the older format alone.
fn wants_classic(headers: &HeaderMap) -> bool {
    let names = |wanted: &str| {
        let mut accepted = headers.get_all(header::ACCEPT).filter_map(|accept| accept.to_str().ok());
        accepted.any(|accept| accept.split(',').any(|kind| kind.trim_start().to_ascii_lowercase().starts_with(wanted)))
    };
    names("text/plain") && !names("application/openmetrics-text")
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet::new(encoder);
        self.process(&mut sheet)?;
        self.requests(&mut sheet)?;
        self.connections(&mut sheet)?;
        self.told(&mut sheet)?;
        self.events(&mut sheet)?;
        self.publishing(&mut sheet)?;
        self.log(&mut sheet)?;
        self.retention(&mut sheet)?;
        self.sessions(&mut sheet)?;
        self.tenants(&mut sheet)?;
        self.room(&mut sheet)?;
        self.backplane(&mut sheet)?;
        let help = "Whether the connections of a subject are counted on all instances; otherwise on this one alone";
        sheet.gauge("limits_shared", help, None, u64::from(self.shared))?;
        sheet.counters("limited", "Requests and connections refused by a limit of the client's own", "limit", &self.limited)?;
        sheet.counters("credentials_refused", "Credentials that were not taken, or not presented", "reason", &self.refused)?;
        sheet.counter("spans_exported", "Spans that a collector of traces took", self.spans.exported)?;
        sheet.counter(
            "spans_dropped",
            "Spans that were lost, because too many waited or the collector did not take them",
            self.spans.dropped,
        )
    }
}

impl Scrape {
    fn into_text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut body = String::new();
        text::encode(&mut body, &registry).map(|()| body)
    }

    fn process(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let Statistics { version, uptime_seconds, backplane, log, .. } = &self.overall.statistics;
        sheet.info("build", "What runs", &[("version", version), ("store", log.store), ("backplane", backplane.kind)])?;
        sheet.gauge("uptime", "Time since the start", Some(&Unit::Seconds), *uptime_seconds)?;
        let process = &self.overall.process;
        sheet.standard_seconds("process_cpu", "CPU time of all threads", process.cpu.as_secs_f64())?;
        let started = process.started.as_secs_f64();
        sheet.standard("process_start_time", "When it started, since the Unix epoch", Some(&Unit::Seconds), started)?;
        sheet.standard("process_resident_memory", "What the process holds in memory", Some(&Unit::Bytes), process.resident_bytes)?;
        sheet.standard("process_virtual_memory", "What the process has mapped", Some(&Unit::Bytes), process.virtual_bytes)?;
        sheet.standard("process_open_fds", "Open descriptors, counted every 15 seconds", None, process.open_files)?;
        sheet.standard("process_max_fds", "The limit of open descriptors", None, process.max_files)?;
        let runtime = &self.overall.runtime;
        sheet.gauge("runtime_workers", "Threads of the runtime that owns the store", None, runtime.workers as u64)?;
        sheet.gauge("runtime_tasks", "Tasks of that runtime", None, runtime.tasks as u64)?;
        sheet.gauge("runtime_queue_tasks", "Tasks of that runtime that wait for a thread", None, runtime.queued as u64)
    }

    fn requests(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let help = "Requests answered, by route, method and class of status; a stream counts with its head";
        let by_class = self.answered.iter().flat_map(|one| {
            let labels = |class| vec![("route", one.route), ("method", one.method), ("status", class)];
            one.classes.iter().map(move |(class, count)| (labels(*class), *count))
        });
        sheet.family("http_requests", help, by_class)?;
        let help = "From the head of a request to that of its answer; the sum is within an eighth";
        let by_route = self.answered.iter().map(|one| (vec![("route", one.route), ("method", one.method)], &one.took));
        sheet.histograms("http_request_duration", help, by_route)?;
        sheet.gauge("http_requests_in_flight", "Requests that are not answered yet", None, self.in_flight as u64)
    }

    fn connections(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let found = &self.overall.statistics.connections;
        sheet.gauge("connections", "Streams held now", None, found.now as u64)?;
        sheet.gauge("connections_peak", "The most streams held at once", None, found.peak as u64)?;
        sheet.gauge("connections_max", "The limit of streams", None, found.max as u64)?;
        sheet.gauge("connections_replaying", "Streams behind the ring, reading from the log", None, found.replaying as u64)?;
        sheet.gauge("connections_lagging", "Streams that take nothing at the moment", None, found.lagging as u64)?;
        sheet.gauge("connections_paced", "Streams that have more to come than their pace allows", None, found.paced as u64)?;
        let help = "Events between the newest one and the stream that is furthest behind";
        sheet.gauge("furthest_behind_events", help, None, found.furthest_behind)?;
        sheet.gauge("selectors", "Distinct selectors followed", None, found.selectors as u64)?;
        let following: Vec<_> = found.by_selector.iter().map(|(kind, count)| (*kind, *count as u64)).collect();
        sheet.gauges("connections_following", "Streams by what they follow; of several kinds, once each", "selector", &following)?;
        sheet.counter("connections_opened", "Streams ever admitted", found.opened as u64)?;
        sheet.counter("connections_refused", "Streams ever refused for want of room, or while draining", found.refused as u64)?;
        let closed: Vec<_> = found.closed.iter().map(|(reason, count)| (*reason, *count)).collect();
        sheet.counters("connections_closed", "Streams that ended; `left` are those whose peer went", "reason", &closed)
    }

    fn told(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let (told, replay) = (&self.overall.told, &self.overall.statistics.replay);
        sheet.counter("streams_begun", "Streams that were told where they stand (`hub.open`)", told.begun)?;
        sheet.counter("heartbeats", "Heartbeats written, with a cursor or without", told.heartbeats)?;
        let gaps = told.gaps.iter().map(|gap| (vec![("reason", gap.reason.as_str()), ("moment", gap.moment.as_str())], gap.count));
        sheet.family("gaps", "Gaps that streams were told of (`hub.gap`): on connecting, or once they were live", gaps)?;
        sheet.counter("replay_events", "Events written to streams from pages of the log, not from memory", replay.events)?;
        let pages = [("read", replay.pages), ("failed", told.pages_failed)];
        sheet.counters("replay_pages", "Pages of the log read for streams that are behind", "outcome", &pages)?;
        let queues = self.overall.statistics.queues.clone().unwrap_or_default();
        sheet.gauge("replay_reads", "Pages that are being read", None, queues.replay_reads as u64)?;
        sheet.gauge("replay_reads_max", "The bound; more wait", None, queues.replay_max_reads as u64)?;
        sheet.gauge("replay_queue_pages", "Pages that wait for their turn", None, queues.replay_waiting as u64)
    }

    fn events(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let found = &self.overall.statistics.events;
        sheet.counter("events_published", "Events stored", found.published)?;
        sheet.counter("events_duplicate", "Events repeated with the same content", found.duplicates)?;
        sheet.counter("events_conflict", "Events repeated with other content", found.conflicts)?;
        sheet.counter("commits", "Commits that stored events", found.commits)?;
        sheet.counter("events_delivered", "Events written to streams", found.delivered)?;
        sheet.histogram("delivery_latency", "From commit to write; the sum is within an eighth", &self.overall.delivery)
    }

    fn publishing(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let found = &self.overall.publishing;
        let help = "From when a publish request was queued until its commit; the sum is within an eighth";
        sheet.histogram("publish_latency", help, &found.latency)?;
        sheet.histogram("commit_duration", "Commits, repeated ones to their end; the sum is within an eighth", &found.commit)?;
        sheet.sizes("commit_group_requests", "Publish requests that were committed together", &found.group)?;
        let help = "Publish requests that were not stored although their ids are in order";
        sheet.counters("publish_failures", help, "reason", &found.failures)
    }

    fn log(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let found = &self.overall.statistics.log;
        sheet.gauge("log_reachable", "Whether the last look at the log and the last append succeeded", None, u64::from(found.reachable))?;
        sheet.gauge("log_head", "The newest event's seq, of the default log", None, found.head)?;
        sheet.gauge("log_earliest", "The oldest retained event's seq, of the default log", None, found.earliest)?;
        sheet.gauge("log_size", "The whole store on disk", Some(&Unit::Bytes), found.size_bytes.unwrap_or_default())?;
        let Some(disk) = self.overall.store.disk else { return Ok(()) };
        let help = "Free in the file system of the SQLite file; not there with Postgres";
        sheet.gauge("log_filesystem_free", help, Some(&Unit::Bytes), disk.free)?;
        sheet.gauge("log_filesystem_size", "The whole of that file system", Some(&Unit::Bytes), disk.size)
    }

    fn retention(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let store = &self.overall.store;
        let seconds = |age: Option<std::time::Duration>| age.map_or(0, |age| age.as_secs());
        let (age, dedupe) = (seconds(store.retention.max_age), seconds(store.retention.dedupe));
        sheet.gauge("retention_max_age", "Events that are older may go; 0: age removes nothing", Some(&Unit::Seconds), age)?;
        let most = store.retention.max_events.unwrap_or_default();
        sheet.gauge("retention_max_events", "As many events are kept of a log; 0: number removes nothing", None, most)?;
        sheet.gauge("dedupe_max_age", "How long ids are known, at least; 0: for ever", Some(&Unit::Seconds), dedupe)?;
        sheet.counter("trimmed_events", "Events that retention removed", store.trimmed.events)?;
        sheet.counter("trimmed_ids", "Ids that are known no more", store.trimmed.ids)?;
        sheet.counter("trim_failures", "Trims that could not be made; the next one goes on", store.trims_failed)
    }

    fn sessions(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let of = |value: OfSessions| -> Vec<(&'static str, u64)> {
            self.overall.store.sessions.iter().map(|(pool, counts)| (*pool, value(counts))).collect()
        };
        let gauges: [(&str, &str, OfSessions); 4] = [
            ("database_connections_busy", "Connections to the store in use", |counts| counts.busy as u64),
            ("database_connections_idle", "Connections to the store that are open and not in use", |counts| counts.idle as u64),
            ("database_connections_max", "The bound of connections to the store", |counts| counts.max as u64),
            ("database_waiting", "Calls that wait for a connection to the store", |counts| counts.waiting as u64),
        ];
        gauges.iter().try_for_each(|(name, help, value)| sheet.gauges(name, help, "pool", &of(*value)))?;
        sheet.counters("database_connects", "Connections made to the store", "pool", &of(|counts| counts.connects))?;
        let help = "Calls that gave up because no connection to the store was to be had in time";
        sheet.counters("database_connection_failures", help, "pool", &of(|counts| counts.unreached))
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
