//! The verdict: what was published, acknowledged and delivered, held against the log event by event.
//!
//! Lost is a matching event that a subscriber's cursor went past, or that was acknowledged and is not in the log, unless the subscriber was told,
//! rightly, that it is gone. Repeated is an event that one subscriber was sent twice, or that is in the log twice. An event that comes behind
//! its successor is out of order; one that the filter did not ask for, with other bytes, or of a history that is void is foreign.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::record::{Logged, Record};
use crate::support::{naive_filter::NaiveFilter, sse_parser::Frame};

/// The log at the end, and what it was before commits were lost with a primary, if they were.
pub(super) struct Log {
    /// The log that goes on.
    pub(super) now: Record,
    /// The whole log of the store that is gone.
    pub(super) gone: Option<Record>,
}

/// What the publishers did and what they were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Events by id, from before the first attempt.
    pub(super) published: HashMap<String, Value>,
    /// The cursors that the answers gave them.
    pub(super) acknowledged: HashMap<String, String>,
    /// How often the service refused for now.
    pub(super) refused: usize,
}

/// The sums of a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) published: usize,
    pub(super) acknowledged: usize,
    pub(super) delivered: usize,
    pub(super) lost: usize,
    pub(super) repeated: usize,
    pub(super) out_of_order: usize,
    pub(super) foreign: usize,
    /// Gaps that were told as the log has them.
    pub(super) told_trimmed: usize,
    pub(super) told_rewound: usize,
    /// Gaps that say what the log does not.
    pub(super) told_wrong: usize,
    /// Acknowledged events that went with a primary whose replica lacked them.
    pub(super) lost_by_store: usize,
    /// The first few things that are wrong, in words.
    pub(super) wrong: Vec<String>,
}

/// Where a cursor lies: in the log that goes on, or above the fork in what is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Standing,
    Void { fork: u64 },
}

impl Told {
    /// Takes over what another publisher was told.
    pub(super) fn merge(&mut self, other: Self) {
        self.published.extend(other.published);
        self.acknowledged.extend(other.acknowledged);
        self.refused += other.refused;
    }
}

impl Log {
    /// A log that lost nothing.
    pub(super) fn whole(now: Record) -> Self {
        Self { now, gone: None }
    }

    /// Where a cursor lies, with its seq; nothing if its numbering is unknown.
    fn place(&self, cursor: &str) -> Option<(Line, u64)> {
        let (epoch, seq) = cursor.split_once('-')?;
        let seq: u64 = seq.parse().ok()?;
        let at = self.now.numberings.iter().position(|(known, _)| known == epoch)?;
        match self.now.numberings.get(at + 1) {
            Some((_, next)) if seq >= *next => Some((Line::Void { fork: next - 1 }, seq)),
            _ => Some((Line::Standing, seq)),
        }
    }

    fn on(&self, line: Line) -> Option<&Record> {
        match line {
            Line::Standing => Some(&self.now),
            Line::Void { .. } => self.gone.as_ref(),
        }
    }
}

/// Judges the log by what publishers were told.
pub(super) fn judge_log(log: &Log, told: &Told) -> Verdict {
    let mut verdict = Verdict { published: told.published.len(), acknowledged: told.acknowledged.len(), ..Verdict::default() };
    let mut ids: HashMap<&str, u64> = HashMap::new();
    let first = log.now.events.keys().next().copied().unwrap_or(1);
    for (expected, (&seq, event)) in (first..).zip(&log.now.events) {
        if seq != expected {
            verdict.wrong(Kind::Lost, format!("{expected} is missing in the log: it goes on with {seq}"));
            break;
        }
        let id = event.value["id"].as_str().unwrap_or_default();
        if let Some(before) = ids.insert(id, seq) {
            verdict.wrong(Kind::Repeated, format!("{id} is in the log at {before} and at {seq}"));
        }
        let is_as_published = told
            .published
            .get(id)
            .and_then(Value::as_object)
            .is_some_and(|published| published.iter().all(|(member, value)| event.value[member] == *value));
        if !is_as_published {
            verdict.wrong(Kind::Foreign, format!("nobody published {}", event.text));
        }
    }
    for (id, cursor) in &told.acknowledged {
        let id_at = |record: &Record, seq| record.events.get(&seq).is_some_and(|event: &Logged| event.value["id"] == **id);
        match log.place(cursor) {
            Some((Line::Standing, seq)) if id_at(&log.now, seq) => {}
            Some((line @ Line::Void { .. }, seq)) if log.on(line).is_some_and(|gone| id_at(gone, seq)) => verdict.lost_by_store += 1,
            _ => verdict.wrong(Kind::Lost, format!("{id} was acknowledged as {cursor} and is not there")),
        }
    }
    verdict
}

