//! `/admin/tenants`: what is set for one tenant apart from the others; for super admins.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Caller, Console,
    keys::{Asked, parse_tenant},
    members::{self, Members},
};
use crate::{
    domain::LogName,
    http::{code::Code, problem::Problem},
    log::TenantSettings,
};

/// All of a tenant's own settings: what is not given is as the service's settings say. Unknown members are refused.
#[derive(ToSchema)]
#[schema(as = TenantSettings, rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `set` reads")]
pub(in crate::http) struct TenantBody {
    /// Events older than this many days may go.
    #[schema(minimum = 1, maximum = 36_500)]
    retention_days: Option<u32>,
    /// At most this many events are kept.
    #[schema(minimum = 1)]
    retention_events: Option<u64>,
    /// Connections at once, on one instance.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u64)]
    max_connections: Option<u32>,
    /// Events published a second, by one credential on one instance.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u64)]
    publish_per_second: Option<u32>,
    /// Events delivered a second to one connection.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u64)]
    deliver_per_second: Option<u32>,
}

/// A tenant and what is set for it; null is as the service's settings say.
#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct TenantView {
    /// Its name.
    name: String,
    /// Events older than this many days may go.
    retention_days: Option<u32>,
    /// At most this many events are kept.
    retention_events: Option<u64>,
    /// Connections at once, on one instance.
    #[schema(value_type = Option<u64>)]
    max_connections: Option<u32>,
    /// Events published a second, by one credential on one instance.
    #[schema(value_type = Option<u64>)]
    publish_per_second: Option<u32>,
    /// Events delivered a second to one connection.
    #[schema(value_type = Option<u64>)]
    deliver_per_second: Option<u32>,
}

/// Tenants.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TenantList {
    /// Those that have settings of their own.
    tenants: Vec<TenantView>,
}

impl TenantView {
    fn new(name: &LogName, settings: TenantSettings) -> Self {
        let TenantSettings { retention_days, retention_events, max_connections, publish_per_second, deliver_per_second } = settings;
        Self { name: name.to_string(), retention_days, retention_events, max_connections, publish_per_second, deliver_per_second }
    }
}

/// Lists tenants that have settings of their own; for a super admin.
#[utoipa::path(get, path = "/admin/tenants", tag = "admin", security((), ("bearer" = [])), operation_id = "listTenants",
    params(("tenant" = inline(Option<String>), Query, pattern = "^[!-~]{1,64}$", description = "Only this one")),
    responses((status = 200, description = "Tenants", body = TenantList))
)]
pub(in crate::http) async fn list(caller: Caller, request: HttpRequest, console: web::Data<Console>) -> Result<HttpResponse, Problem> {
    caller.of_all()?;
    let scope = Asked::read(request.query_string())?.scope(&caller, &console).await?;
    let tenants = console.admin.tenants(caller.principal(), scope.as_ref()).await?;
    Ok(HttpResponse::Ok().json(TenantList { tenants: tenants.iter().map(|(name, settings)| TenantView::new(name, *settings)).collect() }))
}

/// Sets all of a tenant's own settings; for a super admin.
#[utoipa::path(put, path = "/admin/tenants/{name}", tag = "admin", security((), ("bearer" = [])), operation_id = "setTenant", request_body = TenantBody,
    params(("name" = String, Path, pattern = "^[!-~]{1,64}$", description = "The tenant")),
    responses((status = 200, description = "As set", body = TenantView))
)]
pub(in crate::http) async fn set(
    caller: Caller,
    name: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
    console: web::Data<Console>,
) -> Result<HttpResponse, Problem> {
    caller.of_all()?;
    let name = parse_tenant(&name).map_err(|detail| Problem::new(Code::NotFound).detail(format!("a tenant's name {detail}")))?;
    let body = members::body(&caller, &console, &request, payload).await?;
    let known = ["retentionDays", "retentionEvents", "maxConnections", "publishPerSecond", "deliverPerSecond"];
    let mut members = Members::read(&body, &known)?;
    let most = u64::from(u32::MAX);
    let settings = TenantSettings {
        retention_days: members.optional("retentionDays", members::number(1, 36_500)),
        retention_events: members.optional("retentionEvents", members::number(1, i64::MAX as u64)),
        max_connections: members.optional("maxConnections", members::number(1, most)),
        publish_per_second: members.optional("publishPerSecond", members::number(1, most)),
        deliver_per_second: members.optional("deliverPerSecond", members::number(1, most)),
    };
    members.finish()?;
    console.admin.set_tenant(caller.principal(), &name, settings).await?;
    Ok(HttpResponse::Ok().json(TenantView::new(&name, settings)))
}
