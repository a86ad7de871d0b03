//! Calls a log on the runtime that opened it.
//!
//! HTTP workers are runtimes of their own. A database connection belongs to the reactor of the runtime that made it, and must not move to
//! one that may be shut down before it. And a caller that goes away must not cancel a write half way: the spawned call runs to its end.

mod access;

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::{
    AppendRequest, Appended, ContentDigest, Disk, EventLog, LogError, LogId, Look, Page, PageRequest, Retention, SessionCounts, Store,
    Trimmed,
};
use crate::domain::{Epoch, EpochChain, EventId, LogName, Seq, Source, Timestamp};

/// A log whose every call runs on one runtime.
pub struct OnRuntime {
    inner: Arc<dyn Store>,
    handle: Handle,
}

impl OnRuntime {
    /// `handle` is the runtime on which `inner` was opened.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, handle: Handle) -> Self {
        Self { inner, handle }
    }

    async fn run<T, F>(&self, call: impl FnOnce(Arc<dyn Store>) -> F) -> Result<T, LogError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, LogError>> + Send + 'static,
    {
        match self.handle.spawn(call(Arc::clone(&self.inner))).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(LogError::Internal("the call panicked".into())),
            // the runtime ends while the call is under way
            Err(_) => Err(LogError::Unknown("shutting down".into())),
        }
    }
}

#[async_trait]
impl EventLog for OnRuntime {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    async fn open(&self, name: &LogName) -> Result<LogId, LogError> {
        let name = name.clone();
        self.run(|log| async move { log.open(&name).await }).await
    }

    async fn append(&self, log: LogId, requests: &[AppendRequest]) -> Result<Appended, LogError> {
        let requests = requests.to_vec();
        self.run(|inner| async move { inner.append(log, &requests).await }).await
    }

    async fn look(&self) -> Result<Look, LogError> {
        self.run(|inner| async move { inner.look().await }).await
    }

    async fn epochs(&self, log: LogId) -> Result<EpochChain, LogError> {
        self.run(|inner| async move { inner.epochs(log).await }).await
    }

    async fn read(&self, log: LogId, request: &PageRequest) -> Result<Page, LogError> {
        let request = request.clone();
        self.run(|inner| async move { inner.read(log, &request).await }).await
    }

    async fn seq_before(&self, log: LogId, at: Timestamp) -> Result<Seq, LogError> {
        self.run(|inner| async move { inner.seq_before(log, at).await }).await
    }

    async fn trim(&self, log: LogId, retention: &Retention) -> Result<Trimmed, LogError> {
        let retention = *retention;
        self.run(|inner| async move { inner.trim(log, &retention).await }).await
    }

    async fn new_epoch(&self, log: LogId, cause: &str) -> Result<Epoch, LogError> {
        let cause = cause.to_owned();
        self.run(|inner| async move { inner.new_epoch(log, &cause).await }).await
    }

    async fn ids(&self, log: LogId) -> Result<Option<u64>, LogError> {
        self.run(|inner| async move { inner.ids(log).await }).await
    }

    async fn digests(&self, log: LogId, ids: &[(Source, EventId)]) -> Result<Vec<Option<ContentDigest>>, LogError> {
        let ids = ids.to_vec();
        self.run(|inner| async move { inner.digests(log, &ids).await }).await
    }

    async fn size_bytes(&self) -> Result<u64, LogError> {
        self.run(|inner| async move { inner.size_bytes().await }).await
    }

    async fn disk(&self) -> Result<Option<Disk>, LogError> {
        self.run(|inner| async move { inner.disk().await }).await
    }

    fn sessions(&self) -> Vec<(&'static str, SessionCounts)> {
        self.inner.sessions()
    }

    async fn close(&self) {
        let closed = self.run(|inner| async move {
            inner.close().await;
            Ok(())
        });
        // the runtime may be gone already, and with it every connection
        let _ = closed.await;
    }
}
