//! `/admin/keys`: API keys and signing keys. A secret is in the answer that makes it, and nowhere else.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    Caller, Console,
    members::{self, Members},
};
use crate::{
    auth::{AuthError, MAX_OVERLAP, NewKey, Role, ShownOnce},
    domain::LogName,
    http::{
        code::Code,
        params::{self, Once},
        problem::Problem,
        tenancy,
    },
    log::{KeyKind, KeyRecord},
};

/// How long the old secret is taken after a rotation that does not say.
const DEFAULT_OVERLAP_SECONDS: u64 = 86_400;

const KINDS: &[(&str, KeyKind)] = &[("bearer", KeyKind::Bearer), ("signing", KeyKind::Signing)];

/// A key to make. Unknown members are refused.
#[derive(ToSchema)]
#[schema(as = NewKey, rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `create` reads")]
pub(in crate::http) struct NewKeyBody {
    /// What its owner calls it.
    #[schema(max_length = 255, example = "indexer-eu")]
    name: String,
    /// `bearer`: sent as it is. `signing`: signs publish requests, and never travels.
    #[schema(pattern = "^(bearer|signing)$")]
    kind: String,
    /// Whose log it is for; the caller's own by default. Another one's only for a super admin.
    #[schema(pattern = "^[!-~]{1,64}$")]
    tenant: Option<String>,
    /// What it may do; what is not given is not allowed.
    #[schema(value_type = Object, example = json!({"publish": {"types": ["stream.*"]}, "source": "indexer"}))]
    rights: (),
    /// From when on it is not taken; without it, never by itself.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// How a key is rotated.
#[derive(ToSchema)]
#[schema(as = Rotation, rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `rotate` reads")]
pub(in crate::http) struct RotateBody {
    /// How long the old secret is still taken; 0 ends it at once.
    #[schema(maximum = 2_592_000, default = 86_400)]
    overlap_seconds: Option<u64>,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct KeyView {
    /// Its public name.
    #[schema(example = "k3v9x0a1b2c3")]
    id: String,
    /// Whose log it is for.
    tenant: String,
    /// What its owner calls it.
    name: String,
    /// How it is used.
    #[schema(value_type = String, pattern = "^(bearer|signing)$")]
    kind: &'static str,
    /// Which secret it has: counts rotations, from 1.
    generation: u32,
    /// What it may do.
    #[schema(value_type = Object)]
    rights: Option<Box<RawValue>>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// From when on it is not taken.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Until when the secret before the last rotation is taken.
    #[schema(format = DateTime)]
    previous_until: Option<String>,
    /// Since when it is not taken.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

/// A key with its new secret.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct IssuedKey {
    /// The key.
    #[serde(flatten)]
    key: KeyView,
    /// Shown here and never again: the service does not keep it.
    secret: String,
}

/// Keys, oldest first.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct KeyList {
    /// Revoked ones included.
    keys: Vec<KeyView>,
}

impl From<KeyRecord> for KeyView {
    fn from(key: KeyRecord) -> Self {
        let kind = KINDS.iter().find(|(_, kind)| *kind == key.kind).map_or("", |(word, _)| *word);
        Self {
            id: key.id,
            tenant: key.tenant.to_string(),
            name: key.name,
            kind,
            generation: key.generation,
            rights: RawValue::from_string(key.rights).ok(),
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            previous_until: key.previous_until.map(|at| at.to_string()),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
        }
    }
}

impl IssuedKey {
    fn new((key, secret): (KeyRecord, ShownOnce)) -> Self {
        Self { key: key.into(), secret: secret.expose().to_owned() }
    }
}

/// Makes a key.
#[utoipa::path(post, path = "/admin/keys", tag = "admin", security((), ("bearer" = [])), operation_id = "createKey", request_body = NewKeyBody, responses(
    (status = 201, description = "Made; the secret is shown this once", body = IssuedKey)
))]
pub(in crate::http) async fn create(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
    console: web::Data<Console>,
) -> Result<HttpResponse, Problem> {
    let body = members::body(&caller, &console, &request, payload).await?;
    let mut members = Members::read(&body, &["name", "kind", "tenant", "rights", "expiresAt"])?;
    let name = members.required("name", members::text);
    let kind = members.required("kind", members::word(KINDS));
    let tenant = members.optional("tenant", members::tenant);
    let rights = members.required("rights", members::rights);
    let expires_at = members.optional("expiresAt", members::future);
    members.finish()?;
    let (Some(name), Some(kind), Some(rights)) = (name, kind, rights) else { return Err(Problem::new(Code::Internal)) };
    if rights.role == Role::SuperAdmin {
        caller.of_all()?;
    }
    let key = NewKey { tenant: caller.tenant(tenant)?, name, kind, rights, expires_at };
    let made = console.admin.create_key(caller.principal(), key).await?;
    Ok(HttpResponse::Created().json(IssuedKey::new(made)))
}

