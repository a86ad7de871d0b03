//! Health for people, and the two probes for whatever runs the service.
//!
//! *Live* means that the process answers: nothing else may restart it, least of all a database that is away. *Ready* means that new
//! connections should come here.

use actix_web::{HttpResponse, HttpResponseBuilder, http::StatusCode, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::state::{Health, HealthStatus, State};

/// A probe's answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Probe {
    /// One word.
    #[schema(value_type = String, pattern = "^(alive|ready|starting|draining)$")]
    status: &'static str,
}

fn answer(good: bool, body: impl Serialize) -> HttpResponse {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponseBuilder::new(status).json(body)
}

/// How the parts are doing.
#[utoipa::path(get, path = "/health", tag = "operation", operation_id = "health", responses(
    (status = 200, description = "Healthy, or degraded", body = Health),
    (status = 503, description = "Unhealthy", body = Health)
))]
pub(super) async fn health(state: web::Data<State>) -> HttpResponse {
    let health = state.facts.health();
    answer(health.status < HealthStatus::Unhealthy, health)
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health/live", tag = "operation", operation_id = "live", responses(
    (status = 200, description = "The process answers", body = Probe)
))]
pub(super) async fn live() -> HttpResponse {
    answer(true, Probe { status: "alive" })
}

/// Whether new connections should come here.
#[utoipa::path(get, path = "/health/ready", tag = "operation", operation_id = "ready", responses(
    (status = 200, description = "New connections are welcome", body = Probe),
    (status = 503, description = "Still starting, or already stopping", body = Probe)
))]
pub(super) async fn ready(state: web::Data<State>) -> HttpResponse {
    let status = match (state.facts.draining(), state.facts.ready()) {
        (true, _) => "draining",
        (false, true) => "ready",
        (false, false) => "starting",
    };
    answer(status == "ready", Probe { status })
}
