//! What a failure means to a caller: whether anything may have changed, and whether repeating can help.

use sqlx::Error;

use crate::log::{LogError, sessions::Failure};

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

/// Result codes, <https://www.sqlite.org/rescode.html>: the low byte is the primary code.
fn answered(error: &Error, interrupted: fn(String) -> LogError) -> LogError {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    let message = error.to_string();
    match code.map(|code| code & 0xff) {
        // PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, FULL, CANTOPEN, PROTOCOL: rolled back
        Some(3 | 5 | 6 | 7 | 8 | 9 | 13 | 14 | 15) => LogError::Unavailable(message),
        // IOERR
        Some(10) => interrupted(message),
        // TOOBIG, CONSTRAINT, MISMATCH, RANGE
        Some(18 | 19 | 20 | 25) => LogError::Content(message),
        _ => LogError::Internal(message),
    }
}