/// Judges what one subscriber was sent, from its first cursor to the head of the log.
pub(super) fn judge_transcript(log: &Log, query: &str, transcript: &[Frame]) -> Verdict {
    let filter = NaiveFilter::of(query);
    let wanted = |record: &Record| -> BTreeSet<u64> {
        record.events.iter().filter(|(_, event)| filter.matches(&event.value)).map(|(&seq, _)| seq).collect()
    };
    let mut reader = Reader {
        log,
        standing: wanted(&log.now),
        void: log.gone.as_ref().map(wanted).unwrap_or_default(),
        at: None,
        seen: BTreeSet::new(),
        passed: BTreeMap::new(),
        verdict: Verdict::default(),
    };
    for frame in transcript {
        reader.read(frame);
    }
    reader.end();
    let mut verdict = reader.verdict;
    for wrong in &mut verdict.wrong {
        *wrong = format!("{query}: {wrong}");
    }
    verdict
}

/// One pass over a transcript.
struct Reader<'a> {
    log: &'a Log,
    /// What the filter wants of the log that goes on, and of the one that is gone.
    standing: BTreeSet<u64>,
    void: BTreeSet<u64>,
    /// How far the cursor has come; nothing before the first.
    at: Option<(Line, u64)>,
    seen: BTreeSet<u64>,
    /// Matching events that the cursor went past unseen, with what went past them.
    passed: BTreeMap<u64, String>,
    verdict: Verdict,
}

