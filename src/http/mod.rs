//! The service as HTTP: which paths there are, what they take, and how errors look.
//!
//! [`routes`] is the table of paths, [`code`] the table of errors; handlers are thin and stand in a file per resource. [`app`]
//! puts the middleware round them. Who asks is found out in `credentials` and `caller`, from what an [`Authority`] says.
//!
//! Owns no tasks and no data: all that handlers use is in [`State`]. What is a valid event is `ingest`'s, what a cursor means is `domain`'s.

pub mod admin;
mod app;
pub mod asyncapi;
mod authority;
mod caller;
mod client;
pub mod code;
mod credentials;
mod exchange;
mod failures;
pub mod gap;
pub mod guard;
mod health;
mod history;
mod in_flight;
mod limits;
mod media_type;
mod metrics;
pub mod observe;
pub mod openapi;
pub mod origin;
mod overall;
mod pages;
mod params;
pub mod problem;
mod publish;
pub mod query;
mod refusals;
mod refused;
mod requests;
pub mod routes;
mod scrutiny;
mod session;
mod state;
mod stats;
mod subscribe;
mod tenancy;
#[cfg(test)]
mod tests;
mod tickets;
mod traced;

pub use admin::{Admin, Console};
pub use app::{admin_app, app};
pub use authority::{Authority, IssuedTicket, Registration, Signed, TicketUse};
pub use client::{ClientNet, Clients, ForwardedBy, Proxies};
pub use code::Code;
pub use cookie::SameSite;
pub use credentials::CredentialSettings;
pub use guard::{Guard, Openness};
pub use in_flight::InFlight;
pub use limits::{Limit, LimitSettings, Limited, Limits, Place, SharedPlaces};
pub use origin::Origins;
pub use overall::{Overall, ProcessFacts, RuntimeFacts, StoreFacts, Told};
pub use problem::Problem;
pub use publish::Publish;
pub use refusals::refusals;
pub use refused::RefusedCredentials;
pub use scrutiny::Scrutiny;
pub use session::CookieSettings;
pub use state::{Cluster, Facts, Health, HealthStatus, Logs, ServiceHealth, State};
pub use stats::{
    BackplaneStatistics, BackplaneTraffic, ConnectionStatistics, DatabaseStatistics, EventStatistics, InstanceStatistics, InstanceSummary,
    LatencyStatistics, LimitStatistics, LogStatistics, MemoryStatistics, Percentiles, QueueStatistics, ReplayStatistics, RingStatistics,
    Scope, Statistics,
};
pub use subscribe::Following;
pub use tenancy::Tenancy;