/// Lists keys.
#[utoipa::path(get, path = "/admin/keys", tag = "admin", security((), ("bearer" = [])), operation_id = "listKeys",
    params(
        ("tenant" = inline(Option<String>), Query, pattern = "^[!-~]{1,64}$", description = "Only this tenant's; for a super admin"),
        ("reason" = inline(Option<String>), Query, min_length = 1, max_length = 500, description = "Why another tenant's are looked at, for the audit trail"),
    ),
    responses((status = 200, description = "The keys that the caller may see", body = KeyList))
)]
pub(in crate::http) async fn list(caller: Caller, request: HttpRequest, console: web::Data<Console>) -> Result<HttpResponse, Problem> {
    let scope = Asked::read(request.query_string())?.scope(&caller, &console).await?;
    let keys = console.admin.keys(caller.principal(), scope.as_ref()).await?;
    Ok(HttpResponse::Ok().json(KeyList { keys: keys.into_iter().map(KeyView::from).collect() }))
}

/// Gives a key another secret; the old one is taken a while longer, so that both can be exchanged without a pause.
#[utoipa::path(post, path = "/admin/keys/{id}/rotate", tag = "admin", security((), ("bearer" = [])), operation_id = "rotateKey",
    params(
        ("id" = String, Path, description = "The key"),
        ("tenant" = inline(Option<String>), Query, pattern = "^[!-~]{1,64}$", description = "Only if it is this tenant's"),
    ),
    request_body(content = Option<RotateBody>),
    responses((status = 200, description = "The new secret, shown this once", body = IssuedKey))
)]
pub(in crate::http) async fn rotate(
    caller: Caller,
    id: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
    console: web::Data<Console>,
) -> Result<HttpResponse, Problem> {
    let body = members::optional_body(&caller, &console, &request, payload).await?;
    let mut members = Members::read(&body, &["overlapSeconds"])?;
    let overlap = members.optional("overlapSeconds", members::number(0, MAX_OVERLAP.as_secs())).unwrap_or(DEFAULT_OVERLAP_SECONDS);
    members.finish()?;
    let tenant = tenant_of(&caller, &console, &request, &id).await?;
    let rotated = console.admin.rotate_key(caller.principal(), &tenant, &id, Duration::from_secs(overlap)).await?;
    Ok(HttpResponse::Ok().json(IssuedKey::new(rotated)))
}

/// Ends a key: within a second no instance takes it, and what is open with it is closed.
#[utoipa::path(delete, path = "/admin/keys/{id}", tag = "admin", security((), ("bearer" = [])), operation_id = "revokeKey",
    params(
        ("id" = String, Path, description = "The key"),
        ("tenant" = inline(Option<String>), Query, pattern = "^[!-~]{1,64}$", description = "Only if it is this tenant's"),
    ),
    responses((status = 204, description = "It is not taken any more"))
)]
pub(in crate::http) async fn revoke(
    caller: Caller,
    id: web::Path<String>,
    request: HttpRequest,
    console: web::Data<Console>,
) -> Result<HttpResponse, Problem> {
    let tenant = tenant_of(&caller, &console, &request, &id).await?;
    console.admin.revoke_key(caller.principal(), &tenant, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whose key this is, as far as the caller may know.
async fn tenant_of(caller: &Caller, console: &Console, request: &HttpRequest, id: &str) -> Result<LogName, Problem> {
    let scope = Asked::read(request.query_string())?.scope(caller, console).await?;
    let keys = console.admin.keys(caller.principal(), scope.as_ref()).await?;
    keys.into_iter().find(|key| key.id == id).map(|key| key.tenant).ok_or_else(|| Problem::from(AuthError::NotFound("key")))
}

/// The parameters that most of these routes have.
pub(super) struct Asked {
    tenant: Option<LogName>,
    reason: Option<String>,
}

impl Asked {
    pub(super) fn read(query: &str) -> Result<Self, Problem> {
        let (mut tenant, mut reason) = (Once::new("tenant"), Once::new("reason"));
        for (name, value) in params::pairs(query)? {
            match name.as_str() {
                "tenant" => tenant.set(&value, parse_tenant)?,
                "reason" => reason.set(&value, tenancy::parse_reason)?,
                _ => return Err(params::unknown(&name)),
            }
        }
        Ok(Self { tenant: tenant.get(), reason: reason.get() })
    }

    /// Whose things are meant. A reason that was given for looking at another tenant's goes on record first.
    pub(super) async fn scope(self, caller: &Caller, console: &Console) -> Result<Option<LogName>, Problem> {
        let scope = caller.scope(self.tenant)?;
        if let (Some(tenant), Some(reason)) = (scope.as_ref().filter(|tenant| **tenant != caller.principal().tenant), self.reason) {
            console.admin.record_read(caller.principal(), tenant, &reason).await?;
        }
        Ok(scope)
    }
}

/// A tenant's name in a query or a path.
pub(super) fn parse_tenant(text: &str) -> Result<LogName, String> {
    LogName::parse(text).map_err(|error| error.to_string())
}
