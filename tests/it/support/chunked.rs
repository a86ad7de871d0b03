//! HTTP/1.1 chunked transfer coding (RFC 9112 §7.1), decoded by hand, because a client library would hide how a stream ended.

/// Decodes a body that arrives in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct ChunkDecoder {
    state: State,
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(u64),
    AfterData,
    Trailer,
    Done,
}

impl ChunkDecoder {
    /// Takes what arrived and appends what it decodes to `out`.
    ///
    /// # Errors
    /// What breaks the coding; bytes behind the last chunk included.
    pub(crate) fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        while !input.is_empty() {
            match self.state {
                State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    out.extend_from_slice(&input[..take]);
                    input = &input[take..];
                    let left = left - take as u64;
                    self.state = if left == 0 { State::AfterData } else { State::Data(left) };
                }
                State::Done => return Err(format!("{} bytes behind the last chunk: {:?}", input.len(), String::from_utf8_lossy(input))),
                State::Size | State::AfterData | State::Trailer => {
                    self.line.push(input[0]);
                    input = &input[1..];
                    if self.line.ends_with(b"\r\n") {
                        let line = std::mem::take(&mut self.line);
                        self.state = self.next_state(&line[..line.len() - 2])?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the last chunk has been seen: the difference between an end and a cut.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn next_state(&self, line: &[u8]) -> Result<State, String> {
        let text = String::from_utf8_lossy(line);
        match self.state {
            State::AfterData if line.is_empty() => Ok(State::Size),
            State::AfterData => Err(format!("{text:?} where a chunk should end")),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer => Ok(State::Trailer),
            _ => match u64::from_str_radix(&text, 16) {
                Ok(0) => Ok(State::Trailer),
                Ok(size) => Ok(State::Data(size)),
                Err(_) => Err(format!("{text:?} is no chunk size")),
            },
        }
    }
}

mod tests {
    use super::ChunkDecoder;

    #[test]
    fn a_body_decodes_the_same_however_it_is_cut_into_pieces() {
        let wire = b"5\r\nhello\r\n1\r\n \r\n5\r\nwor\r\n\r\n0\r\n\r\n";
        for size in 1..=wire.len() {
            let (mut decoder, mut out) = (ChunkDecoder::default(), Vec::new());
            for piece in wire.chunks(size) {
                assert!(!decoder.is_done());
                decoder.feed(piece, &mut out).expect("well formed");
            }
            assert_eq!(out, b"hello wor\r\n");
            assert!(decoder.is_done());
        }
    }

    #[test]
    fn a_cut_is_no_end_and_nothing_follows_the_end() {
        let (mut decoder, mut out) = (ChunkDecoder::default(), Vec::new());
        decoder.feed(b"A\r\n0123456789\r\n", &mut out).expect("well formed");
        assert!(!decoder.is_done());
        decoder.feed(b"0\r\n\r\n", &mut out).expect("well formed");
        assert!(decoder.is_done());
        assert!(decoder.feed(b"HTTP/1.1 200 OK\r\n", &mut out).is_err());
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for wire in [&b"data: x\r\n"[..], b"2\r\nabc\r\n", b"-1\r\n"] {
            assert!(ChunkDecoder::default().feed(wire, &mut Vec::new()).is_err());
        }
    }
}
