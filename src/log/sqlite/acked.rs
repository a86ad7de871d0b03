//! What was acknowledged, noted beside the database: `<file>.acked`.
//!
//! A database file that was put back from a backup looks like any other, but its head is behind what clients have seen. This note was not
//! put back with it, and so gives it away. One line a log, of one length, rewritten in place: epoch, then the highest acknowledged seq.
//!
//! Its length tells which numbers of logs were given out, so that none is given out again that the file was put back to before.
//!
//! The note is not flushed to disk: after a loss of power it may lag behind, which can hide a restore but never invents one. If several
//! processes write one database, the last one to note wins, so the note may lag by the commits that were under way together.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::file::OWNERS_FILE;
use crate::{
    domain::{Epoch, Seq},
    log::LogId,
};

/// `7c1f9a02 00000000000000000017\n`
const LINE: usize = 8 + 1 + 20 + 1;

/// The note beside one database.
pub(super) struct Acked {
    path: PathBuf,
}

impl Acked {
    pub(super) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".acked");
        Self { path: path.into() }
    }

    /// Where the note is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was noted of a log; `None` when nothing was, or nothing legible.
    pub(super) fn last(&self, log: LogId) -> io::Result<Option<(Epoch, Seq)>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut line = [0; LINE];
        match file.read_exact_at(&mut line, offset(log)) {
            Ok(()) => Ok(parse(&line)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The highest log of which anything was ever noted; zero when there is none.
    pub(super) fn highest(&self) -> io::Result<LogId> {
        match std::fs::metadata(&self.path) {
            Ok(file) => Ok(LogId::new(i32::try_from(file.len().div_ceil(LINE as u64)).unwrap_or(i32::MAX))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LogId::new(0)),
            Err(error) => Err(error),
        }
    }

    /// Forgets what was noted of every log.
    pub(super) fn forget(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Notes that everything up to `head` was acknowledged.
    pub(super) fn note(&self, log: LogId, epoch: Epoch, head: Seq) -> io::Result<()> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(OWNERS_FILE).open(&self.path)?;
        file.write_all_at(format!("{epoch} {:020}\n", head.get()).as_bytes(), offset(log))
    }
}

fn offset(log: LogId) -> u64 {
    // ids start at 1; a negative one, which no database gives out, shares the first line
    u64::try_from(log.to_column()).unwrap_or(1).saturating_sub(1) * LINE as u64
}

fn parse(line: &[u8]) -> Option<(Epoch, Seq)> {
    let (epoch, seq) = std::str::from_utf8(line).ok()?.trim_end().split_once(' ')?;
    Some((epoch.parse().ok()?, Seq::new(seq.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back_and_one_that_was_never_written_is_none() {
        let path = std::env::temp_dir().join(format!("chaincast-acked-{}", fastrand::u64(..)));
        let acked = Acked::beside(&path);
        assert_eq!(acked.last(LogId::new(1)).expect("readable"), None);
        assert_eq!(acked.highest().expect("readable"), LogId::new(0));
        acked.note(LogId::new(3), Epoch::new(7), Seq::new(17)).expect("writable");
        assert_eq!(acked.highest().expect("readable"), LogId::new(3));
        assert_eq!(acked.last(LogId::new(3)).expect("readable"), Some((Epoch::new(7), Seq::new(17))));
        assert_eq!(acked.last(LogId::new(2)).expect("readable"), None);
        std::fs::remove_file(&acked.path).expect("it is there");
    }
}
