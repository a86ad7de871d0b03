//! `/admin/revocations`: credentials that are not taken any more although nothing of them says so.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Caller, Console,
    keys::Asked,
    members::{self, Members},
};
use crate::{auth::NewRevocation, http::problem::Problem, log::Revocation};

/// What to revoke: credentials that match all that is given. At least one of `jti`, `sub`, `tenant`. Unknown members are refused.
#[derive(ToSchema)]
#[schema(as = NewRevocation, rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `create` reads")]
pub(in crate::http) struct NewRevocationBody {
    /// Only the token with this id.
    #[schema(min_length = 1, max_length = 255)]
    jti: Option<String>,
    /// Only this subject's.
    #[schema(min_length = 1, max_length = 255)]
    sub: Option<String>,
    /// Only this tenant's. A tenant's admin revokes within its tenant, said or not.
    #[schema(pattern = "^[!-~]{1,64}$")]
    tenant: Option<String>,
    /// Only what was issued before, or does not say when.
    #[schema(format = DateTime)]
    issued_before: Option<String>,
    /// When it may be forgotten, because nothing that it concerns is valid any more.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Why, for the audit trail.
    #[schema(min_length = 1, max_length = 255)]
    reason: Option<String>,
}

/// A revocation.
#[derive(Serialize, ToSchema)]
#[schema(as = Revocation)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RevocationView {
    /// Its name.
    id: String,
    /// Only the token with this id.
    jti: Option<String>,
    /// Only this subject's.
    sub: Option<String>,
    /// Only this tenant's.
    tenant: Option<String>,
    /// Only what was issued before, or does not say when.
    #[schema(format = DateTime)]
    issued_before: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it may be forgotten.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// Revocations.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct RevocationList {
    /// Those that have not expired.
    revocations: Vec<RevocationView>,
}

impl From<Revocation> for RevocationView {
    fn from(revocation: Revocation) -> Self {
        Self {
            id: revocation.id,
            jti: revocation.token_id,
            sub: revocation.subject,
            tenant: revocation.tenant.map(|tenant| tenant.to_string()),
            issued_before: revocation.issued_before.map(|at| at.to_string()),
            created_at: revocation.created_at.to_string(),
            expires_at: revocation.expires_at.map(|at| at.to_string()),
        }
    }
}

/// Revokes credentials; open streams of theirs are closed.
#[utoipa::path(post, path = "/admin/revocations", tag = "admin", security((), ("bearer" = [])), operation_id = "revoke", request_body = NewRevocationBody, responses(
    (status = 201, description = "No instance takes them within a second", body = RevocationView)
))]
pub(in crate::http) async fn create(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
    console: web::Data<Console>,
) -> Result<HttpResponse, Problem> {
    let body = members::body(&caller, &console, &request, payload).await?;
    let mut members = Members::read(&body, &["jti", "sub", "tenant", "issuedBefore", "expiresAt", "reason"])?;
    let (token_id, subject) = (members.optional("jti", members::text), members.optional("sub", members::text));
    let asked = members.optional("tenant", members::tenant);
    let issued_before = members.optional("issuedBefore", members::time);
    let expires_at = members.optional("expiresAt", members::future);
    let reason = members.optional("reason", members::text);
    if token_id.is_none() && subject.is_none() && asked.is_none() {
        members.fault("", "missing", "at least one of jti, sub and tenant must be given");
    }
    members.finish()?;
    let wanted = NewRevocation { tenant: caller.scope(asked)?, subject, token_id, issued_before, expires_at };
    let made = console.admin.revoke(caller.principal(), wanted, reason).await?;
    Ok(HttpResponse::Created().json(RevocationView::from(made)))
}

/// Lists revocations.
#[utoipa::path(get, path = "/admin/revocations", tag = "admin", security((), ("bearer" = [])), operation_id = "listRevocations",
    params(
        ("tenant" = inline(Option<String>), Query, pattern = "^[!-~]{1,64}$", description = "Only this tenant's; for a super admin"),
        ("reason" = inline(Option<String>), Query, min_length = 1, max_length = 500, description = "Why another tenant's are looked at, for the audit trail"),
    ),
    responses((status = 200, description = "Those that the caller may see", body = RevocationList))
)]
pub(in crate::http) async fn list(caller: Caller, request: HttpRequest, console: web::Data<Console>) -> Result<HttpResponse, Problem> {
    let scope = Asked::read(request.query_string())?.scope(&caller, &console).await?;
    let revocations = console.admin.revocations(caller.principal(), scope.as_ref()).await?;
    Ok(HttpResponse::Ok().json(RevocationList { revocations: revocations.into_iter().map(RevocationView::from).collect() }))
}

/// Takes a revocation back.
#[utoipa::path(delete, path = "/admin/revocations/{id}", tag = "admin", security((), ("bearer" = [])), operation_id = "liftRevocation",
    params(("id" = String, Path, description = "The revocation")),
    responses((status = 204, description = "What it concerned is taken again, as far as it is valid"))
)]
pub(in crate::http) async fn lift(caller: Caller, id: web::Path<String>, console: web::Data<Console>) -> Result<HttpResponse, Problem> {
    console.admin.lift(caller.principal(), &id).await?;
    Ok(HttpResponse::NoContent().finish())
}
