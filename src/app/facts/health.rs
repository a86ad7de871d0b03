//! How the parts are doing, for probes and people.

use std::collections::BTreeMap;

use super::AppFacts;
use crate::http::{Facts as _, Health, HealthStatus, ServiceHealth};

impl AppFacts {
    pub(super) fn look_at_health(&self) -> Health {
        let part = |status, detail: Option<&str>| ServiceHealth { status, detail: detail.map(str::to_owned) };
        let log = match (self.hubs.is_reachable(), self.publisher.is_log_reachable()) {
            (true, true) => part(HealthStatus::Healthy, None),
            (true, false) => part(
                HealthStatus::Degraded,
                Some("can be read, but within the last half minute a publish was refused and none was stored after it"),
            ),
            (false, _) => part(HealthStatus::Degraded, Some("out of reach: publishing is refused, live streams and recent replay go on")),
        };
        let admission = self.hubs.admission();
        let hub = match (self.draining(), admission.now() >= admission.max()) {
            (true, _) => part(HealthStatus::Degraded, Some("draining")),
            (false, true) => part(HealthStatus::Degraded, Some("every connection is taken")),
            (false, false) => part(HealthStatus::Healthy, None),
        };
        let backplane = if self.backplane.status().is_connected {
            part(HealthStatus::Healthy, None)
        } else {
            part(HealthStatus::Degraded, Some("out of reach: other instances hear of events a moment later"))
        };
        let mut services = BTreeMap::from([("log", log), ("hub", hub), ("backplane", backplane)]);
        if let Some(leases) = &self.leases {
            services.insert(
                "limits",
                match leases.are_shared() {
                    true => part(HealthStatus::Healthy, None),
                    false => part(HealthStatus::Degraded, Some("limits count on this instance alone")),
                },
            );
        }
        let status = services.values().map(|service| service.status).max().unwrap_or(HealthStatus::Healthy);
        Health { status, services }
    }
}
