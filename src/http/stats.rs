//! `GET /events/stats`: numbers for dashboards.

use actix_web::{HttpResponse, web};

use super::state::State;

/// Statistics of the caller's log.
#[utoipa::path(get, path = "/events/stats", tag = "operation", operation_id = "stats", responses(
    (status = 200, description = "Connections, events, latency, log, rings and memory", body = super::openapi::Statistics)
))]
pub(super) async fn stats(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(state.facts.statistics(state.log_id))
}
