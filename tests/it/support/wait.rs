//! Waiting for a condition, never for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a condition may take on a busy machine before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition that cannot announce itself is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until `probe` answers `Ok`; what its last `Err` said is in the panic's message.
pub(crate) async fn eventually<T>(what: &str, probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    eventually_within(PATIENCE, what, probe).await
}

/// The same for what takes longer than a condition of a scenario may.
pub(crate) async fn eventually_within<T>(patience: Duration, what: &str, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < deadline, "still not {what} after {patience:?}: {seen}"),
        }
        sleep(LOOK_EVERY).await;
    }
}
