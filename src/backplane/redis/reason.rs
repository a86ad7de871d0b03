//! Why Redis could not be used, in words of our own.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::backplane::carrier::Lost;

/// Keeps nothing of what a server wrote but the code that its errors begin with.
pub(super) fn lost(error: &RedisError) -> Lost {
    if error.is_timeout() {
        return Lost("it does not answer in time".to_owned());
    }
    let text = match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => "it refuses the name or the password in REDIS_URL",
        (_, Some("NOPERM")) => "the user in REDIS_URL may not use a command, a channel or a key: docs/backplane.md lists what it needs",
        (_, Some("NOPROTO")) => "it does not speak RESP3: Redis 6 or later is needed",
        (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain), _) => "slots of the cluster moved",
        (ErrorKind::Server(ServerErrorKind::ClusterDown), _) => "the cluster is down",
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => "it is still loading its data",
        (_, Some("ERR")) => "it refuses a command: Redis 6 or later is needed, 7 for a cluster",
        (_, Some(code)) if is_code(code) => return Lost(format!("it answers with the error {code}")),
        (ErrorKind::Io, _) if error.is_connection_refusal() => "the connection is refused",
        (ErrorKind::Io, _) if error.is_connection_dropped() => "the connection was closed",
        (ErrorKind::Io, _) => "the network, its name or its certificate is at fault",
        (ErrorKind::InvalidClientConfig, _) => "REDIS_URL cannot be used",
        _ => "it answers what Redis does not",
    };
    Lost(text.to_owned())
}

fn is_code(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase())
}
