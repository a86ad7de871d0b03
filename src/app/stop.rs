//! The run of an [`App`], and its end, step by step.
//!
//! **Drain, don't drop** (`drain_dont_drop_a_restart_is_told_and_resumed_without_loss`): on a stop the instance says at once that it is not ready; after
//! the drain delay, in which nothing else changes, every stream is told `hub.closing` over the drain window, while publishing goes on; then the port is
//! closed, requests that are under way are answered, what was accepted is committed, and the store is closed.

use std::{future::Future, time::Duration};

use anyhow::Context as _;
use tokio::time::{Instant, sleep, timeout};

use super::{
    App,
    serve::{CONNECTIONS_END_WITHIN_SECONDS, close},
};
use crate::telemetry::otlp::FLUSH_ENDS_WITHIN;

/// How long a stop may take beyond the drain delay and the drain window: whatever ends the process must be more patient than all three together.
pub const STOP_ENDS_WITHIN: Duration = DRAIN_SLACK
    .saturating_add(REQUESTS_END_WITHIN)
    .saturating_add(Duration::from_secs(2 * CONNECTIONS_END_WITHIN_SECONDS))
    .saturating_add(COMMITS_END_WITHIN)
    .saturating_add(GOODBYE);
/// How much longer than the window the last streams may take to be let go of.
const DRAIN_SLACK: Duration = Duration::from_secs(1);
/// How long requests that are under way may take to end.
const REQUESTS_END_WITHIN: Duration = Duration::from_secs(10);
/// How long what was accepted may take to be committed at the end.
const COMMITS_END_WITHIN: Duration = Duration::from_secs(15);
/// How long other instances are told that this one is gone: each of the two ways has a second. The last traces are sent meanwhile.
const GOODBYE: Duration = FLUSH_ENDS_WITHIN;

impl App {
    /// Serves until `stop` is over, then moves clients elsewhere and ends.
    ///
    /// # Errors
    /// When the accept loop fails.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self {
            server,
            operators,
            listener,
            hubs,
            facts,
            in_flight,
            log,
            backplane,
            drain_delay,
            drain,
            exporting,
            stop: stop_tasks,
            mut tasks,
            ..
        } = self;
        let handle = server.handle();
        let mut serving = tokio::spawn(server);
        let operators = operators.map(|server| (server.handle(), tokio::spawn(server)));
        tokio::select! {
            ended = &mut serving => {
                ended.context("the server's task died")??;
                anyhow::bail!("the server ended by itself");
            }
            () = stop => {}
        }
        facts.leave();
        if !drain_delay.is_zero() {
            tracing::info!(delay_seconds = drain_delay.as_secs(), "stopping: not ready any more, and serving until load balancers know");
            sleep(drain_delay).await;
        }
        tracing::info!(connections = hubs.admission().now(), window_seconds = drain.as_secs(), "stopping: moving clients elsewhere");
        in_flight.close_connections();
        hubs.drain(drain);
        wait_until(drain + DRAIN_SLACK, || hubs.admission().now() == 0).await;
        close(&handle, listener).await;
        wait_until(REQUESTS_END_WITHIN, || in_flight.now() == 0).await;
        handle.stop(true).await;
        serving.await.context("the server's task died")??;
        if let Some((handle, serving)) = operators {
            handle.stop(true).await;
            serving.await.context("the operators' server died")??;
        }
        stop_tasks.send_replace(true);
        let committed = timeout(COMMITS_END_WITHIN, async { while tasks.join_next().await.is_some() {} }).await;
        if committed.is_err() {
            tracing::error!("the store does not answer: stopping with publishers that were not told their outcome");
        }
        // meanwhile, and on a thread that may wait: all that was told of is over
        let flushing = tokio::task::spawn_blocking(|| exporting.finish());
        if let Some(leases) = backplane.leases() {
            // or clients that were moved would count twice, here and there, until the lease ends
            leases.settle().await;
        }
        backplane.leave().await;
        hubs.stop();
        log.close().await;
        if flushing.await.is_err() {
            tracing::error!("the last traces were not sent");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Waits for `condition`, but no longer than `patience`.
async fn wait_until(patience: Duration, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
}
