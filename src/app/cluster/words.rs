//! What instances say to each other of themselves: JSON with short names, since some carriers have small messages.
//!
//! A version that another does not know is not understood, and not answered; members may be added without a new one. Whoever writes is
//! known to be an instance on the same store, but what is read is taken as any input is: bounded, and refused when it is odd.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Own;
use crate::{
    app::facts::Latencies,
    histogram::Tally,
    http::{Percentiles, Statistics},
    log::LogId,
};

/// Of both; another one when a number here means something else, the buckets of latencies included.
const VERSION: u8 = 1;
/// The longest question.
const MAX_QUESTION: usize = 256;
/// The longest report that is read.
const MAX_REPORT: usize = 16 * 1024;
/// The longest word.
const MAX_WORD: usize = 40;
/// Words for which connections are counted.
const MAX_WORDS: usize = 64;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) log: LogId,
    pub(super) whole_instance: bool,
}

#[derive(Serialize, Deserialize)]
struct WrittenQuestion {
    v: u8,
    /// What for: the only thing that is asked as yet.
    stats: i32,
    whole: bool,
}

impl Question {
    pub(super) fn write(self) -> Vec<u8> {
        written(&WrittenQuestion { v: VERSION, stats: self.log.to_column(), whole: self.whole_instance })
    }

    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let question: WrittenQuestion = read(text, MAX_QUESTION)?;
        (question.v == VERSION).then_some(Self { log: LogId::new(question.stats), whole_instance: question.whole })
    }
}

/// What an instance says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    v: u8,
    id: String,
    /// Of the service.
    ver: String,
    /// Uptime in seconds.
    up: u64,
    /// Draining, backplane connected, log reachable, limits shared.
    is: [bool; 4],
    /// Connections: now, peak, max, opened, refused, replaying, lagging, paced, selectors.
    c: [u64; 9],
    closed: BTreeMap<String, u64>,
    by: BTreeMap<String, u64>,
    /// Events: published, duplicates, conflicts, commits, delivered.
    e: [u64; 5],
    /// Published and delivered a second.
    rate: [f64; 2],
    /// Latencies: a bucket's number and its count.
    lat: Vec<(usize, u64)>,
    /// The same lately, with fewer buckets.
    #[serde(default)]
    rec: Vec<(usize, u64)>,
    /// Replay: events, pages.
    #[serde(default)]
    rep: [u64; 2],
    /// How far the furthest connection is behind.
    #[serde(default)]
    far: u64,
    /// Gaps by reason.
    #[serde(default)]
    gaps: BTreeMap<String, u64>,
    /// The log's epoch, head and earliest; an empty epoch: it is not known here.
    log: (String, u64, u64),
    /// Ring: frames, bytes, behind a hole, and the bounds.
    ring: [u64; 5],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole: Option<Whole>,
}

/// What all logs share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Whole {
    /// Resident memory.
    pub(super) mem: u64,
    /// Of the store.
    pub(super) size: u64,
    /// Publish requests, the bound, bytes, the bound.
    pub(super) queue: [u64; 4],
    /// Logs, the bound, followed; connections, peak, max, refused.
    pub(super) all: [u64; 7],
    /// Replay: reads, the bound, waiting; connections to the store, idle, the bound, waiting.
    #[serde(default)]
    pub(super) room: [u64; 7],
    /// Percentiles of publishing: 50, 90, 99, all; since the start, and lately.
    #[serde(default, rename = "pub")]
    pub(super) publishing: [[u64; 4]; 2],
    /// Free where the store is, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) free: Option<u64>,
}

/// What a report says, by name.
pub(super) struct Told<'a> {
    pub(super) version: &'a str,
    pub(super) uptime_seconds: u64,
    pub(super) is_draining: bool,
    pub(super) is_connected: bool,
    pub(super) is_log_reachable: bool,
    pub(super) are_limits_shared: bool,
    pub(super) connections: [u64; 9],
    pub(super) closed: &'a BTreeMap<String, u64>,
    pub(super) by_selector: &'a BTreeMap<String, u64>,
    pub(super) events: [u64; 5],
    pub(super) rates: [f64; 2],
    pub(super) replay: [u64; 2],
    pub(super) furthest_behind: u64,
    pub(super) gaps: &'a BTreeMap<String, u64>,
    /// Epoch, head, earliest; `None`: the log is not known there.
    pub(super) log: Option<(&'a str, u64, u64)>,
    pub(super) ring: [u64; 5],
    pub(super) whole: Option<&'a Whole>,
}

