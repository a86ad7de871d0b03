//! What a failure means to a caller: whether anything may have changed, and whether repeating can help.

use sqlx::Error;

use crate::log::{
    LogError,
    sessions::{Failure, words},
};

/// A failure of something that changes nothing, or of a step that is repeated in any case.
pub(super) fn of_read(failure: Failure) -> LogError {
    match failure {
        Failure::Unreached(why) | Failure::Lost(why) => LogError::Unavailable(why),
        Failure::TimedOut => LogError::Unavailable("no answer within the deadline".into()),
        Failure::Answered(error) => answered(&error),
    }
}

/// A failure of a change: what was lost on the way back may have been committed.
pub(super) fn of_write(failure: Failure) -> LogError {
    match failure {
        Failure::Unreached(why) => LogError::Unavailable(why),
        Failure::Lost(why) => LogError::Unknown(why),
        Failure::TimedOut => LogError::Unknown("no answer within the deadline".into()),
        Failure::Answered(error) => answered(&error),
    }
}

/// A connection that was not made: a server that cannot be reached or has no room yet is unavailable, and one that does not want this user, this
/// password or this database is as the settings or its own must be changed.
pub(super) fn of_connecting(error: &Error) -> LogError {
    let said = words(error);
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    match &*code {
        // password or its absence, pg_hba.conf, no right to connect
        code if code.starts_with("28") || code == "42501" => {
            LogError::Internal(format!("{said}: look at user and password in DATABASE_URL, and at pg_hba.conf of the server"))
        }
        // no such database
        "3D000" => LogError::Internal(format!("{said}: make it with CREATE DATABASE, or correct DATABASE_URL")),
        _ => match error {
            Error::Configuration(_) => LogError::Internal(said),
            _ => LogError::Unavailable(said),
        },
    }
}

/// By SQLSTATE class, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn answered(error: &Error) -> LogError {
    let message = words(error);
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    match code.get(..2).unwrap_or_default() {
        // rolled back: cancelled, deadlocked, out of memory, disk or connections, read-only standby, system error
        "25" | "40" | "53" | "55" | "57" | "58" => LogError::Unavailable(message),
        // the values do not fit: bad data, a violated constraint, a limit of the program
        "22" | "23" | "54" => LogError::Content(message),
        _ => LogError::Internal(message),
    }
}
