//! One event as a line: of JSON for programs, or for people what fits into their window.

use std::{borrow::Cow, io};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::visible::{columns, cut, shortened, visible};

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) color: bool,
    pub(super) full: bool,
    pub(super) terminal: bool,
    pub(super) cursors: bool,
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

/// Time, type, what it concerns, and data as far as there is room; on a terminal behind a line with the day, where that is not `day` any more.
pub(super) fn human(look: &Look, day: &mut Option<String>, cursor: &str, event_type: &str, envelope: &str) -> String {
    let Ok(shown) = serde_json::from_str::<Shown<'_>>(envelope) else {
        return format!("{}\n", visible(envelope));
    };
    let (date, time) = time(&shown.received_at);
    let mut heading = String::new();
    let time = match date {
        // whoever looks for a line among others needs all of its time
        Some(date) if !look.terminal => format!("{date} {time}Z"),
        Some(date) if day.as_ref() != Some(&date) => {
            heading = format!("— {date} UTC —\n");
            *day = Some(date);
            time
        }
        _ => time,
    };
    let cursor = if look.cursors { format!("  {}", visible(cursor)) } else { String::new() };
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
        let before = columns(&time) + columns(&event_type) + columns(&concerns) + columns(&cursor) + 6;
        data = Cow::Owned(cut(&data, width.saturating_sub(before).max(MIN_DATA)).into_owned());
    }
    let gap = if concerns.is_empty() { "" } else { "  " };
    if look.color {
        let color = color(&event_type);
        let cursor = if look.cursors { format!("\x1b[2m{cursor}\x1b[0m") } else { cursor };
        format!("{heading}\x1b[2m{time}\x1b[0m  \x1b[1;{color}m{event_type}\x1b[0m  \x1b[36m{concerns}\x1b[0m{gap}{data}{cursor}\n")
    } else {
        format!("{heading}{time}  {event_type}  {concerns}{gap}{data}{cursor}\n")
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

/// The day, where there is one, and the time to the millisecond, both in UTC.
fn time(received_at: &str) -> (Option<String>, String) {
    match received_at.split_once('T') {
        Some((date, time)) => {
            let time = time.get(..12).unwrap_or(time);
            (Some(visible(date).into_owned()), visible(time).into_owned())
        }
        None => (None, visible(received_at).into_owned()),
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
    const PLAIN: Look = Look { color: false, full: false, terminal: false, cursors: false };

    fn shown(look: &Look, event_type: &str, envelope: &str) -> String {
        human(look, &mut None, "e-3", event_type, envelope)
    }

    #[test]
    fn people_see_when_what_whose_and_data() {
        assert_eq!(
            shown(&PLAIN, "stream.created", ENVELOPE),
            "2020-02-22 10:00:00.123Z  stream.created  stream 1 · user GABC…NOPQ · FINAL  {\"memo\":\"x\"}\n"
        );
        let full = shown(&Look { full: true, ..PLAIN }, "stream.created", ENVELOPE);
        assert!(full.contains("GABCDEFGHIJKLMNOPQ"), "{full}");
        let colored = shown(&Look { color: true, ..PLAIN }, "stream.created", ENVELOPE);
        assert!(colored.contains("\x1b[1;") && colored.ends_with("{\"memo\":\"x\"}\n"), "{colored}");
    }

    #[test]
    fn a_terminal_shows_each_day_once_and_a_cursor_where_it_is_asked_for() {
        let look = Look { terminal: true, full: true, cursors: true, ..PLAIN };
        let mut day = None;
        let first = human(&look, &mut day, "e-3", "stream.created", ENVELOPE);
        assert!(first.starts_with("— 2020-02-22 UTC —\n10:00:00.123  stream.created") && first.ends_with("}  e-3\n"), "{first}");
        assert!(human(&look, &mut day, "e-4", "a.b", ENVELOPE).starts_with("10:00:00.123  a.b"));
        let next = human(&look, &mut day, "e-5", "a.b", &ENVELOPE.replace("02-22T", "02-23T"));
        assert!(next.starts_with("— 2020-02-23 UTC —\n"), "{next}");
    }

    #[test]
    fn no_stranger_commands_the_terminal() {
        let evil = ENVELOPE.replace("\"x\"", "\"\u{9b}2J\u{202e}\"").replace("GABCDEFGHIJKLMNOPQ", "\\u001b]0;x\\u0007");
        for line in [shown(&PLAIN, "a.b\u{1b}c", &evil), json("e-3", &evil), shown(&PLAIN, "a.b", "\u{1b}c no JSON")] {
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
