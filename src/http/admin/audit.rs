//! `/admin/audit`: who changed what, page by page.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Caller, Console, keys::parse_tenant};
use crate::{
    http::{
        params::{self, Once},
        problem::Problem,
    },
    log::AuditRecord,
};

const DEFAULT_LINES: usize = 100;
const MAX_LINES: usize = 1000;

/// A line of the audit trail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AuditLine {
    /// Its position in the trail, from 1.
    number: u64,
    /// When, by the store's clock.
    #[schema(format = DateTime)]
    at: String,
    /// Whose log it concerns; null: all.
    tenant: Option<String>,
    /// Who did it.
    #[schema(example = "key:k3v9x0a1b2c3")]
    actor: String,
    /// What.
    #[schema(example = "key.created")]
    action: String,
    /// To what.
    target: String,
    /// Why, as far as was said.
    reason: Option<String>,
}

/// A page of the audit trail, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AuditPage {
    /// The lines.
    lines: Vec<AuditLine>,
    /// What `after` is on the next page, whether there is one yet or not.
    next_after: u64,
}

impl From<AuditRecord> for AuditLine {
    fn from(AuditRecord { number, at, entry }: AuditRecord) -> Self {
        let tenant = entry.tenant.map(|tenant| tenant.to_string());
        Self { number, at: at.to_string(), tenant, actor: entry.actor, action: entry.action, target: entry.target, reason: entry.reason }
    }
}

/// Reads the audit trail.
#[utoipa::path(get, path = "/admin/audit", tag = "admin", security((), ("bearer" = [])), operation_id = "audit",
    params(
        ("after" = inline(Option<u64>), Query, minimum = 0, maximum = 9_223_372_036_854_775_807_u64, description = "Lines behind this number; from the beginning by default"),
        ("limit" = inline(Option<usize>), Query, minimum = 1, maximum = 1000, description = "At most this many lines, up to 1000; 100 by default"),
        ("tenant" = inline(Option<String>), Query, pattern = "^[!-~]{1,64}$", description = "Only this tenant's; for a super admin"),
    ),
    responses((status = 200, description = "Those that the caller may see", body = AuditPage))
)]
pub(in crate::http) async fn trail(caller: Caller, request: HttpRequest, console: web::Data<Console>) -> Result<HttpResponse, Problem> {
    let (mut after, mut limit, mut tenant) = (Once::new("after"), Once::new("limit"), Once::new("tenant"));
    for (name, value) in params::pairs(request.query_string())? {
        match name.as_str() {
            "after" => after.set(&value, |text| number(text, 0, i64::MAX as u64))?,
            "limit" => limit.set(&value, |text| number(text, 1, MAX_LINES as u64).map(|limit| limit as usize))?,
            "tenant" => tenant.set(&value, parse_tenant)?,
            _ => return Err(params::unknown(&name)),
        }
    }
    let (after, limit) = (after.get().unwrap_or(0), limit.get().unwrap_or(DEFAULT_LINES));
    let scope = caller.scope(tenant.get())?;
    let records = console.admin.audit_trail(caller.principal(), scope.as_ref(), after, limit).await?;
    let next_after = records.last().map_or(after, |record| record.number);
    Ok(HttpResponse::Ok().json(AuditPage { lines: records.into_iter().map(AuditLine::from).collect(), next_after }))
}

fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
}
