//! What a failure means to a caller: whether anything may have changed, and whether repeating can help.

use std::path::Path;

use sqlx::Error;

use super::file;
use crate::log::{
    LogError,
    sessions::{Failure, words},
};

/// A failure of something that changes nothing, or of a step that is repeated in any case.
pub(super) fn of_read(failure: Failure) -> LogError {
    convert(failure, LogError::Unavailable)
}

/// A failure of a change: a commit that failed half way may be found in the write-ahead log when the file is opened again.
pub(super) fn of_write(failure: Failure) -> LogError {
    convert(failure, LogError::Unknown)
}

fn convert(failure: Failure, interrupted: fn(String) -> LogError) -> LogError {
    match failure {
        Failure::Unreached(why) => LogError::Unavailable(why),
        Failure::Lost(why) => interrupted(why),
        Failure::TimedOut => interrupted("no answer within the deadline".into()),
        Failure::Answered(error) => answered(&error, interrupted),
    }
}

/// A failure while the file is opened: what passes by itself is unavailable, and for everything else somebody has to do something.
pub(super) fn of_opening(error: &Error, path: &Path) -> LogError {
    let said = match code(error) {
        // PERM, READONLY, CANTOPEN, AUTH
        Some(3 | 8 | 14 | 23) => match file::obstacle(path) {
            Some(obstacle) => return LogError::Internal(obstacle),
            None => words(error),
        },
        // NOTADB
        Some(26) => format!("{} is not a SQLite database: DATABASE_URL must name another file", path.display()),
        // CORRUPT
        Some(11) => format!("{}: {}; put a backup back", path.display(), words(error)),
        _ => words(error),
    };
    match code(error) {
        // BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN (too many open files), PROTOCOL
        Some(5 | 6 | 7 | 9 | 10 | 13 | 14 | 15) => LogError::Unavailable(format!("{}: {said}", path.display())),
        Some(_) => LogError::Internal(said),
        None => match error {
            Error::Configuration(_) | Error::Migrate(_) => LogError::Internal(said),
            _ => LogError::Unavailable(said),
        },
    }
}

/// The primary result code.
fn code(error: &Error) -> Option<u32> {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    code.map(|code| code & 0xff)
}

/// Result codes, <https://www.sqlite.org/rescode.html>: the low byte is the primary code.
fn answered(error: &Error, interrupted: fn(String) -> LogError) -> LogError {
    let message = words(error);
    match code(error) {
        // PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, FULL, CANTOPEN, PROTOCOL: rolled back
        Some(3 | 5 | 6 | 7 | 8 | 9 | 13 | 14 | 15) => LogError::Unavailable(message),
        // IOERR
        Some(10) => interrupted(message),
        // TOOBIG, CONSTRAINT, MISMATCH, RANGE
        Some(18 | 19 | 20 | 25) => LogError::Content(message),
        _ => LogError::Internal(message),
    }
}
