//! The ledger against transcripts and logs that are wrong on purpose: a checker that never fails checks nothing.

use serde_json::{Value, json};

use super::{
    ledger::{Log, Told, judge_log},
    record::{Logged, Record},
    transcript::judge_transcript,
    verdict::Verdict,
};
use crate::support::sse_parser::Frame;

const OLD: &str = "7c1f9a02";
const NEW: &str = "00c0ffee";

/// Events `first..=last` of streams 0 and 1 in turn; those behind the fork differ between histories.
fn record(numberings: &[(&str, u64)], last: u64, history: &str, fork: u64) -> Record {
    let logged = |seq: u64| {
        let history = if seq > fork { history } else { "" };
        let envelope = format!(r#"{{"id":"{history}e{seq}","type":"a.b","streams":["{}"],"data":null}}"#, seq % 2);
        (seq, Logged::new(seq, 1_770_000_000_000_001, &envelope))
    };
    let numberings = numberings.iter().map(|&(epoch, first)| (epoch.to_owned(), first)).collect();
    Record { earliest: 1, numberings, events: (1..=last).map(logged).collect() }
}

fn whole() -> Log {
    Log::whole(record(&[(OLD, 1)], 8, "", 8))
}

/// The old history had 9, the replica 4, the new one has 8.
fn forked() -> Log {
    Log { now: record(&[(OLD, 1), (NEW, 5)], 8, "new-", 4), gone: Some(record(&[(OLD, 1)], 9, "old-", 4)) }
}

fn event(record: &Record, epoch: &str, seq: u64) -> Frame {
    Frame { event: Some("a.b".into()), data: record.events[&seq].text.clone(), id: Some(format!("{epoch}-{seq}")), retry: None }
}

fn cursor(epoch: &str, seq: u64) -> Frame {
    let id = format!("{epoch}-{seq}");
    Frame { event: Some("hub.cursor".into()), data: id.clone(), id: Some(id), retry: None }
}

fn gap(reason: &str, requested: &str, resumed: &str, lost: u64) -> Frame {
    let data = json!({"reason": reason, "requested": requested, "resumed": resumed, "lost": lost}).to_string();
    Frame { event: Some("hub.gap".into()), data, id: Some(resumed.to_owned()), retry: None }
}

/// What a subscriber of stream 1 was sent from the start, with these changes.
fn odd(change: impl FnOnce(&mut Vec<Frame>, &Record)) -> Verdict {
    let log = whole();
    let mut transcript = vec![cursor(OLD, 0)];
    transcript.extend([1, 3, 5, 7].map(|seq| event(&log.now, OLD, seq)));
    change(&mut transcript, &log.now);
    judge_transcript(&log, "streams=1", &transcript)
}

fn sums(verdict: &Verdict) -> [usize; 6] {
    [verdict.delivered, verdict.lost, verdict.repeated, verdict.out_of_order, verdict.foreign, verdict.told_wrong]
}

#[test]
fn exactly_the_matching_events_are_clean() {
    let verdict = odd(|_, _| {});
    assert_eq!((sums(&verdict), verdict.is_clean()), ([4, 0, 0, 0, 0, 0], true), "{verdict:?}");
    let from_three = odd(|transcript, _| drop(transcript.splice(..3, [cursor(OLD, 4)])));
    assert_eq!(sums(&from_three), [2, 0, 0, 0, 0, 0], "who began later is owed less: {from_three:?}");
    let with_cursors = odd(|transcript, _| transcript.extend([cursor(OLD, 8), cursor(OLD, 8)]));
    assert!(with_cursors.is_clean(), "{with_cursors:?}");
}

#[test]
fn a_lost_event_is_found_in_the_middle_at_the_end_and_behind_a_cursor() {
    for (what, verdict) in [
        ("in the middle", odd(|transcript, _| drop(transcript.remove(2)))),
        ("at the end", odd(|transcript, _| drop(transcript.pop()))),
        ("overtaken", odd(|transcript, _| transcript[4] = cursor(OLD, 7))),
    ] {
        assert_eq!(sums(&verdict), [3, 1, 0, 0, 0, 0], "{what}: {verdict:?}");
    }
    assert_eq!(judge_transcript(&whole(), "streams=1", &[]).lost, 1, "one that never heard of anything has nothing to be held against");
}

#[test]
fn a_repeated_event_is_found_next_to_itself_and_later() {
    for at in [2, 5] {
        let verdict = odd(|transcript, log| transcript.insert(at, event(log, OLD, 1)));
        assert_eq!(sums(&verdict), [4, 0, 1, 0, 0, 0], "{verdict:?}");
    }
}

#[test]
fn a_reordered_event_and_a_cursor_that_goes_back_are_found() {
    let swapped = odd(|transcript, _| transcript.swap(2, 3));
    assert_eq!(sums(&swapped), [4, 0, 0, 1, 0, 0], "{swapped:?}");
    let back = odd(|transcript, _| transcript.push(cursor(OLD, 2)));
    assert_eq!(sums(&back), [4, 0, 0, 1, 0, 0], "{back:?}");
}

#[test]
fn a_foreign_event_is_found_whatever_is_foreign_about_it() {
    let foreign = |alien: fn(&Record) -> Frame| odd(|transcript, log| transcript.insert(2, alien(log)));
    for (what, verdict) in [
        ("the filter", foreign(|log| event(log, OLD, 2))),
        ("the bytes", foreign(|log| Frame { data: event(log, OLD, 3).data.replace("null", " null"), ..event(log, OLD, 3) })),
        ("the name", foreign(|log| Frame { event: Some("a.c".into()), ..event(log, OLD, 3) })),
        ("the seq", foreign(|log| Frame { id: Some(format!("{OLD}-99")), ..event(log, OLD, 3) })),
        ("the numbering", foreign(|log| event(log, "99999999", 3))),
    ] {
        assert_eq!(sums(&verdict), [4, 0, 0, 0, 1, 0], "{what}: {verdict:?}");
    }
}

#[test]
fn only_what_the_log_has_trimmed_may_be_told_as_trimmed() {
    let told = |earliest: u64, gap: Frame| {
        let mut log = whole();
        log.now.earliest = earliest;
        let transcript = [cursor(OLD, 0), event(&log.now, OLD, 1), gap, event(&log.now, OLD, 5), event(&log.now, OLD, 7)];
        judge_transcript(&log, "streams=1", &transcript)
    };
    let right = gap("trimmed", &format!("{OLD}-1"), &format!("{OLD}-4"), 3);
    let verdict = told(5, right.clone());
    assert_eq!((sums(&verdict), verdict.told_trimmed), ([3, 0, 0, 0, 0, 0], 1), "{verdict:?}");
    assert_eq!(told(4, right).told_wrong, 1, "4 is still there");
    assert_eq!(told(5, gap("trimmed", &format!("{OLD}-1"), &format!("{OLD}-4"), 4)).told_wrong, 1, "a wrong count");
    assert_eq!(told(5, gap("rewound", &format!("{OLD}-1"), &format!("{OLD}-4"), 3)).told_wrong, 1, "a wrong reason");
    let silent = told(5, cursor(OLD, 4));
    assert_eq!(silent.lost, 1, "nobody was told: {silent:?}");
}

#[test]
fn a_prefix_of_the_old_history_then_a_rewind_then_the_new_history_is_clean_and_nothing_else_is() {
    let log = forked();
    let gone = log.gone.as_ref().expect("forked");
    let old = |last: u64| [1, 3, 5, 7, 9].into_iter().filter(move |seq| *seq <= last).map(|seq| event(gone, OLD, seq));
    let new = || [5, 7].map(|seq| event(&log.now, NEW, seq));
    let rewound = |at: u64| gap("rewound", &format!("{OLD}-{at}"), &format!("{NEW}-4"), at - 4);
    let judge = |frames: Vec<Frame>| judge_transcript(&log, "streams=1", &[vec![cursor(OLD, 0)], frames].concat());

    let above = judge(old(7).chain([rewound(7)]).chain(new()).collect());
    assert_eq!((sums(&above), above.told_rewound), ([6, 0, 0, 0, 0, 0], 1), "{above:?}");
    let past_unmatched = judge(old(7).chain([rewound(8)]).chain(new()).collect());
    assert!(past_unmatched.is_clean(), "{past_unmatched:?}");
    let below = judge(old(3).chain(new()).collect());
    assert_eq!((sums(&below), below.told_rewound), ([4, 0, 0, 0, 0, 0], 0), "{below:?}");

    let silent = judge(old(7).chain(new()).collect());
    assert!(silent.foreign > 0, "nobody told: {silent:?}");
    let holed = judge(old(9).filter(|frame| frame.id_seq() != Some(7)).chain([rewound(9)]).chain(new()).collect());
    assert_eq!(holed.lost, 1, "no prefix of the old history: {holed:?}");
    let mixed = judge(old(7).chain([rewound(7)]).chain([event(gone, NEW, 5), event(&log.now, NEW, 7)]).collect());
    assert_eq!((mixed.foreign, mixed.lost), (1, 1), "an event that is void under a new number: {mixed:?}");
    let late = judge(old(7).chain([rewound(7)]).chain(new()).chain([event(gone, OLD, 9)]).collect());
    assert!(late.foreign > 0, "back to what is void: {late:?}");
    for wrong in [
        gap("rewound", &format!("{OLD}-7"), &format!("{NEW}-4"), 4),
        gap("rewound", &format!("{OLD}-7"), &format!("{NEW}-6"), 1),
        gap("trimmed", &format!("{OLD}-7"), &format!("{NEW}-4"), 3),
        gap("rewound", &format!("{OLD}-3"), &format!("{NEW}-4"), 1),
    ] {
        let verdict = judge(old(7).chain([wrong.clone()]).chain(new()).collect());
        assert_eq!(verdict.told_wrong, 1, "{wrong:?}: {verdict:?}");
    }
    let void_at_the_end = judge(old(7).collect());
    assert!(!void_at_the_end.is_clean(), "{void_at_the_end:?}");
}

#[test]
fn the_log_is_held_against_what_was_acknowledged_and_published() {
    let log = whole();
    let published = |log: &Log| -> std::collections::HashMap<String, Value> {
        let id = |event: &Logged| event.value["id"].as_str().expect("an id").to_owned();
        log.now.events.values().map(|event| (id(event), json!({"id": id(event), "type": "a.b"}))).collect()
    };
    let told = |cursors: &[(&str, &str)]| Told {
        published: published(&log),
        acknowledged: cursors.iter().map(|(id, at)| ((*id).to_owned(), format!("{OLD}-{at}"))).collect(),
        refused: 0,
    };
    assert!(judge_log(&log, &told(&[("e1", "1"), ("e8", "8")])).is_clean());
    assert_eq!(judge_log(&log, &told(&[("e1", "2")])).lost, 1, "another event stands there");
    assert_eq!(judge_log(&log, &told(&[("e9", "9")])).lost, 1, "nothing stands there");
    let nobody = Told { published: Default::default(), ..told(&[]) };
    assert_eq!(judge_log(&log, &nobody).foreign, 8);
    let mut twice = whole();
    let again = twice.now.events[&7].clone();
    twice.now.events.insert(8, again);
    assert_eq!(judge_log(&twice, &told(&[])).repeated, 1);
    let mut holed = whole();
    holed.now.events.remove(&4);
    assert_eq!(judge_log(&holed, &told(&[])).lost, 1);

    let forked = forked();
    let told =
        |at: &str| Told { acknowledged: [("old-e6".to_owned(), format!("{OLD}-{at}"))].into(), published: published(&forked), refused: 0 };
    let verdict = judge_log(&forked, &told("6"));
    assert_eq!((verdict.lost, verdict.lost_by_store), (0, 1), "the replica lacked it");
    assert_eq!(judge_log(&forked, &told("7")).lost, 1, "not even the old history has it there");
}
