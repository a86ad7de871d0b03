use proptest::prelude::*;

use super::*;
use crate::{
    domain::Source,
    ingest::{Fault, request},
    log::{NewEvent, OnConflict},
};

fn json(body: &str) -> Result<Vec<Draft>, ParseError> {
    parse(BodyForm::Json, body.as_bytes(), &Limits::default())
}

fn ndjson(body: &str) -> Result<Vec<Draft>, ParseError> {
    parse(BodyForm::Ndjson, body.as_bytes(), &Limits::default())
}

fn event(body: &str) -> NewEvent {
    let drafts = json(body).expect("valid");
    let mut events = request(Source::new("default"), drafts, OnConflict::Refuse).events;
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// Pointer and code of every fault.
fn faults(result: Result<Vec<Draft>, ParseError>) -> Vec<(String, &'static str)> {
    match result {
        Err(ParseError::Invalid { faults }) => faults.into_iter().map(|Fault { pointer, code, .. }| (pointer, code)).collect(),
        other => panic!("not invalid: {other:?}"),
    }
}

fn malformed(result: Result<Vec<Draft>, ParseError>) -> String {
    match result {
        Err(ParseError::Malformed { detail }) => detail,
        other => panic!("not malformed: {other:?}"),
    }
}

#[test]
fn the_envelope_has_one_order_and_data_is_kept_byte_for_byte() {
    let sent = r#" { "data" : { "z": 1e400, "a": 123456789012345678901234567890, "z": "\ud800 \u0000" },
        "ref": "a#1", "status": "final", "index": {"event": 1, "op": 0}, "tx": {"index": 2, "hash": "h"},
        "block": {"time": "2026-02-22T10:00:00Z", "hash": "b", "height": 9223372036854775807},
        "contract": "C1", "chain": "stellar:pubnet", "time": "2026-02-22T10:00:00+01:00", "key": "\u0073tream/1",
        "topics": ["market.price"], "users": ["GA", "GB", "GA"], "streams": ["1"], "type": "stream.created", "id": "a\"2" } "#;
    let event = event(sent);
    assert_eq!(
        event.envelope.as_str(),
        concat!(
            r#"{"id":"a\"2","source":"default","type":"stream.created","streams":["1"],"users":["GA","GB"],"topics":["market.price"],"#,
            r#""key":"stream/1","time":"2026-02-22T10:00:00+01:00","chain":"stellar:pubnet","contract":"C1","#,
            r#""block":{"height":9223372036854775807,"hash":"b","time":"2026-02-22T10:00:00Z"},"tx":{"hash":"h","index":2},"#,
            r#""index":{"op":0,"event":1},"status":"final","ref":"a#1","#,
            r#""data":{"z":1e400,"a":123456789012345678901234567890,"z":"\ud800 \u0000"}}"#
        )
    );
    assert_eq!(event.keys.users.len(), 2);
}

