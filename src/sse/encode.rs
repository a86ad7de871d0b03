//! Bytes of events and notices.
//!
//! `id` is the last field of a block, because some clients store it before they have seen the data; no block is without data, because several
//! clients hand such a block on. Data is one line: envelopes hold no newline outside strings, and none inside, where JSON escapes them.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    domain::{Cursor, Filter, Gap},
    hub::{CloseReason, Encoded, Form, Frame, Notice},
};

/// What `data:` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Shape {
    /// The envelope, with seq and time.
    #[default]
    Envelope,
    /// Only the event's own data.
    Data,
}

/// Whether blocks have an `event:` field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Names {
    /// Yes: `addEventListener('stream.created', …)`.
    #[default]
    On,
    /// No: everything reaches `onmessage`. Notices then carry their name as `type` in their data.
    Off,
}

/// How one connection wants its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// What `data:` holds.
    pub shape: Shape,
    /// Whether there is an `event:` field.
    pub names: Names,
}

impl Style {
    /// The frame's slot for this style.
    #[must_use]
    pub const fn form(self) -> Form {
        let shape = matches!(self.shape, Shape::Data) as u8;
        let names = matches!(self.names, Names::Off) as u8;
        Form::new(shape | names << 1)
    }
}

/// A block with HTTP/1.1 chunk framing around it (RFC 9112 §7.1).
pub(super) fn chunked(block: &str) -> Encoded {
    let mut framed = String::with_capacity(block.len() + 12);
    // writing to a String cannot fail
    let _ = write!(framed, "{:x}\r\n", block.len());
    let start = framed.len();
    framed.push_str(block);
    let end = framed.len();
    framed.push_str("\r\n");
    Encoded { framed: Bytes::from(framed), bare: start..end }
}

/// One event as a block.
#[must_use]
pub fn event_block(frame: &Frame, style: Style) -> String {
    let event = frame.event();
    let mut block = String::with_capacity(frame.weight() + 160);
    if style.names == Names::On {
        let _ = writeln!(block, "event: {}", event.keys.event_type);
    }
    block.push_str("data: ");
    match style.shape {
        Shape::Envelope => block.push_str(&event.to_json()),
        Shape::Data => block.push_str(event.envelope.data()),
    }
    let _ = write!(block, "\nid: {}\n\n", frame.cursor());
    block
}

/// A notice as a block; the heartbeat is a lone comment line and no block at all.
pub(super) fn notice_block(notice: &Notice<'_>, style: Style, connection: &str) -> String {
    let mut text = String::new();
    let (name, mut data, id) = match notice {
        Notice::Heartbeat => return ":\n".to_owned(),
        Notice::Open { cursor, settled, head, filter, retry } => {
            let _ = writeln!(text, "retry: {retry}");
            let data =
                json!({"connection": connection, "cursor": cursor.to_string(), "head": head.to_string(), "filter": filter_json(filter)});
            ("hub.open", data, settled.then_some(*cursor))
        }
        Notice::Live { cursor, replayed } => ("hub.live", json!({"cursor": cursor.to_string(), "replayed": replayed}), Some(*cursor)),
        Notice::Gap(gap) => ("hub.gap", gap_json(gap), Some(gap.resumed)),
        Notice::Moved(cursor) => ("hub.cursor", json!({"cursor": cursor.to_string()}), Some(*cursor)),
        Notice::Expiring { time, seconds } => ("hub.expiring", json!({"expiresAt": time.to_string(), "seconds": seconds}), None),
        Notice::Closing { reason, retry } => {
            let _ = writeln!(text, "retry: {retry}");
            ("hub.closing", json!({"reason": reason.as_str()}), None)
        }
    };
    match style.names {
        Names::On => {
            let _ = writeln!(text, "event: {name}");
        }
        Names::Off => {
            if let Some(members) = data.as_object_mut() {
                members.insert("type".to_owned(), name.into());
            }
        }
    }
    let _ = writeln!(text, "data: {data}");
    if let Some(cursor) = id {
        write_id(&mut text, cursor);
    }
    text.push('\n');
    text
}