impl Reader<'_> {
    fn read(&mut self, frame: &Frame) {
        if frame.name() == "hub.gap" {
            return self.read_gap(frame);
        }
        let Some(cursor) = frame.id.as_deref() else { return };
        let Some((line, seq)) = self.log.place(cursor) else {
            return self.verdict.wrong(Kind::Foreign, format!("{cursor} is of no numbering of the log"));
        };
        if frame.is_event() {
            self.read_event(frame, cursor, line, seq);
        } else {
            // what says where a subscriber stands: it must not go back, and must not overtake what is still to come
            if self.at.is_some_and(|(_, at)| seq < at) && !self.has_jumped(line) {
                self.verdict.wrong(Kind::OutOfOrder, format!("the cursor went back to {cursor}: {frame:?}"));
            }
            self.go_to(line, seq, seq + 1, cursor);
        }
    }

    fn read_event(&mut self, frame: &Frame, cursor: &str, line: Line, seq: u64) {
        let known = self.log.on(line).and_then(|record| record.events.get(&seq));
        let is_wanted = if line == Line::Standing { self.standing.contains(&seq) } else { self.void.contains(&seq) };
        if !is_wanted || known.is_none_or(|event| event.text != frame.data || event.value["type"] != frame.name()) {
            return self.verdict.wrong(Kind::Foreign, format!("not an event of this filter, or with other bytes: {frame:?}"));
        }
        let is_behind = self.at.is_some_and(|(_, at)| seq <= at) && !self.has_jumped(line);
        if !is_behind {
            self.go_to(line, seq, seq, cursor);
            self.seen.insert(seq);
            self.verdict.delivered += 1;
        } else if self.passed.remove(&seq).is_some() {
            self.seen.insert(seq);
            self.verdict.delivered += 1;
            self.verdict.wrong(Kind::OutOfOrder, format!("{cursor} came behind its successors"));
        } else {
            self.verdict.wrong(Kind::Repeated, format!("{cursor} came twice, or from before the start"));
        }
    }

    fn read_gap(&mut self, frame: &Frame) {
        let told = frame.json();
        let place = |member: &str| told[member].as_str().and_then(|cursor| self.log.place(cursor));
        let (Some((line, requested)), Some((Line::Standing, resumed))) = (place("requested"), place("resumed")) else {
            return self.verdict.wrong(Kind::Told, format!("a gap between cursors that never were: {told}"));
        };
        // it may have come further than the last id says, past events that it did not ask for
        self.go_to(line, requested, requested + 1, "the gap");
        let (from, to) = (requested.min(resumed), requested.max(resumed));
        let is_counted = told["lost"].as_u64() == Some(to - from) && to > from;
        match (told["reason"].as_str(), line) {
            (Some("rewound"), Line::Void { fork }) if is_counted && resumed == fork => {
                self.verdict.told_rewound += 1;
                self.seen.retain(|&seq| seq <= fork);
                // what was left out of the void history stays left out
                let left_out: Vec<_> = self.passed.split_off(&(fork + 1)).into_values().collect();
                for by in left_out {
                    self.verdict.wrong(Kind::Lost, by);
                }
                self.at = Some((Line::Standing, fork));
            }
            (Some("trimmed"), Line::Standing) if is_counted && resumed > requested && resumed < self.log.now.earliest => {
                self.verdict.told_trimmed += 1;
                self.at = Some((Line::Standing, resumed));
            }
            _ => {
                self.verdict.wrong(Kind::Told, format!("at {:?}, the log begins at {}: {told}", self.at, self.log.now.earliest));
                self.at = Some((Line::Standing, resumed));
            }
        }
    }

    /// Whether a standing cursor comes after one that is void, or the other way round where both can't be: nobody was told.
    fn has_jumped(&self, line: Line) -> bool {
        match (self.at, line) {
            (Some((Line::Void { .. }, _)), Line::Standing) => true,
            (Some((Line::Standing, at)), Line::Void { fork }) => at > fork,
            _ => false,
        }
    }

    /// Moves the cursor; what matches in between, below `below`, was passed over.
    fn go_to(&mut self, line: Line, seq: u64, below: u64, by: &str) {
        let mut from = self.at.map_or(seq, |(_, at)| at);
        if self.has_jumped(line) {
            self.verdict.wrong(Kind::Foreign, format!("{by} follows {:?}, and nobody told of a rewind", self.at));
            from = self.log.now.numberings.last().map_or(0, |(_, first)| first - 1);
        }
        let wanted = if line == Line::Standing { &self.standing } else { &self.void };
        if from + 1 < below {
            for &missed in wanted.range(from + 1..below) {
                if !self.seen.contains(&missed) {
                    self.passed.insert(missed, format!("{missed} was passed over by {by}"));
                }
            }
        }
        if self.at.is_none_or(|(at, _)| at != line) || from < seq {
            self.at = Some((line, seq.max(from)));
        }
    }

    /// Whoever has not got what the log holds behind its cursor has lost it: everyone was waited for.
    fn end(&mut self) {
        let head = self.log.now.head();
        match self.at {
            None => self.verdict.wrong(Kind::Lost, "never heard of anything".to_owned()),
            Some(_) => self.go_to(Line::Standing, head, head + 1, "the end"),
        }
        for by in std::mem::take(&mut self.passed).into_values() {
            self.verdict.wrong(Kind::Lost, by);
        }
    }
}

enum Kind {
    Lost,
    Repeated,
    OutOfOrder,
    Foreign,
    Told,
}

impl Verdict {
    /// How many things are described in words.
    const DESCRIBED: usize = 12;

    fn wrong(&mut self, kind: Kind, what: String) {
        match kind {
            Kind::Lost => self.lost += 1,
            Kind::Repeated => self.repeated += 1,
            Kind::OutOfOrder => self.out_of_order += 1,
            Kind::Foreign => self.foreign += 1,
            Kind::Told => self.told_wrong += 1,
        }
        if self.wrong.len() < Self::DESCRIBED {
            self.wrong.push(what);
        }
    }

    /// Adds up two verdicts on one log.
    pub(super) fn add(&mut self, other: Self) {
        self.published += other.published;
        self.acknowledged += other.acknowledged;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.out_of_order += other.out_of_order;
        self.foreign += other.foreign;
        self.told_trimmed += other.told_trimmed;
        self.told_rewound += other.told_rewound;
        self.told_wrong += other.told_wrong;
        self.lost_by_store += other.lost_by_store;
        self.wrong.extend(other.wrong);
        self.wrong.truncate(Self::DESCRIBED);
    }

    /// Whether everyone got exactly what the log holds, and was told the truth where it holds it no longer.
    pub(super) fn is_clean(&self) -> bool {
        (self.lost, self.repeated, self.out_of_order, self.foreign, self.told_wrong) == (0, 0, 0, 0, 0)
    }
}
