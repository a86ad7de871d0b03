//! What strangers send: the query parser, each ingest format and the frame encoder, fed with texts that are nearly right, for a bounded time.
//!
//! Each target runs for `CHAINCAST_TEST_FUZZ_SECONDS` (2 unless set; `just fuzz 60` for longer). A failure is shrunk and printed as the input that shows it.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use actix_web::http::header::HeaderMap;
use chaincast::{
    domain::{Epoch, Event, Filter, Seq, Source, Timestamp},
    http::query::{FollowQuery, HistoryQuery},
    hub::Frame,
    ingest::{self, BodyForm, Limits},
    log::OnConflict,
    sse::{Names, Shape, Style, event_block},
};
use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::Value;

use crate::support::sse_parser::{Item, SseParser};

/// Whether an input got past the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

/// Tries inputs until the time is over; a target that refuses nearly all of them would show nothing.
fn fuzz<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> Result<Taken, TestCaseError>) {
    let taken = Cell::new(0);
    let seconds = std::env::var("CHAINCAST_TEST_FUZZ_SECONDS").map_or(2, |text| text.parse().expect("a number of seconds"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut cases = 0;
    while cases == 0 || Instant::now() < until {
        // rounds of their own seed, since a runner has a number of cases and no clock
        let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
        let tried = runner.run(strategy, |input| {
            taken.set(taken.get() + u32::from(test(input)? == Taken::Yes));
            Ok(())
        });
        if let Err(error) = tried {
            panic!("{error}");
        }
        cases += 128;
    }
    println!("{cases} cases, {} taken", taken.get());
    assert!(taken.get() * 50 > cases, "only {} of {cases} were taken", taken.get());
}

/// A text that a parser has to think about.
fn awkward_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9._:#-]{0,12}",
        2 => ".{0,16}",
        1 => select(vec!["\n", "\r\n\r\n", "\u{0}", "\u{2028}", "data: x\n\nevent: hub.gap", "\u{feff}", "\u{1f600}", "é", "\"", "\\", "a,b", "*", "**", "hub.live"])
            .prop_map(str::to_owned),
    ]
}

/// Any JSON, deep and strange, but valid.
fn json() -> impl Strategy<Value = String> {
    let number = select(vec!["0", "-0", "1e400", "123456789012345678901234567890", "0.1", "1E-7", "18446744073709551616"]);
    let leaf = prop_oneof![
        select(vec!["null", "true", "false"]).prop_map(str::to_owned),
        number.prop_map(str::to_owned),
        awkward_text().prop_map(|text| Value::from(text).to_string()),
        select(vec![r#""\ud800""#, r#""\u0000""#, r#""\u000a\u000a""#, r#""\/""#]).prop_map(str::to_owned),
    ];
    let space = || select(vec!["", "", " ", "\n", "\t\r\n "]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let name = awkward_text().prop_map(|text| Value::from(text).to_string());
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), space()).prop_map(|(items, space)| format!("[{space}{}]", items.join(","))),
            (prop::collection::vec((name, inner), 0..4), space()).prop_map(|(members, space)| {
                let members: Vec<String> = members.into_iter().map(|(name, value)| format!("{name}{space}:{value}")).collect();
                format!("{{{}{space}}}", members.join(","))
            }),
        ]
    })
}

