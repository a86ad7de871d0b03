//! Tasks that an instance cannot be without.
//!
//! A shard or a sequencer that has panicked would leave its clients connected to silence, a committer would refuse every publisher, and no probe
//! would notice. The process ends instead: what
//! was acknowledged is in the log, clients reconnect with their cursors, and whatever runs the service starts it again.

use std::{future::Future, panic::AssertUnwindSafe};

use futures::FutureExt as _;

/// Runs `task`, and ends the process should it panic.
pub async fn vital(name: &'static str, task: impl Future<Output = ()>) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        tracing::error!(
            task = name,
            "a task that the service cannot be without has panicked: ending the process, so that clients move elsewhere"
        );
        std::process::abort();
    }
}
