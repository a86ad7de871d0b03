//! What handlers share: made once by the composition root, cloned to every worker.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::{
    authority::Authority, credentials::CredentialSettings, overall::Overall, problem::Problem, publish::Publish, scrutiny::Scrutiny,
    stats::Statistics,
};
use crate::{
    domain::LogName,
    hub::{Hubs, OpenError},
    ingest,
    log::{EventLog, LogError, LogId, TenantSettings},
    trace::Tracer,
};

/// Everything a handler may use.
#[derive(Clone)]
pub struct State {
    /// The store.
    pub log: Arc<dyn EventLog>,
    /// Who says who asks.
    pub authority: Arc<dyn Authority>,
    /// How credentials may come.
    pub credentials: CredentialSettings,
    /// Which log is whose.
    pub logs: Arc<dyn Logs>,
    /// Where events are published.
    pub publisher: Arc<dyn Publish>,
    /// How the instance is doing.
    pub facts: Arc<dyn Facts>,
    /// How all instances are doing.
    pub cluster: Arc<dyn Cluster>,
    /// What every credential goes through, and how much one client may ask for.
    pub scrutiny: Scrutiny,
    /// The events a second that one connection is sent, where its tenant has no setting of its own.
    pub deliver_per_second: Option<NonZeroU32>,
    /// What a publish request may hold.
    pub ingest: ingest::Limits,
    /// Room, in KiB, for bodies that are read before it is known who sent them.
    pub unverified: Arc<Semaphore>,
    /// The most selectors of a filter.
    pub max_selectors: usize,
    /// Who is told of requests that are steps of traces.
    pub tracer: Tracer,
}

impl State {
    /// The log of a tenant.
    pub(super) async fn log_of(&self, tenant: &LogName) -> Result<LogId, Problem> {
        Ok(self.logs.log(tenant).await?)
    }

    /// The events a second that a connection to this log is sent.
    pub(super) fn deliver_per_second(&self, log: LogId) -> Option<NonZeroU32> {
        self.logs.settings_of(log).deliver_per_second.map_or(self.deliver_per_second, NonZeroU32::new)
    }
}

/// Which log is whose; a fake one in tests.
#[async_trait]
pub trait Logs: Send + Sync + 'static {
    /// See [`Hubs::log`].
    async fn log(&self, name: &LogName) -> Result<LogId, OpenError>;

    /// See [`Hubs::has_log`].
    async fn has_log(&self, name: &LogName) -> Result<bool, LogError>;

    /// See [`Hubs::settings_of`].
    fn settings_of(&self, id: LogId) -> TenantSettings;
}

#[async_trait]
impl Logs for Hubs {
    async fn log(&self, name: &LogName) -> Result<LogId, OpenError> {
        Self::log(self, name).await
    }

    async fn has_log(&self, name: &LogName) -> Result<bool, LogError> {
        Self::has_log(self, name).await
    }

    fn settings_of(&self, id: LogId) -> TenantSettings {
        Self::settings_of(self, id)
    }
}

/// What health and statistics are told; implemented where hub, log and publisher meet.
///
/// Called on worker threads, by probes and dashboards: must answer from memory, without waiting.
pub trait Facts: Send + Sync + 'static {
    /// Whether new work is welcome: the rings are filled and the log was reached.
    fn ready(&self) -> bool;

    /// Whether the instance is stopping.
    fn draining(&self) -> bool;

    /// How the parts are doing.
    fn health(&self) -> Health;

    /// Statistics for dashboards, of this log only; with `whole_instance` also what all logs share, from which one tenant could learn another's volume.
    fn statistics(&self, log: LogId, whole_instance: bool) -> Statistics;

    /// All logs together, for whoever may see the whole instance; what is counted never grows less.
    fn overall(&self) -> Overall;
}

/// Statistics of all instances; implemented where they meet.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// As [`Facts::statistics`], of all instances that answer in time.
    async fn statistics(&self, log: LogId, whole_instance: bool) -> Statistics;
}

/// How the instance is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// The worst that matters.
    pub status: HealthStatus,
    /// Each part by name: `log`, `backplane`, …
    pub services: BTreeMap<&'static str, ServiceHealth>,
}

/// How one part is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServiceHealth {
    /// Its state.
    pub status: HealthStatus,
    /// More, for people; nothing of addresses or credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A state of health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// All is well.
    Healthy,
    /// Something is missing that can be done without for a while.
    Degraded,
    /// It cannot do what it is for.
    Unhealthy,
}
