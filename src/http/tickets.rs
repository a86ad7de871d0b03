//! `POST /events/tickets`: exchanges a credential for a ticket, which may stand in the address of an EventSource: it is useless to whoever finds it
//! in a log, because it is bound to the first filter that it is used for, soon or never.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{caller::Caller, params, problem::Problem, state::State};

/// A ticket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ticket)]
pub(super) struct Answer {
    /// For the parameter `ticket` of `/events/subscribe`.
    #[schema(example = "cct_…")]
    ticket: String,
    /// Until when it must have been used for the first time.
    #[schema(format = DateTime)]
    first_use_by: String,
    /// From when on it is not taken at all; streams that it opened end then.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Makes a ticket.
#[utoipa::path(
    post, path = "/events/tickets", tag = "access", operation_id = "issue_ticket", security(("bearer" = [])),
    description = "For clients that cannot send headers. The first use binds the ticket to its filter; a newer use ends the older stream.",
    responses((status = 201, description = "The ticket", body = Answer))
)]
pub(super) async fn issue(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let (caller, _) = Caller::bearer(&request, &state).await?;
    params::none(request.query_string())?;
    state.scrutiny.limits.arrive(state.scrutiny.client(&request))?;
    caller.begin(&state)?;
    let issued = state.authority.issue_ticket(&caller.principal).await?;
    let (first_use_by, expires_at) = (issued.first_use_by.to_string(), issued.expires_at.to_string());
    Ok(HttpResponse::Created().insert_header((header::CACHE_CONTROL, "no-store")).json(Answer {
        ticket: issued.text,
        first_use_by,
        expires_at,
    }))
}