/// An object that is nearly an event, or one.
fn event() -> impl Strategy<Value = String> {
    let strings = |names: Vec<&'static str>| {
        (select(names), prop::collection::vec("[a-z0-9.]{1,9}", 0..3))
            .prop_map(|(name, items)| format!("\"{name}\":{}", Value::from(items)))
    };
    let member = prop_oneof![
        3 => strings(vec!["streams", "users", "topics"]),
        2 => json().prop_map(|data| format!("\"data\":{data}")),
        2 => awkward_text().prop_map(|id| format!("\"id\":{}", Value::from(id))),
        1 => (select(vec!["time", "chain", "contract", "key", "status", "ref", "block", "tx", "index", "streams", "extra"]), json())
            .prop_map(|(name, value)| format!("\"{name}\":{value}")),
        1 => select(vec![r#""time":"2026-02-22T10:00:00Z""#, r#""block":{"height":1,"hash":"0x0"}"#, r#""status":"final""#]).prop_map(str::to_owned),
    ];
    let kind = prop_oneof![8 => "[a-z]{1,6}(\\.[a-z]{1,6}){0,2}", 1 => awkward_text()];
    (kind, prop::collection::vec(member, 0..5)).prop_map(|(kind, members)| {
        let members: String = members.iter().map(|member| format!(",{member}")).collect();
        format!("{{\"type\":{}{members}}}", Value::from(kind))
    })
}

/// `text` with some bytes cut, doubled or changed.
fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((any::<Index>(), 0..4_u8, any::<u8>()), 0..4);
    (text, damage).prop_map(|(text, damage)| {
        let mut bytes = text.into_bytes();
        for (at, kind, byte) in damage {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, byte),
                2 => bytes[at] = byte,
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

/// Whatever is accepted can be stored, read back, and written as exactly one block in every style, by the HTML Standard's own rules.
fn accepts_only_what_can_be_told(form: BodyForm, body: &[u8]) -> Result<Taken, TestCaseError> {
    let limits = Limits { event_bytes: 4096, batch_events: 8, batch_bytes: 16 * 1024 };
    let Ok(drafts) = ingest::parse(form, body, &limits) else { return Ok(Taken::No) };
    let request = ingest::request(Source::new("fuzz"), drafts, OnConflict::Refuse);
    prop_assert!(!request.events.is_empty() && request.events.len() <= limits.batch_events);
    for new in request.events {
        let row = new.envelope.as_str().to_owned();
        let event = Event::from_row(Seq::new(7), Timestamp::from_micros(1), row).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&event.keys, &new.keys);
        told_as_one_block(event)?;
    }
    Ok(Taken::Yes)
}

fn told_as_one_block(event: Event) -> Result<(), TestCaseError> {
    let (kind, data) = (event.keys.event_type.clone(), event.envelope.data().to_owned());
    let frame = Frame::new(event, Epoch::new(9), None);
    for shape in [Shape::Envelope, Shape::Data] {
        for names in [Names::On, Names::Off] {
            let block = event_block(&frame, Style { shape, names });
            let mut parser = SseParser::default();
            let mut items = Vec::new();
            parser.feed(block.as_bytes(), &mut items).map_err(TestCaseError::fail)?;
            let [Item::Frame(told)] = &items[..] else { return Err(TestCaseError::fail(format!("{items:?} from {block:?}"))) };
            prop_assert_eq!(told.id.as_deref(), Some("00000009-7"));
            prop_assert_eq!(told.event.as_deref(), (names == Names::On).then_some(kind.as_str()));
            match shape {
                Shape::Data => prop_assert_eq!(&told.data, &data),
                Shape::Envelope => prop_assert!(told.data.contains(&format!("\"data\":{data}")), "{}", told.data),
            }
        }
    }
    Ok(())
}

#[test]
fn fuzz_an_event_as_json() {
    let one = prop_oneof![event(), prop::collection::vec(event(), 0..4).prop_map(|events| format!("[{}]", events.join(",")))];
    fuzz(&damaged(one), |body| accepts_only_what_can_be_told(BodyForm::Json, &body));
}

#[test]
fn fuzz_events_as_lines() {
    let lines = prop::collection::vec(event().prop_map(|event| event.replace('\n', " ")), 0..4).prop_map(|events| events.join("\n"));
    fuzz(&damaged(lines), |body| accepts_only_what_can_be_told(BodyForm::Ndjson, &body));
}

#[test]
fn fuzz_the_frame_encoder_with_whole_events() {
    fuzz(&event(), |body| accepts_only_what_can_be_told(BodyForm::Json, body.as_bytes()));
}

#[test]
fn fuzz_the_query_parser() {
    let names = vec![
        "streams",
        "users",
        "topics",
        "types",
        "all",
        "last_event_id",
        "lastEventId",
        "since",
        "on_gap",
        "shape",
        "names",
        "limit",
        "token",
        "ticket",
        "tenant",
        "reason",
        "x",
    ];
    let value = prop_oneof![
        "[a-zA-Z0-9.,*%+_-]{0,16}",
        "(%[0-9a-fA-F]{0,2}){0,4}",
        select(vec!["true", "earliest", "now", "7c1f9a02-18", "**"]).prop_map(str::to_owned),
        ".{0,8}"
    ];
    let strange = (select(names), value).prop_map(|(name, value)| format!("{name}={value}"));
    let selectors = (select(vec!["streams", "users", "topics", "types"]), "[a-z0-9.]{1,3}(%2[eE]\\*|\\.\\*\\*)?(,[a-z]{1,3}){0,2}");
    let usual = selectors.prop_map(|(name, value)| format!("{name}={value}"));
    let pair = prop_oneof![6 => usual, 1 => select(vec!["all=true", "shape=data", "names=off", "last_event_id=now"]).prop_map(str::to_owned), 1 => strange];
    let query = prop::collection::vec(pair, 0..5).prop_map(|pairs| pairs.join("&"));
    fuzz(&query, |query| {
        let headers = HeaderMap::new();
        let _ = HistoryQuery::parse(&query, &headers, 8);
        let Ok(asked) = FollowQuery::parse(&query, &headers, 8) else { return Ok(Taken::No) };
        // what is accepted says what it asks for: the same parts make the same filter
        let again = Filter::new(asked.filter.parts(), 8).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(again, asked.filter);
        Ok(Taken::Yes)
    });
}
