//! Where a client stands: `epoch-seq`, the SSE `id` and the `Last-Event-ID` header (HTML Standard §9.2).

use std::{fmt, str::FromStr};

use super::{Epoch, Seq, Timestamp};

/// A position together with the numbering it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The numbering.
    pub epoch: Epoch,
    /// Everything up to and including this seq has been seen.
    pub seq: Seq,
}

/// Why a text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: expected `epoch-seq` such as 7c1f9a02-17, a bare seq, `earliest` or `now`")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(s: &str) -> Result<Self, CursorError> {
        let (epoch, seq) = s.split_once('-').ok_or(CursorError)?;
        Ok(Self { epoch: epoch.parse().map_err(|()| CursorError)?, seq: parse_seq(seq)? })
    }
}

/// Where a subscription or a page of history begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// After this cursor.
    Cursor(Cursor),
    /// After this seq of the current numbering.
    Seq(Seq),
    /// With the oldest retained event.
    Earliest,
    /// With the first event received at or after this time.
    Since(Timestamp),
    /// With whatever comes next.
    Now,
}

impl Start {
    /// What `Last-Event-ID` and `last_event_id` may hold: a cursor, a bare seq, `earliest` or `now`.
    ///
    /// # Errors
    /// [`CursorError`] for anything else: signs, spaces, overflow and other epochs' spellings included.
    pub fn parse(s: &str) -> Result<Self, CursorError> {
        match s {
            "earliest" => Ok(Self::Earliest),
            "now" => Ok(Self::Now),
            _ if s.contains('-') => s.parse().map(Self::Cursor),
            _ => parse_seq(s).map(Self::Seq),
        }
    }
}

fn parse_seq(s: &str) -> Result<Seq, CursorError> {
    // `u64::from_str` would take a plus sign
    if s.is_empty() || !s.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CursorError);
    }
    match s.parse::<u64>() {
        Ok(n) if n <= Seq::MAX.get() => Ok(Seq::new(n)),
        _ => Err(CursorError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_is_written() {
        let cursor = Cursor { epoch: Epoch::new(0x7c1f_9a02), seq: Seq::new(17) };
        assert_eq!(cursor.to_string(), "7c1f9a02-17");
        assert_eq!(Start::parse("7c1f9a02-17"), Ok(Start::Cursor(cursor)));
        assert_eq!(Start::parse("17"), Ok(Start::Seq(Seq::new(17))));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for bad in [
            "",
            "-",
            "-1",
            "+1",
            " 1",
            "1 ",
            "7c1f9a02-",
            "7C1F9A02-1",
            "7c1f9a02--1",
            "7c1f9a0-1",
            "99999999999999999999",
            "7c1f9a02-9223372036854775808",
            "latest",
        ] {
            assert_eq!(Start::parse(bad), Err(CursorError), "{bad:?}");
        }
    }
}
