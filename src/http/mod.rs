//! The service as HTTP: which paths there are, what they take, and how errors look.
//!
//! [`routes`] is the table of paths, [`code`] the table of errors; handlers are thin and stand in a file per resource. [`app`]
//! puts the middleware round them.
//!
//! Owns no tasks and no data: all that handlers use is in [`State`]. What is a valid event is `ingest`'s, what a cursor means is `domain`'s.

mod app;
pub mod code;
mod exchange;
pub mod gap;
pub mod guard;
mod health;
mod history;
mod in_flight;
mod media_type;
pub mod observe;
pub mod openapi;
pub mod origin;
mod pages;
mod params;
pub mod problem;
mod publish;
pub mod query;
mod refusals;
pub mod routes;
mod state;
mod stats;
mod subscribe;
#[cfg(test)]
mod tests;

pub use app::app;
pub use code::Code;
pub use guard::{Guard, Openness};
pub use in_flight::InFlight;
pub use origin::Origins;
pub use problem::Problem;
pub use publish::Publish;
pub use refusals::refusals;
pub use state::{Facts, Health, HealthStatus, ServiceHealth, State};
pub use stats::{
    BackplaneStatistics, ConnectionStatistics, EventStatistics, LatencyStatistics, LogStatistics, MemoryStatistics, Percentiles,
    QueueStatistics, RingStatistics, Statistics,
};
pub use subscribe::Following;
