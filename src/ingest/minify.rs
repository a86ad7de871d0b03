//! JSON text without whitespace outside strings, and how deep it nests: two loops over bytes that never interpret a value.
//!
//! Everything else stays as it came (`1e400`, integers of twenty digits, `\u0000`, repeated names), because a value that is re-typed is
//! a value that is changed, and a digest over it would change with the parser. Both expect valid JSON and merely copy what isn't.

/// `json` without whitespace outside strings.
pub(super) fn minify(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut inside = Strings::default();
    let mut run = 0;
    for (at, byte) in json.bytes().enumerate() {
        let whitespace = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        if !inside.step(byte) && whitespace {
            // whitespace is ASCII, so both ends of a run are char boundaries
            out.push_str(&json[run..at]);
            run = at + 1;
        }
    }
    out.push_str(&json[run..]);
    out
}

/// Whether arrays and objects lie in each other more than `max` deep.
pub(super) fn nests_deeper_than(json: &str, max: usize) -> bool {
    let mut inside = Strings::default();
    let mut depth = 0_usize;
    for byte in json.bytes() {
        if inside.step(byte) {
            continue;
        }
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

/// Follows where strings begin and end.
#[derive(Default)]
struct Strings {
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// Takes the next byte; whether it belongs to a string, quotes included.
    fn step(&mut self, byte: u8) -> bool {
        if !self.inside {
            self.inside = byte == b'"';
            return self.inside;
        }
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.inside = false,
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[ \\t\\r\\n\"\\\\{}\\[\\],:]*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_json_says_stays_and_whitespace_between_goes(value in json()) {
            let pretty = serde_json::to_string_pretty(&value).expect("encodes").replace('\n', "\r\n\t");
            let minified = minify(&pretty);
            prop_assert_eq!(&minified, &serde_json::to_string(&value).expect("encodes"));
            prop_assert_eq!(serde_json::from_str::<Value>(&minified).expect("still JSON"), value);
            prop_assert!(!minified.contains(['\n', '\r']));
            prop_assert_eq!(minify(&minified), minified);
        }

        #[test]
        fn any_text_is_survived(text in any::<String>()) {
            let minified = minify(&text);
            prop_assert_eq!(minify(&minified), minified);
            let _ = nests_deeper_than(&text, 3);
        }
    }

    #[test]
    fn every_byte_that_is_no_whitespace_is_kept() {
        let odd = "{ \"a\" : 1e400 ,\r\n\t\"a\" : 123456789012345678901234567890, \"s p\\\" ace\\\\\" : \" \\u0000\\ud800 é \" }";
        assert_eq!(minify(odd), "{\"a\":1e400,\"a\":123456789012345678901234567890,\"s p\\\" ace\\\\\":\" \\u0000\\ud800 é \"}");
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert!(!nests_deeper_than("[[\"[[[[\"],{}]", 2));
        assert!(nests_deeper_than("[[{}]]", 2));
        assert!(nests_deeper_than(&"[".repeat(1 << 20), 64));
    }
}
