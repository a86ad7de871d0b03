//! The verdict on the log: what was published and acknowledged, held against what the store has. Subscribers' part is [`super::transcript`]'s.
//!
//! Lost is a matching event that a subscriber's cursor went past, or that was acknowledged and is not in the log, unless the subscriber was told,
//! rightly, that it is gone. Repeated is an event that one subscriber was sent twice, or that is in the log twice. An event that comes behind
//! its successor is out of order; one that the filter did not ask for, with other bytes, or of a history that is void is foreign.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    record::{Logged, Record},
    verdict::{Kind, Verdict},
};

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

/// Where a cursor lies: in the log that goes on, or above the fork in what is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
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
    pub(super) fn place(&self, cursor: &str) -> Option<(Line, u64)> {
        let (epoch, seq) = cursor.split_once('-')?;
        let seq: u64 = seq.parse().ok()?;
        let at = self.now.numberings.iter().position(|(known, _)| known == epoch)?;
        match self.now.numberings.get(at + 1) {
            Some((_, next)) if seq >= *next => Some((Line::Void { fork: next - 1 }, seq)),
            _ => Some((Line::Standing, seq)),
        }
    }

    /// The history that has what lies there.
    pub(super) fn on(&self, line: Line) -> Option<&Record> {
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
