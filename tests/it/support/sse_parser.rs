//! The event stream format of the HTML Standard §9.2.5–9.2.6, incremental, and stricter than a browser about what a service may send.

use serde_json::Value;

/// One dispatched block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The `event` field; a browser reads its absence as `message`.
    pub(crate) event: Option<String>,
    /// The `data` lines, joined by newlines.
    pub(crate) data: String,
    /// The `id` field.
    pub(crate) id: Option<String>,
    /// The `retry` field, in milliseconds.
    pub(crate) retry: Option<u64>,
}

impl Frame {
    /// The event's name, or nothing.
    pub(crate) fn name(&self) -> &str {
        self.event.as_deref().unwrap_or_default()
    }

    /// Whether it is an event of the log and not a word of the service's own.
    pub(crate) fn is_event(&self) -> bool {
        !self.name().starts_with("hub.")
    }

    /// The data as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("data is no JSON ({e}): {self:?}"))
    }

    /// The seq in the `id` field.
    pub(crate) fn id_seq(&self) -> Option<u64> {
        self.id.as_deref().map(seq_of)
    }
}

/// The seq of a cursor.
pub(crate) fn seq_of(cursor: &str) -> u64 {
    let (_, seq) = cursor.split_once('-').unwrap_or_else(|| panic!("not a cursor: {cursor:?}"));
    seq.parse().unwrap_or_else(|_| panic!("not a cursor: {cursor:?}"))
}

/// What a stream consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A block, ended by its blank line.
    Frame(Frame),
    /// A comment, as soon as its line is there: a heartbeat is one.
    Comment(String),
}

/// Turns bytes into items.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    line: Vec<u8>,
    after_cr: bool,
    started: bool,
    fields: Vec<(String, String)>,
}

impl SseParser {
    /// Takes what arrived and appends what is complete to `items`.
    ///
    /// # Errors
    /// What no frame of this service may look like.
    pub(crate) fn feed(&mut self, bytes: &[u8], items: &mut Vec<Item>) -> Result<(), String> {
        for &byte in bytes {
            let ends_crlf = std::mem::take(&mut self.after_cr) && byte == b'\n';
            if ends_crlf {
                continue;
            }
            if byte == b'\r' || byte == b'\n' {
                self.after_cr = byte == b'\r';
                let line = std::mem::take(&mut self.line);
                items.extend(self.end_line(line)?);
            } else {
                self.line.push(byte);
            }
        }
        Ok(())
    }

    /// Whether the stream stands between two blocks, so that a cut here loses nothing.
    pub(crate) fn is_between_blocks(&self) -> bool {
        self.line.is_empty() && self.fields.is_empty()
    }

    fn end_line(&mut self, line: Vec<u8>) -> Result<Option<Item>, String> {
        let line = String::from_utf8(line).map_err(|e| format!("not UTF-8: {e}"))?;
        let line = if std::mem::replace(&mut self.started, true) { &line[..] } else { line.trim_start_matches('\u{feff}') };
        if line.is_empty() {
            return self.end_block().map(|frame| Some(Item::Frame(frame)));
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        if name.is_empty() {
            return Ok(Some(Item::Comment(value)));
        }
        self.fields.push((name.to_owned(), value));
        Ok(None)
    }

    fn end_block(&mut self) -> Result<Frame, String> {
        let fields = std::mem::take(&mut self.fields);
        check_fields(&fields).map_err(|fault| format!("{fault}: {fields:?}"))?;
        let one = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let data: Vec<&str> = fields.iter().filter(|(name, _)| name == "data").map(|(_, value)| &value[..]).collect();
        let retry = one("retry").map(|text| text.parse().map_err(|_| format!("retry is no number: {text:?}"))).transpose()?;
        Ok(Frame { event: one("event"), data: data.join("\n"), id: one("id"), retry })
    }
}

/// design.md §5: what no client may ever be sent, though the standard would allow it.
fn check_fields(fields: &[(String, String)]) -> Result<(), &'static str> {
    let count = |wanted: &str| fields.iter().filter(|(name, _)| name == wanted).count();
    let value = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| &value[..]);
    if fields.iter().any(|(name, _)| !matches!(&name[..], "event" | "data" | "id" | "retry")) {
        return Err("unknown field");
    }
    if count("event") > 1 || count("id") > 1 || count("retry") > 1 {
        return Err("repeated field");
    }
    if value("data").is_none_or(str::is_empty) {
        return Err("block without data");
    }
    if count("id") == 1 && fields.last().is_some_and(|(name, _)| name != "id") {
        return Err("id is not the last field");
    }
    if value("id").is_some_and(|id| id.contains('\0') || id.is_empty()) {
        return Err("id that a browser ignores or takes as a reset");
    }
    match value("event") {
        Some("error" | "open" | "message") => Err("event name that EventSource uses itself"),
        Some("hub.closing") if count("id") > 0 => Err("hub.closing with an id"),
        Some("hub.closing") if count("retry") == 0 => Err("hub.closing without retry"),
        _ => Ok(()),
    }
}

mod tests {
    use super::*;

    fn parse(wire: &[u8], size: usize) -> Result<Vec<Item>, String> {
        let (mut parser, mut items) = (SseParser::default(), Vec::new());
        for piece in wire.chunks(size) {
            parser.feed(piece, &mut items)?;
        }
        Ok(items)
    }

    #[test]
    fn blocks_and_comments_are_read_however_they_are_cut_and_whatever_ends_their_lines() {
        let wire = "retry: 10\nevent: hub.open\ndata: {}\nid: 7c1f9a02-1\n\n:\ndata: a\ndata:  b\n\n";
        let open = Frame { event: Some("hub.open".into()), data: "{}".into(), id: Some("7c1f9a02-1".into()), retry: Some(10) };
        let plain = Frame { data: "a\n b".into(), ..Frame::default() };
        let expected = vec![Item::Frame(open), Item::Comment(String::new()), Item::Frame(plain)];
        for ending in ["\n", "\r", "\r\n"] {
            let wire = wire.replace('\n', ending);
            for size in 1..=wire.len() {
                assert_eq!(parse(wire.as_bytes(), size), Ok(expected.clone()), "{ending:?} {size}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once_and_what_is_unfinished_is_not_dispatched() {
        let items = parse("\u{feff}data: x\n\ndata: y".as_bytes(), 3).expect("well formed");
        assert_eq!(items, [Item::Frame(Frame { data: "x".into(), ..Frame::default() })]);
        let mut parser = SseParser::default();
        parser.feed(b"data: y\n", &mut Vec::new()).expect("well formed");
        assert!(!parser.is_between_blocks());
        parser.feed(b"\n:\n", &mut Vec::new()).expect("well formed");
        assert!(parser.is_between_blocks());
    }

    #[test]
    fn what_the_service_must_never_send_is_refused() {
        for bad in [
            "id: 7c1f9a02-1\n\n",
            "event: hub.cursor\ndata\n\n",
            ":\n\n",
            "retry: 10\n\n",
            "id: 7c1f9a02-1\ndata: x\n\n",
            "event: error\ndata: x\n\n",
            "event: a.b\nevent: c.d\ndata: x\n\n",
            "event: hub.closing\ndata: {}\n\n",
            "retry: 9\nevent: hub.closing\ndata: {}\nid: 7c1f9a02-1\n\n",
            "injected\ndata: x\n\n",
            "data: x\nid: a\0b\n\n",
        ] {
            assert!(parse(bad.as_bytes(), 4).is_err(), "{bad:?}");
        }
    }
}
