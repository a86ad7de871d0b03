//! Events in a file, one by one: a file of any size takes the memory of one event.
//!
//! Three forms are told apart by how the input begins: an array; one value a line; values that go over several lines. Only where events begin and end
//! is looked for: what is wrong within one is found by whoever reads it, and in lines the next one is read all the same. A first line that is cut off
//! is told from a value that goes over several lines by what stands behind it, where no such value could go on.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

/// One event's bytes, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Which of the events that begin on this line it is, from 1.
    pub nth: u64,
    /// What stands there; nothing when it was too long to be kept.
    pub bytes: Vec<u8>,
    /// It has more than this many bytes.
    pub longer_than: Option<usize>,
}

/// Why no further event can be found.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The input could not be read.
    #[error("line {line}: {error}")]
    Io {
        /// Where.
        line: u64,
        /// Why.
        error: io::Error,
    },
    /// It is not what it began as.
    #[error("line {line}: {what}")]
    Broken {
        /// Where.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines { first: bool },
    Values,
    Array { first: bool },
    Ended,
}

/// The events of an input.
pub struct Documents<R> {
    reader: R,
    form: Option<Form>,
    line: u64,
    max_bytes: usize,
    /// What was looked at and is still to be read.
    ahead: VecDeque<u8>,
    /// Where the last event began, and how many did there.
    last: (u64, u64),
}

