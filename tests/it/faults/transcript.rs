//! What one subscriber was sent, held against the log event by event.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ledger::{Line, Log},
    record::Record,
    verdict::{Kind, Verdict},
};
use crate::support::{naive_filter::NaiveFilter, sse_parser::Frame};

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
