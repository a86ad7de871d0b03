//! Work that all who want the same at the same time share, and that nobody cancels by going away.
//!
//! What came of it is not kept here: whoever keeps successes does, and a failure is told to those who waited for it and to nobody else.

use std::{future::Future, panic::AssertUnwindSafe};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::runtime::Handle;

use crate::log::LogError;

/// An outcome to wait for, by as many as want it.
pub(super) type Underway<T, E> = Shared<BoxFuture<'static, Result<T, E>>>;

/// Starts `work` on `runtime`; `settle` gets its outcome, a panic included, before anyone else does.
pub(super) fn start<T, E>(
    runtime: &Handle,
    work: impl Future<Output = Result<T, E>> + Send + 'static,
    settle: impl FnOnce(Result<T, E>) -> Result<T, E> + Send + 'static,
) -> Underway<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: From<LogError> + Clone + Send + Sync + 'static,
{
    let task = runtime.spawn(async move {
        let outcome = AssertUnwindSafe(work).catch_unwind().await;
        settle(outcome.unwrap_or_else(|_| Err(LogError::Internal("what was asked of the log panicked".to_owned()).into())))
    });
    // the runtime ends while it is under way
    let outcome = task.map(|ended| ended.unwrap_or_else(|_| Err(LogError::Unknown("shutting down".to_owned()).into())));
    outcome.boxed().shared()
}