#[test]
fn absent_null_and_empty_members_are_not_written_but_data_always_is() {
    let event = event(r#"{"type":"t","id":"1","streams":[],"users":null,"block":{"height":null},"ref":null,"status":null}"#);
    assert_eq!(event.envelope.as_str(), r#"{"id":"1","source":"default","type":"t","data":null}"#);
}

#[test]
fn what_ingest_writes_reads_back_from_a_row() {
    use crate::domain::{Event, Seq, Timestamp};
    let event = event(r#"{"type":"t.u","streams":["1"],"users":["G"],"topics":["a.b"],"key":"a, \" \\ é","data":{"n":[1e400,"\ud800"]}}"#);
    let row = Event::from_row(Seq::new(1), Timestamp::now(), event.envelope.as_str().to_owned()).expect("readable");
    assert_eq!((row.keys, row.envelope), (event.keys, event.envelope));
}

#[test]
fn the_digest_is_of_what_was_sent_but_for_whitespace() {
    let digest = |body: &str| event(body).digest;
    let sent = digest(r#"{"id":"1","type":"t","data":{"a": "x y"}}"#);
    assert_eq!(sent, digest("\r\n{\t\"id\" :\"1\",\n\"type\":\"t\",\"data\":{\"a\":\"x y\"} }"));
    for other in [
        r#"{"type":"t","id":"1","data":{"a": "x y"}}"#,
        r#"{"id":"1","type":"t","data":{"a": "x  y"}}"#,
        r#"{"id":"1","type":"t","data":{"a": "x\u0020y"}}"#,
    ] {
        assert_ne!(sent, digest(other), "{other}");
    }
}

#[test]
fn an_id_is_made_once_when_none_is_given() {
    let drafts = json(r#"[{"type":"t"},{"type":"t"}]"#).expect("valid");
    assert_ne!(drafts[0].id(), drafts[1].id());
    let id = drafts[0].id().clone();
    assert_eq!(drafts[0].clone().into_event(&Source::new("s")).id, id);
    assert_eq!(uuid::Uuid::parse_str(id.as_str()).expect("a UUID").get_version_num(), 7);
}

#[test]
fn every_fault_is_named_with_its_pointer() {
    let cases: [(&str, &[(&str, &str)]); 26] = [
        ("1", &[("", "wrong_type")]),
        ("null", &[("", "wrong_type")]),
        ("[]", &[("", "empty")]),
        ("{}", &[("/type", "missing")]),
        (r#"{"type":null}"#, &[("/type", "missing")]),
        (r#"{"type":1}"#, &[("/type", "wrong_type")]),
        (r#"{"type":"hub.live"}"#, &[("/type", "reserved")]),
        (r#"{"type":"error"}"#, &[("/type", "reserved")]),
        (r#"{"type":"a.*"}"#, &[("/type", "invalid")]),
        (r#"{"type":"\ud800"}"#, &[("/type", "invalid")]),
        (r#"{"type":"t","a/b~c":1}"#, &[("/a~1b~0c", "unknown_member")]),
        (r#"{"type":"t","\ud800":1}"#, &[("", "invalid")]),
        (r#"{"type":"t","\u0074ype":"u"}"#, &[("/type", "repeated_member")]),
        (r#"{"type":"t","id":{}}"#, &[("/id", "wrong_type")]),
        (r#"{"type":"t","streams":"1"}"#, &[("/streams", "wrong_type")]),
        (
            r#"{"type":"t","streams":["1",2,"a,b",null]}"#,
            &[("/streams/1", "wrong_type"), ("/streams/2", "invalid"), ("/streams/3", "wrong_type")],
        ),
        (r#"{"type":"t","topics":["a..b"],"users":[""]}"#, &[("/users/0", "invalid"), ("/topics/0", "invalid")]),
        (r#"{"type":"t","block":[]}"#, &[("/block", "wrong_type")]),
        (
            r#"{"type":"t","block":{"height":"1","hash":1,"time":"x","x":1}}"#,
            &[("/block/x", "unknown_member"), ("/block/height", "wrong_type"), ("/block/hash", "wrong_type"), ("/block/time", "invalid")],
        ),
        (r#"{"type":"t","block":{"height":9223372036854775808}}"#, &[("/block/height", "invalid")]),
        (
            r#"{"type":"t","tx":{"index":1.0},"index":{"op":-1,"event":1e2}}"#,
            &[("/tx/index", "invalid"), ("/index/op", "invalid"), ("/index/event", "invalid")],
        ),
        (r#"{"type":"t","status":"done","ref":1,"chain":"x"}"#, &[("/chain", "invalid"), ("/status", "invalid"), ("/ref", "wrong_type")]),
        (r#"{"type":"t","time":"2026-02-22","key":"a\tb"}"#, &[("/key", "invalid"), ("/time", "invalid")]),
        (r#"{"type":"t","seq":1,"source":"s"}"#, &[("/seq", "unknown_member"), ("/source", "unknown_member")]),
        (r#"[{"type":"t"},{"type":"t","key":""},3]"#, &[("/1/key", "invalid"), ("/2", "wrong_type")]),
        (r#"[[{"type":"t"}]]"#, &[("/0", "wrong_type")]),
    ];
    for (body, expected) in cases {
        let found = faults(json(body));
        let found: Vec<(&str, &str)> = found.iter().map(|(pointer, code)| (pointer.as_str(), *code)).collect();
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn nothing_that_could_split_a_frame_or_a_log_line_gets_in() {
    for escape in ["\\r", "\\n", "\\u0000", "\\u0085", "\\u2028", " "] {
        for member in ["id", "type", "ref"] {
            let other = if member == "type" { "" } else { r#","type":"t""# };
            let found = faults(json(&format!(r#"{{"{member}":"a{escape}b"{other}}}"#)));
            assert_eq!(found, [(format!("/{member}"), "invalid")], "{escape}");
        }
        for member in ["streams", "users", "topics"] {
            let found = faults(json(&format!(r#"{{"type":"t","{member}":["a{escape}b"]}}"#)));
            assert_eq!(found, [(format!("/{member}/0"), "invalid")], "{escape}");
        }
    }
}

#[test]
fn selectors_are_counted_together_and_each_once() {
    let ids = |n: usize| (0..n).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(",");
    let body = |streams: usize, users: usize| format!(r#"[{{"type":"t","streams":[{},"0"],"users":[{}]}}]"#, ids(streams), ids(users));
    assert_eq!(json(&body(8, 8)).expect("16 in all")[0].keys().streams.len(), 8);
    assert_eq!(faults(json(&body(8, 9))), [("/0".into(), "too_many")]);
}

#[test]
fn data_may_nest_so_deep_and_no_deeper() {
    let body = |depth: usize| format!(r#"{{"type":"t","data":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(json(&body(64)).is_ok());
    assert_eq!(faults(json(&body(65))), [("/data".into(), "too_deep")]);
    assert_eq!(faults(json(&body(20_000))), [("/data".into(), "too_deep")]);
}

#[test]
fn a_megabyte_of_brackets_is_answered_at_once() {
    let n = 1 << 20;
    for open in ["[", "{\"a\":", "{\"type\":[", "[{\"data\":"] {
        for form in [BodyForm::Json, BodyForm::Ndjson] {
            let body = open.repeat(n / open.len());
            malformed(parse(form, body.as_bytes(), &Limits::default()));
        }
    }
    let closed = format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(matches!(json(&closed), Err(ParseError::TooLarge(Excess::EventBytes { index: 0, .. }))));
    let within = format!(r#"{{"type":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(faults(json(&within)), [("/type".into(), "wrong_type")]);
}

#[test]
fn what_is_no_json_is_told_with_its_line_and_column() {
    assert_eq!(malformed(json("")), "the body is empty");
    assert_eq!(malformed(json(" \n")), "the body is empty");
    assert_eq!(malformed(ndjson("\n\r\n")), "the body is empty");
    assert_eq!(malformed(json("{\"type\":\"t\"}\nx")), "trailing characters at line 2 column 1");
    assert_eq!(malformed(json("[{\"type\":\"t\"},\n oops]")), "expected value at line 2 column 2");
    assert_eq!(malformed(ndjson("{\"type\":\"t\"}\r\n\r\n{\"type\":}\n")), "expected value at line 3 column 9");
    assert_eq!(malformed(parse(BodyForm::Json, b"{\"type\":\"\xff\"}", &Limits::default())), "not UTF-8 from byte 9 on");
    malformed(json("{\"type\":\"t\",\"data\":\"a\nb\"}"));
    malformed(json("{\"type\":\"t\",\"data\":01}"));
}

#[test]
fn lines_are_events_and_blank_ones_are_skipped() {
    let drafts = ndjson("{\"type\":\"a\"}\r\n\n  \r\n{\"type\":\"b\"}").expect("valid");
    let types: Vec<&str> = drafts.iter().map(|draft| draft.keys().event_type.as_str()).collect();
    assert_eq!(types, ["a", "b"]);
    assert_eq!(faults(ndjson("{\"type\":\"a\"}\n\n[]\n{}")), [("/1".into(), "wrong_type"), ("/2/type".into(), "missing")]);
}

#[test]
fn each_limit_is_named_when_it_is_exceeded() {
    let limits = Limits { event_bytes: 100, batch_events: 2, batch_bytes: 400 };
    let excess = |form, body: &str| match parse(form, body.as_bytes(), &limits) {
        Err(ParseError::TooLarge(excess)) => excess,
        other => panic!("not too large: {other:?}"),
    };
    assert_eq!(excess(BodyForm::Json, &" ".repeat(401)), Excess::BatchBytes { max: 400, found: 401 });
    assert_eq!(excess(BodyForm::Json, "[1,2,3,4]"), Excess::BatchEvents { max: 2, found: 4 });
    assert_eq!(excess(BodyForm::Ndjson, "1\n2\n\n3"), Excess::BatchEvents { max: 2, found: 3 });
    let large = format!(r#"[{{"type":"t"}},{{"type":"t","data":"{}"}}]"#, "x".repeat(100));
    assert!(matches!(excess(BodyForm::Json, &large), Excess::EventBytes { index: 1, max: 100, .. }));
    // whitespace is not counted, and what the service adds is
    let data = |n: usize| format!(r#"{{"type":"t","data":"{}"  }}"#, "x".repeat(n));
    assert!(matches!(excess(BodyForm::Json, &data(70)), Excess::EventBytes { .. }));
    assert!(parse(BodyForm::Json, data(20).as_bytes(), &limits).is_ok());
}

#[test]
fn faults_are_bounded() {
    let body = format!("[{}]", vec![r#"{"a":1}"#; 900].join(","));
    assert_eq!(faults(json(&body)).len(), Fault::MAX);
    let name = "n".repeat(40_000);
    assert_eq!(faults(json(&format!(r#"{{"type":"t","{name}":1}}"#))), [(String::new(), "unknown_member")]);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for form in [BodyForm::Json, BodyForm::Ndjson] {
            let _ = parse(form, &body, &Limits::default());
        }
    }

    #[test]
    fn anything_that_looks_like_an_event_is_survived(body in r#"\[?(\{("(id|type|data|block|streams)":("a"|1|null|\[\]|\{\}|\["x",1\]|"\\ud800"),?){0,4}\},?\n?){0,3}\]?"#) {
        for form in [BodyForm::Json, BodyForm::Ndjson] {
            if let Ok(drafts) = parse(form, body.as_bytes(), &Limits::default()) {
                for draft in drafts {
                    let event = draft.into_event(&Source::new("default"));
                    prop_assert!(!event.envelope.as_str().contains(['\n', '\r']));
                }
            }
        }
    }
}