impl Report {
    pub(super) fn new(id: &str, own: &Own) -> Self {
        let Own { statistics, latencies, is_draining } = own;
        let Statistics { connections: c, events: e, log, ring, .. } = statistics;
        let are_shared = statistics.limits.as_ref().is_some_and(|limits| limits.scope == crate::http::Scope::Cluster);
        let words = |counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
            counts.filter(|(_, count)| *count > 0).map(|(word, count)| (word.to_owned(), count)).collect()
        };
        Self {
            v: VERSION,
            id: id.to_owned(),
            ver: statistics.version.to_owned(),
            up: statistics.uptime_seconds,
            is: [*is_draining, statistics.backplane.connected, log.reachable, are_shared],
            c: [c.now, c.peak, c.max, c.opened, c.refused, c.replaying, c.lagging, c.paced, c.selectors].map(wide),
            closed: words(&mut c.closed.iter().map(|(word, count)| (*word, *count))),
            by: words(&mut c.by_selector.iter().map(|(word, count)| (*word, wide(*count)))),
            e: [e.published, e.duplicates, e.conflicts, e.commits, e.delivered],
            rate: [e.published_per_second, e.delivered_per_second],
            lat: latencies.delivery.counts().collect(),
            rec: latencies.recent_delivery.coarse().counts().collect(),
            rep: [statistics.replay.events, statistics.replay.pages],
            far: c.furthest_behind,
            gaps: words(&mut c.gaps.iter().map(|(word, count)| (*word, *count))),
            log: (log.epoch.clone(), log.head, log.earliest),
            ring: [ring.frames, ring.bytes, ring.frames_behind_hole, ring.max_frames, ring.max_bytes].map(wide),
            whole: Whole::of(statistics),
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        written(self)
    }

    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let report: Self = read(text, MAX_REPORT)?;
        let is_word = |text: &String| text.len() <= MAX_WORD && text.bytes().all(|byte| byte.is_ascii_graphic());
        let words = || {
            [&report.id, &report.ver, &report.log.0]
                .into_iter()
                .chain(report.closed.keys())
                .chain(report.by.keys())
                .chain(report.gaps.keys())
        };
        let is_good = report.v == VERSION && !report.id.is_empty() && words().count() <= MAX_WORDS && words().all(is_word);
        is_good.then_some(report)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn latencies(&self) -> Latencies {
        Latencies { delivery: Tally::of(self.lat.iter().copied()), recent_delivery: Tally::of(self.rec.iter().copied()) }
    }

    pub(super) fn told(&self) -> Told<'_> {
        let [is_draining, is_connected, is_log_reachable, are_limits_shared] = self.is;
        let (epoch, head, earliest) = &self.log;
        Told {
            version: &self.ver,
            uptime_seconds: self.up,
            is_draining,
            is_connected,
            is_log_reachable,
            are_limits_shared,
            connections: self.c,
            closed: &self.closed,
            by_selector: &self.by,
            events: self.e,
            rates: self.rate,
            replay: self.rep,
            furthest_behind: self.far,
            gaps: &self.gaps,
            log: (!epoch.is_empty()).then_some((epoch, *head, *earliest)),
            ring: self.ring,
            whole: self.whole.as_ref(),
        }
    }
}

impl Whole {
    fn of(statistics: &Statistics) -> Option<Self> {
        let ((memory, queues), all) = statistics.memory.as_ref().zip(statistics.queues.as_ref()).zip(statistics.instance.as_ref())?;
        let (q, a, d) = (queues, all, statistics.database.clone().unwrap_or_default());
        let told = |of: Option<Percentiles>| of.map_or([0; 4], |Percentiles { p50, p90, p99, max }| [p50, p90, p99, max]);
        Some(Self {
            mem: memory.resident_bytes,
            size: statistics.log.size_bytes.unwrap_or_default(),
            queue: [q.publish_requests, q.publish_max_requests, q.publish_bytes, q.publish_max_bytes].map(wide),
            all: [a.logs, a.max_logs, a.followed_logs, a.connections, a.peak_connections, a.max_connections, a.refused_connections]
                .map(wide),
            room: [q.replay_reads, q.replay_max_reads, q.replay_waiting, d.connections, d.idle_connections, d.max_connections, d.waiting]
                .map(wide),
            publishing: [statistics.latency.publish_microseconds, statistics.latency.recent_publish_microseconds].map(told),
            free: statistics.log.free_bytes,
        })
    }
}

fn wide(n: usize) -> u64 {
    n as u64
}

fn written(words: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(words).expect("numbers and texts are always JSON")
}

fn read<T: for<'a> Deserialize<'a>>(text: &[u8], longest: usize) -> Option<T> {
    if text.len() <= longest { serde_json::from_slice(text).ok() } else { None }
}
