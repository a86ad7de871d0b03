//! An event stream taken apart, by the rules of the HTML Standard §9.2.6, however its bytes are cut.
//!
//! Bounded: a block that grows beyond a limit is an error and not a process that grows with it.

use std::mem;

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Something with data.
    Message(Message),
    /// A block without data that moves where to resume.
    Position(String),
    /// How long to wait before connecting again, in milliseconds.
    Retry(u64),
}

/// A block with data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The `event` field; `message` without one.
    pub event: String,
    /// The `data` fields, joined by newlines.
    pub data: String,
    /// Where to resume behind it: the last `id` so far; empty when there was none.
    pub id: String,
}

/// A block is larger than what is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream sends a block of more than {0} bytes")]
pub struct TooLong(pub usize);

/// Takes bytes, gives what they say.
#[derive(Debug)]
pub struct Parser {
    max_bytes: usize,
    line: Vec<u8>,
    /// The last byte was a carriage return, which has ended a line: a newline behind it belongs to it.
    after_return: bool,
    first_line: bool,
    event: String,
    data: String,
    has_id: bool,
    last_id: String,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new(Self::MAX_BYTES)
    }
}

impl Parser {
    /// The largest block unless said otherwise; an event is far smaller.
    pub const MAX_BYTES: usize = 16 * 1024 * 1024;

    /// A parser of one stream, whose blocks may have this many bytes.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            line: Vec::new(),
            after_return: false,
            first_line: true,
            event: String::new(),
            data: String::new(),
            has_id: false,
            last_id: String::new(),
        }
    }

    /// Takes the next bytes, and hands on each item that they complete.
    ///
    /// # Errors
    /// [`TooLong`], after which the stream is not to be read on.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(Item)) -> Result<(), TooLong> {
        for &byte in bytes {
            if mem::take(&mut self.after_return) && byte == b'\n' {
                continue;
            }
            match byte {
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    self.end_line(&mut take);
                }
                _ if self.line.len() + self.data.len() >= self.max_bytes => return Err(TooLong(self.max_bytes)),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn end_line(&mut self, take: &mut impl FnMut(Item)) {
        let line = mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let mut text = &*text;
        if mem::take(&mut self.first_line) {
            text = text.strip_prefix('\u{feff}').unwrap_or(text);
        }
        if text.is_empty() {
            self.end_block(take);
        } else if !text.starts_with(':') {
            let (name, value) = text.split_once(':').unwrap_or((text, ""));
            self.field(name, value.strip_prefix(' ').unwrap_or(value), take);
        }
        // its room is used again, unless one long line made it large
        if line.capacity() <= 64 * 1024 {
            self.line = line;
            self.line.clear();
        }
    }

    fn field(&mut self, name: &str, value: &str, take: &mut impl FnMut(Item)) {
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => {
                value.clone_into(&mut self.last_id);
                self.has_id = true;
            }
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                take(Item::Retry(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }

    fn end_block(&mut self, take: &mut impl FnMut(Item)) {
        let (mut event, mut data) = (mem::take(&mut self.event), mem::take(&mut self.data));
        let has_id = mem::take(&mut self.has_id);
        if data.is_empty() {
            if has_id {
                take(Item::Position(self.last_id.clone()));
            }
            return;
        }
        data.pop();
        if event.is_empty() {
            "message".clone_into(&mut event);
        }
        take(Item::Message(Message { event, data, id: self.last_id.clone() }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(chunks: &[&[u8]]) -> Vec<Item> {
        let (mut parser, mut items) = (Parser::default(), Vec::new());
        for chunk in chunks {
            parser.feed(chunk, |item| items.push(item)).expect("short");
        }
        items
    }

    fn message(event: &str, data: &str, id: &str) -> Item {
        Item::Message(Message { event: event.into(), data: data.into(), id: id.into() })
    }

    #[test]
    fn what_the_service_writes_is_read() {
        let text = "retry: 2714\nevent: hub.open\ndata: {}\nid: e-1\n\n:\nevent: a.b\ndata: {\"seq\":2}\nid: e-2\n\n";
        assert_eq!(parse(&[text.as_bytes()]), [Item::Retry(2714), message("hub.open", "{}", "e-1"), message("a.b", "{\"seq\":2}", "e-2")]);
    }

    #[test]
    fn the_rules_of_the_standard_hold() {
        // its own examples, and the corners that clients get wrong
        assert_eq!(parse(&[b"data: YHOO\ndata: +2\ndata: 10\n\n"]), [message("message", "YHOO\n+2\n10", "")]);
        assert_eq!(
            parse(&[b": test\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n"]),
            [message("message", "first", "1"), message("message", "second", ""), message("message", " third", "")]
        );
        assert_eq!(parse(&[b"data\n\ndata\ndata\n\ndata:"]), [message("message", "", ""), message("message", "\n", "")]);
        assert_eq!(parse(&[b"\xef\xbb\xbfdata:x\r\rdata:y\r\n\r\n"]), [message("message", "x", ""), message("message", "y", "")]);
        assert_eq!(parse(&[b"id: a\0b\nretry: 1x\nretry:\nfoo: 1\ndata: d\n\n"]), [message("message", "d", "")]);
        assert_eq!(parse(&[b"event: a\nid: 7\n\ndata: d\n\n"]), [Item::Position("7".into()), message("message", "d", "7")]);
    }

    #[test]
    fn a_block_without_an_end_is_refused_and_not_kept() {
        let mut parser = Parser::new(100);
        assert_eq!(parser.feed(&[b'x'; 101], |_| {}), Err(TooLong(100)));
        let mut parser = Parser::new(100);
        let lines = "data: 123456789\n".repeat(20);
        assert_eq!(parser.feed(lines.as_bytes(), |_| {}), Err(TooLong(100)));
    }

    proptest! {
        #[test]
        fn however_bytes_are_cut_the_messages_are_the_same(
            text in "((data|event|id|retry|x)?(:| |: |\u{feff}|\0|é)?[a-z0-9{}]{0,5}(\n|\r|\r\n|\n\n|\r\r|\r\n\r\n)){0,12}",
            cuts in prop::collection::vec(0_usize..200, 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(parse(&chunks), parse(&[bytes]));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            parse(&[&bytes]);
        }
    }
}
