//! Tasks that an instance cannot be without.
//!
//! A shard or a sequencer that has panicked would leave its clients connected to silence, a committer would refuse every publisher, and no
//! probe would notice. The process ends instead: what was acknowledged is in the log, clients reconnect with their cursors, and whatever
//! runs the service starts it again.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures::FutureExt as _;

/// Runs `task`, and ends the process should it panic.
pub async fn vital(name: &'static str, task: impl Future<Output = ()>) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        end(name);
    }
}

/// The same for a call into such a task's state from a task that may panic by itself.
pub fn vital_call<T>(name: &'static str, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| end(name))
}

fn end(name: &'static str) -> ! {
    tracing::error!(
        task = name,
        "a task that the service cannot be without has panicked: ending the process, so that clients move elsewhere"
    );
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::Command};

    use super::*;

    /// Set in a process that is to panic.
    const PANICS: &str = "CHAINCAST_TEST_PANICS";

    #[test]
    fn a_call_that_panics_ends_the_process_even_where_panics_are_caught() {
        if std::env::var_os(PANICS).is_some() {
            let _ = catch_unwind(|| vital_call("test", || panic!("as asked")));
            return;
        }
        assert_eq!(vital_call("test", || 7), 7);
        let this = "vital::tests::a_call_that_panics_ends_the_process_even_where_panics_are_caught";
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        let ended = child.args(["--exact", this]).env(PANICS, "1").output().expect("starts").status;
        assert_eq!(ended.signal(), Some(6), "{ended}");
    }
}
