mod changes;
mod credentials;
mod following;
mod revoking;
mod tickets;

use std::time::Duration;

use std::sync::Arc;

use super::*;
use crate::{
    auth::{
        Rights, ShownOnce,
        fake::{FakeService, FakeStream, at},
    },
    log::KeyRecord,
};

/// Sees `a.**` and its own user.
const READER: &str = r#"{"subscribe":{"users":["self"],"topics":["a.**"]}}"#;

/// Waits for a condition; a minute is longer than any of them takes.
async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the condition holds within a minute");
}

fn operator() -> Actor {
    Actor::command_line("ops")
}

fn new_key(tenant: &str, kind: KeyKind, rights: &str) -> NewKey {
    let rights = Rights::parse(rights, None).expect(rights);
    NewKey { tenant: LogName::new(tenant), name: "a key".into(), kind, rights, expires_at: None }
}

async fn key(access: &Arc<Access>, kind: KeyKind) -> (KeyRecord, ShownOnce) {
    access.create_key(&operator(), new_key("shop", kind, r#"{"subscribe":{"all":true},"publish":{}}"#)).await.expect("made")
}

fn open_stream(access: &Arc<Access>, principal: &Principal) -> (Arc<FakeStream>, Result<Registration, AuthError>) {
    let stream = FakeStream::of(access);
    (stream.clone(), access.register(principal, None, stream))
}