fn write_id(text: &mut String, cursor: Cursor) {
    let _ = writeln!(text, "id: {cursor}");
}

/// A whole answer for someone who can't be served now but may come back: EventSource gives up for good on any status but 200.
#[must_use]
pub fn refusal(reason: CloseReason, retry: u32, style: Style) -> String {
    notice_block(&Notice::Closing { reason, retry }, style, "")
}

fn gap_json(gap: &Gap) -> serde_json::Value {
    json!({"reason": gap.reason.as_str(), "requested": gap.requested.to_string(), "resumed": gap.resumed.to_string(), "lost": gap.lost})
}

fn filter_json(filter: &Filter) -> serde_json::Value {
    fn texts<T: ToString>(items: &[T]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }
    let parts = filter.parts();
    let mut members = serde_json::Map::new();
    if parts.all {
        members.insert("all".to_owned(), true.into());
    }
    for (name, list) in [
        ("streams", texts(&parts.streams)),
        ("users", texts(&parts.users)),
        ("topics", texts(&parts.topics)),
        ("types", texts(&parts.types)),
    ] {
        if !list.is_empty() {
            members.insert(name.to_owned(), list.into());
        }
    }
    members.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Epoch, Event, Seq, Timestamp};

    fn frame(envelope: &str) -> std::sync::Arc<Frame> {
        let event = Event::from_row(Seq::new(18), Timestamp::from_micros(0), envelope.to_owned()).expect("well formed");
        Frame::new(event, Epoch::new(0x7c1f_9a02), None)
    }

    #[test]
    fn a_block_ends_with_its_id_and_chunk_framing_wraps_it() {
        let frame = frame(r#"{"id":"a","type":"x.y","data":{"k":1}}"#);
        let block = event_block(&frame, Style::default());
        assert_eq!(
            block,
            "event: x.y\ndata: {\"seq\":18,\"id\":\"a\",\"type\":\"x.y\",\"data\":{\"k\":1},\"receivedAt\":\"1970-01-01T00:00:00.000000Z\"}\nid: 7c1f9a02-18\n\n"
        );
        let encoded = chunked(&block);
        assert_eq!(&encoded.framed[encoded.bare.clone()], block.as_bytes());
        assert_eq!(encoded.framed, format!("{:x}\r\n{block}\r\n", block.len()));
    }

    #[test]
    fn styles_choose_what_is_written() {
        let frame = frame(r#"{"id":"a","type":"x.y","data":{"k":1}}"#);
        let style = Style { shape: Shape::Data, names: Names::Off };
        assert_eq!(event_block(&frame, style), "data: {\"k\":1}\nid: 7c1f9a02-18\n\n");
        let forms = [Shape::Envelope, Shape::Data].map(|shape| [Names::On, Names::Off].map(|names| Style { shape, names }.form()));
        assert!(forms[0][0] != forms[0][1] && forms[0][0] != forms[1][0] && forms[1][0] != forms[1][1]);
    }

    #[test]
    fn a_notice_without_names_says_its_type_and_a_closing_has_no_id() {
        let style = Style { names: Names::Off, ..Style::default() };
        assert_eq!(
            refusal(CloseReason::Overloaded, 2500, style),
            "retry: 2500\ndata: {\"reason\":\"overloaded\",\"type\":\"hub.closing\"}\n\n"
        );
        assert_eq!(
            refusal(CloseReason::Draining, 1, Style::default()),
            "retry: 1\nevent: hub.closing\ndata: {\"reason\":\"draining\"}\n\n"
        );
        assert_eq!(notice_block(&Notice::Heartbeat, style, ""), ":\n");
        let expiring = Notice::Expiring { time: Timestamp::from_micros(1_771_754_400_000_000), seconds: 60 };
        assert_eq!(
            notice_block(&expiring, Style::default(), ""),
            "event: hub.expiring\ndata: {\"expiresAt\":\"2026-02-22T10:00:00.000000Z\",\"seconds\":60}\n\n"
        );
    }
}