impl<R: BufRead> Documents<R> {
    /// Those of `reader`, each of at most so many bytes.
    pub fn new(reader: R, max_bytes: usize) -> Self {
        Self { reader, form: None, line: 1, max_bytes, ahead: VecDeque::new(), last: (0, 0) }
    }

    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        match self.ahead.front() {
            Some(byte) => Ok(Some(*byte)),
            None => self.peek_behind(),
        }
    }

    /// The next byte that was not looked at.
    fn peek_behind(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            match self.reader.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io { line: self.line, error }),
            }
        }
    }

    fn step(&mut self, byte: u8) {
        if self.ahead.pop_front().is_none() {
            self.reader.consume(1);
        }
        self.line += u64::from(byte == b'\n');
    }

    /// The next byte that is no whitespace, and none of `others`.
    fn skip(&mut self, others: &[u8]) -> Result<Option<u8>, ReadError> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() && !others.contains(&byte) {
                return Ok(Some(byte));
            }
            self.step(byte);
        }
        Ok(None)
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`], behind which there is nothing to be found.
    #[expect(clippy::should_implement_trait, reason = "an iterator of results would go on behind an error")]
    pub fn next(&mut self) -> Result<Option<Document>, ReadError> {
        let Some(document) = self.find()? else { return Ok(None) };
        let nth = if self.last.0 == document.line { self.last.1 + 1 } else { 1 };
        self.last = (document.line, nth);
        Ok(Some(Document { nth, ..document }))
    }

    fn find(&mut self) -> Result<Option<Document>, ReadError> {
        let form = match self.form {
            Some(form) => form,
            None => self.begin()?,
        };
        match form {
            Form::Ended => Ok(None),
            Form::Lines { first } => self.next_line(first),
            Form::Values => match self.skip(&[])? {
                Some(_) => self.value(Vec::new()).map(Some),
                None => Ok(None),
            },
            Form::Array { first } => self.element(first),
        }
    }

    fn begin(&mut self) -> Result<Form, ReadError> {
        // a byte order mark, which editors leave
        let form = match self.skip(&[0xef, 0xbb, 0xbf])? {
            Some(b'[') => {
                self.step(b'[');
                Form::Array { first: true }
            }
            Some(_) => Form::Lines { first: true },
            None => Form::Ended,
        };
        self.form = Some(form);
        Ok(form)
    }

    fn next_line(&mut self, is_first: bool) -> Result<Option<Document>, ReadError> {
        let Some(_) = self.skip(&[])? else { return Ok(None) };
        self.form = Some(Form::Lines { first: false });
        let line = self.line;
        let (mut bytes, mut length, mut extent) = (Vec::new(), 0, Extent::default());
        while let Some(byte) = self.peek()? {
            if byte == b'\n' && !(is_first && extent.is_open()) {
                self.step(byte);
                break;
            }
            if byte == b'\n' && self.is_cut_off(extent)? {
                self.step(byte);
                break;
            }
            if byte == b'\n' {
                // the first value goes on behind its line: so will the others
                self.form = Some(Form::Values);
                return self.value(bytes).map(|document| Some(Document { line, ..document }));
            }
            self.step(byte);
            extent.step(byte);
            length += 1;
            if length <= self.max_bytes {
                bytes.push(byte);
            }
        }
        while bytes.last().is_some_and(u8::is_ascii_whitespace) {
            bytes.pop();
        }
        let longer_than = (length > self.max_bytes).then_some(self.max_bytes);
        Ok(Some(Document { line, nth: 1, bytes: if longer_than.is_some() { Vec::new() } else { bytes }, longer_than }))
    }

    /// Whether a first line that ended within a value was meant to be all of it, at its line break: strings do not go over lines, and behind an
    /// object that has a line to itself only a comma or the end of what it lies in may follow.
    fn is_cut_off(&mut self, first: Extent) -> Result<bool, ReadError> {
        if first.in_string {
            return Ok(true);
        }
        let mut extent = Extent::default();
        while self.ahead.len() < self.max_bytes {
            let Some(byte) = self.peek_behind()? else { return Ok(extent.is_closed()) };
            let is_next = match byte {
                _ if byte.is_ascii_whitespace() => extent.nested && extent.is_open() && byte == b'\n',
                _ if extent.is_closed() => return Ok(!matches!(byte, b',' | b']' | b'}')),
                b'{' => false,
                _ => !extent.nested,
            };
            if is_next {
                return Ok(false);
            }
            self.reader.consume(1);
            self.ahead.push_back(byte);
            extent.step(byte);
        }
        Ok(false)
    }

    fn element(&mut self, first: bool) -> Result<Option<Document>, ReadError> {
        let broken = |line, what| Err(ReadError::Broken { line, what });
        let next = self.skip(&[])?;
        let next = match next {
            Some(b',') if !first => {
                self.step(b',');
                match self.skip(&[])? {
                    Some(b']') => return broken(self.line, "a comma before the end of the array"),
                    other => other,
                }
            }
            Some(b']') => {
                self.step(b']');
                self.form = Some(Form::Ended);
                return match self.skip(&[])? {
                    Some(_) => broken(self.line, "there is more behind the array"),
                    None => Ok(None),
                };
            }
            Some(_) if !first => return broken(self.line, "expected a comma or the end of the array"),
            other => other,
        };
        if next.is_none() {
            return broken(self.line, "the array has no end");
        }
        self.form = Some(Form::Array { first: false });
        self.value(Vec::new()).map(Some)
    }

    /// One value, of which `bytes` were read.
    fn value(&mut self, mut bytes: Vec<u8>) -> Result<Document, ReadError> {
        let (line, mut extent) = (self.line, Extent::default());
        bytes.iter().for_each(|byte| extent.step(*byte));
        while let Some(byte) = self.peek()? {
            let ends_here = extent.is_bare() && (byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'[' | b'{'));
            if ends_here && !bytes.is_empty() {
                return Ok(Document { line, nth: 1, bytes, longer_than: None });
            }
            if bytes.len() >= self.max_bytes {
                return Err(ReadError::Broken { line, what: "an event that is longer than any service takes" });
            }
            self.step(byte);
            extent.step(byte);
            bytes.push(byte);
            if extent.is_closed() {
                return Ok(Document { line, nth: 1, bytes, longer_than: None });
            }
        }
        if extent.is_open() {
            return Err(ReadError::Broken { line, what: "the event that begins here has no end" });
        }
        Ok(Document { line, nth: 1, bytes, longer_than: None })
    }
}

/// Follows where a value ends.
#[derive(Clone, Copy, Default)]
struct Extent {
    depth: usize,
    in_string: bool,
    escaped: bool,
    nested: bool,
}

impl Extent {
    fn step(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => {
                self.depth += 1;
                self.nested = true;
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    fn is_open(self) -> bool {
        self.depth > 0 || self.in_string
    }

    /// An object or array that has ended.
    fn is_closed(self) -> bool {
        self.nested && !self.is_open()
    }

    /// Neither within an object or array, nor within a string.
    fn is_bare(self) -> bool {
        !self.is_open()
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &str) -> Result<Vec<(u64, String)>, String> {
        // the smallest buffer finds what hangs on its bounds
        let mut documents = Documents::new(BufReader::with_capacity(1, text.as_bytes()), 100);
        let mut found = Vec::new();
        while let Some(document) = documents.next().map_err(|error| error.to_string())? {
            let text = if document.longer_than.is_some() { "too long".into() } else { String::from_utf8(document.bytes).expect("UTF-8") };
            found.push((document.line, text));
        }
        Ok(found)
    }

    fn found(expected: &[(u64, &str)]) -> Result<Vec<(u64, String)>, String> {
        Ok(expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect())
    }

    #[test]
    fn lines_are_events_and_a_broken_one_costs_no_other() {
        assert_eq!(
            read("{\"a\":1}\n\n  {\"b\":2}\r\n{\"c\":\n{\"d\"}"),
            found(&[(1, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "{\"c\":"), (5, "{\"d\"}")])
        );
        let long = format!("{{}}\n\"{}\"\n{{}}", "x".repeat(200));
        assert_eq!(read(&long), found(&[(1, "{}"), (2, "too long"), (3, "{}")]));
        assert_eq!(read(""), found(&[]));
        assert_eq!(read(" \n\n"), found(&[]));
        assert_eq!(read("nonsense\n{}"), found(&[(1, "nonsense"), (2, "{}")]));
    }

    #[test]
    fn an_array_is_taken_apart_element_by_element() {
        let text = "\u{feff}\n[\n {\"a\":\"]},{\\\"\"} ,\n{\"b\":[1,{}]},3,\"x\" ]\n";
        assert_eq!(read(text), found(&[(3, "{\"a\":\"]},{\\\"\"}"), (4, "{\"b\":[1,{}]}"), (4, "3"), (4, "\"x\"")]));
        assert_eq!(read("[]"), found(&[]));
        for (bad, why) in [
            ("[{}", "no end"),
            ("[{},]", "a comma before"),
            ("[{} {}]", "expected a comma"),
            ("[]{}", "more behind"),
            ("[{\"a\"", "no end"),
        ] {
            let error = read(bad).expect_err(bad);
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn a_first_line_that_is_cut_off_costs_no_other() {
        for first in ["{\"c\":", "{\"c", "{\"c\":[", "{\"c\":1", "{\"c\":\"x"] {
            let text = format!("{first}\n\n{{\"a\":{{}}}} \n{{\"b\":\n{{\"d\":2}}\n");
            assert_eq!(read(&text), found(&[(1, first), (3, "{\"a\":{}}"), (4, "{\"b\":"), (5, "{\"d\":2}")]), "{first}");
        }
        assert_eq!(read("{\"c\":\n{\"a\":1}"), found(&[(1, "{\"c\":"), (2, "{\"a\":1}")]));
        for whole in ["{\"c\":\n{\"a\":1}\n}", "{\"c\":[\n{\"a\":1},\n{\"a\":2}\n]}", "{\"c\":\n{\n\"a\":1}}", "{\n\"c\":{}}"] {
            assert_eq!(read(whole), found(&[(1, whole)]), "{whole}");
        }
        let beyond = format!("{{\"c\":\n{{\"a\":\"{}\"}}", "x".repeat(200));
        assert!(read(&beyond).expect_err("bounded").contains("longer than any"));
    }

    #[test]
    fn events_that_begin_on_one_line_are_told_apart() {
        for text in ["[{},{}\n,{},{}]", "{\n}{}{}\n{}{}", "{}\n{}", "{\n}\n\n{}"] {
            let mut documents = Documents::new(text.as_bytes(), 100);
            let mut places = Vec::new();
            while let Some(document) = documents.next().expect("readable") {
                places.push((document.line, document.nth));
            }
            assert!(places.is_sorted() && places.windows(2).all(|pair| pair[0] != pair[1]), "{text}: {places:?}");
        }
    }

    #[test]
    fn an_event_may_go_over_several_lines() {
        assert_eq!(read("{\n \"a\": 1\n}\n{\n}\n"), found(&[(1, "{\n \"a\": 1\n}"), (4, "{\n}")]));
        assert!(read("{\n \"a\"").expect_err("no end").contains("line 1"));
    }
}
