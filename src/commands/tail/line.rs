//! One event as a line: of JSON for programs, or for people what fits into their window.

use std::{borrow::Cow, io};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::visible::{columns, cut, shortened, visible};
use crate::domain::Timestamp;

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) color: bool,
    pub(super) full: bool,
    pub(super) terminal: bool,
}

/// The envelope with its cursor in front.
pub(super) fn json(cursor: &str, envelope: &str) -> String {
    let cursor = serde_json::Value::from(cursor);
    let line = match envelope.strip_prefix('{') {
        Some(members) if members.trim_start().starts_with('}') => format!("{{\"cursor\":{cursor}}}"),
        Some(members) => format!("{{\"cursor\":{cursor},{members}"),
        // no chaincast service says this
        None => format!("{{\"cursor\":{cursor},\"data\":{envelope}}}"),
    };
    // a line break can only stand between members
    visible(&line.replace(['\n', '\r'], " ")).into_owned() + "\n"
}

/// What a line shows of an envelope.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(default)]
    streams: Vec<String>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    received_at: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Time, type, what it concerns, and data as far as there is room.
pub(super) fn human(look: &Look, event_type: &str, envelope: &str) -> String {
    let Ok(shown) = serde_json::from_str::<Shown<'_>>(envelope) else {
        return format!("{}\n", visible(envelope));
    };
    let time = time(&shown.received_at);
    let name = |name: &str| if look.full { visible(name).into_owned() } else { visible(&shortened(name)).into_owned() };
    let concerns: Vec<String> = [("stream ", &shown.streams), ("user ", &shown.users), ("", &shown.topics)]
        .into_iter()
        .flat_map(|(kind, names)| names.iter().map(move |one| (kind, one)))
        .map(|(kind, one)| if kind.is_empty() { visible(one).into_owned() } else { format!("{kind}{}", name(one)) })
        .chain(shown.status.iter().filter(|status| *status != "confirmed").map(|status| visible(status).to_uppercase()))
        .collect();
    let (event_type, concerns) = (visible(event_type), concerns.join(" · "));
    let mut data = visible(shown.data.get());
    if let Some(width) = look.width() {
        let before = columns(&time) + columns(&event_type) + columns(&concerns) + 6;
        data = Cow::Owned(cut(&data, width.saturating_sub(before).max(MIN_DATA)).into_owned());
    }
    let gap = if concerns.is_empty() { "" } else { "  " };
    if look.color {
        let color = color(&event_type);
        format!("\x1b[2m{time}\x1b[0m  \x1b[1;{color}m{event_type}\x1b[0m  \x1b[36m{concerns}\x1b[0m{gap}{data}\n")
    } else {
        format!("{time}  {event_type}  {concerns}{gap}{data}\n")
    }
}

/// The columns that data gets in any case.
const MIN_DATA: usize = 16;

impl Look {
    /// How wide a line may be; as wide as it likes where nobody looks at it.
    fn width(self) -> Option<usize> {
        if self.full || !self.terminal {
            return None;
        }
        // asked for each line: windows change
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(size.ws_col.into())
    }
}

/// To the millisecond, without its date if that is today's.
fn time(received_at: &str) -> String {
    let today = Timestamp::now().to_string();
    match (received_at.split_once('T'), today.split_once('T')) {
        (Some((date, time)), Some((today, _))) => {
            let time = time.get(..12).unwrap_or(time);
            visible(&if date == today { time.to_owned() } else { format!("{date} {time}") }).into_owned()
        }
        _ => visible(received_at).into_owned(),
    }
}

/// One colour a family of types, the same in each run.
fn color(event_type: &str) -> u8 {
    const COLORS: [u8; 6] = [32, 33, 34, 35, 36, 91];
    let family = event_type.split('.').next().unwrap_or_default();
    let sum = family.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    COLORS[sum % COLORS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: &str = r#"{"seq":3,"id":"a","type":"stream.created","streams":["1"],"users":["GABCDEFGHIJKLMNOPQ"],"status":"final","data":{"memo":"x"},"receivedAt":"2020-02-22T10:00:00.123456Z"}"#;
    const PLAIN: Look = Look { color: false, full: false, terminal: false };

    #[test]
    fn people_see_when_what_whose_and_data() {
        assert_eq!(
            human(&PLAIN, "stream.created", ENVELOPE),
            "2020-02-22 10:00:00.123  stream.created  stream 1 · user GABC…NOPQ · FINAL  {\"memo\":\"x\"}\n"
        );
        let full = human(&Look { full: true, ..PLAIN }, "stream.created", ENVELOPE);
        assert!(full.contains("GABCDEFGHIJKLMNOPQ"), "{full}");
        let colored = human(&Look { color: true, ..PLAIN }, "stream.created", ENVELOPE);
        assert!(colored.contains("\x1b[1;") && colored.ends_with("{\"memo\":\"x\"}\n"), "{colored}");
    }

    #[test]
    fn no_stranger_commands_the_terminal() {
        let evil = ENVELOPE.replace("\"x\"", "\"\u{9b}2J\u{202e}\"").replace("GABCDEFGHIJKLMNOPQ", "\\u001b]0;x\\u0007");
        for line in [human(&PLAIN, "a.b\u{1b}c", &evil), json("e-3", &evil), human(&PLAIN, "a.b", "\u{1b}c no JSON")] {
            assert!(!line.trim_end_matches('\n').contains(char::is_control) && !line.contains('\u{202e}'), "{line:?}");
        }
    }

    #[test]
    fn a_line_of_json_is_the_envelope_with_its_cursor() {
        assert_eq!(json("e-3", "{\"seq\":3}"), "{\"cursor\":\"e-3\",\"seq\":3}\n");
        assert_eq!(json("e-3", "{}"), "{\"cursor\":\"e-3\"}\n");
        assert_eq!(json("e-3", "{\"a\":1,\n\"b\":2}"), "{\"cursor\":\"e-3\",\"a\":1, \"b\":2}\n");
    }
}
