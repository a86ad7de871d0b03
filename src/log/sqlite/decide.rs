//! What becomes of each event of an append: pure, and the same rules that `append_events` follows in Postgres.

use std::collections::HashMap;

use crate::{
    domain::Seq,
    log::{AppendRequest, ContentDigest, NewEvent, OnConflict, outcome::Verdict},
};

/// Ids that are known already: where their events stand and what they say. Keyed by source and id.
pub(super) type Known<'a> = HashMap<(&'a str, &'a str), (Seq, ContentDigest)>;

/// An event that is to be stored.
pub(super) struct Numbered<'a> {
    pub(super) seq: Seq,
    pub(super) source: &'a str,
    pub(super) event: &'a NewEvent,
}

/// What is to be done.
pub(super) struct Decision<'a> {
    /// One an event, over all requests.
    pub(super) verdicts: Vec<Verdict>,
    /// What is to be stored, dense from head + 1.
    pub(super) numbered: Vec<Numbered<'a>>,
}

/// The first appearance of an id in this append.
struct First<'a> {
    request: usize,
    digest: &'a ContentDigest,
    seq: Option<Seq>,
}

/// Decides about `requests` for a log at `head`. `None` when two requests share an id: the caller's fault.
pub(super) fn decide<'a>(head: Seq, requests: &'a [AppendRequest], known: &Known<'_>) -> Option<Decision<'a>> {
    let mut decision = Decision { verdicts: Vec::new(), numbered: Vec::new() };
    let mut firsts: HashMap<(&str, &str), First<'_>> = HashMap::new();
    for (number, request) in requests.iter().enumerate() {
        let refused = request.on_conflict == OnConflict::Refuse && has_conflict(request, known);
        let source = request.source.as_str();
        for event in &request.events {
            let key = (source, event.id.as_str());
            let first = firsts.get(&key);
            if first.is_some_and(|first| first.request != number) {
                return None;
            }
            let same = |digest: &ContentDigest| *digest == event.digest;
            let verdict = match (known.get(&key), first) {
                (Some((seq, digest)), _) if same(digest) => Verdict::Duplicate(*seq),
                (Some((seq, _)), _) => Verdict::Conflict(Some(*seq)),
                (None, Some(first)) if !same(first.digest) => Verdict::Conflict(first.seq),
                (None, _) if refused => Verdict::Withheld,
                (None, Some(First { seq: Some(seq), .. })) => Verdict::Duplicate(*seq),
                (None, _) => {
                    let seq = head.plus(decision.numbered.len() as u64 + 1);
                    decision.numbered.push(Numbered { seq, source, event });
                    Verdict::Stored(seq)
                }
            };
            let seq = if let Verdict::Stored(seq) = verdict { Some(seq) } else { None };
            firsts.entry(key).or_insert(First { request: number, digest: &event.digest, seq });
            decision.verdicts.push(match verdict {
                // what other events of a refused request say of themselves is of no use to anyone
                Verdict::Duplicate(_) if refused => Verdict::Withheld,
                verdict => verdict,
            });
        }
    }
    Some(decision)
}

fn has_conflict(request: &AppendRequest, known: &Known<'_>) -> bool {
    let mut own: HashMap<&str, &ContentDigest> = HashMap::new();
    request.events.iter().any(|event| {
        let first = match known.get(&(request.source.as_str(), event.id.as_str())) {
            Some((_, digest)) => digest,
            None => own.entry(event.id.as_str()).or_insert(&event.digest),
        };
        *first != event.digest
    })
}
