//! Whose log a request reads. Everybody reads their own; a super-admin may name another in `tenant` and must say why, which is written down before
//! anything is read: what cannot be recorded is not done.

use actix_web::http::header::{HeaderMap, HeaderName};

use super::{
    code::Code,
    params::{self, Once},
    problem::Problem,
    state::State,
};
use crate::{
    auth::{AuthError, Principal},
    domain::LogName,
};

/// Says why another tenant's log is read, as the parameter `reason` does.
pub(super) const REASON: HeaderName = HeaderName::from_static("chaincast-reason");

/// The longest reason.
const MAX_REASON_CHARS: usize = 500;

fn is_reason(text: &str) -> bool {
    let chars = text.chars().count();
    (1..=MAX_REASON_CHARS).contains(&chars) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// A reason where none is needed, but one that is given goes on record.
pub(super) fn parse_reason(text: &str) -> Result<String, String> {
    if is_reason(text) { Ok(text.to_owned()) } else { Err(format!("must be 1 to {MAX_REASON_CHARS} visible characters")) }
}

/// The parameters, as they come.
#[derive(Debug)]
pub(super) struct TenancyParams {
    tenant: Once<LogName>,
    reason: Once<String>,
}

impl TenancyParams {
    pub(super) const fn new() -> Self {
        Self { tenant: Once::new("tenant"), reason: Once::new("reason") }
    }

    /// Takes `tenant` and `reason`; all others are unknown.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "tenant" => self.tenant.set(value, |text| LogName::parse(text).map_err(|error| error.to_string())),
            // its rules hold only where it is needed
            "reason" => self.reason.set(value, |text| Ok(text.to_owned())),
            _ => Err(params::unknown(name)),
        }
    }

    /// What was asked, the header included.
    pub(super) fn finish(self, headers: &HeaderMap) -> Tenancy {
        let header = || headers.get(REASON).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Tenancy { tenant: self.tenant.get(), reason: self.reason.get().or_else(header) }
    }
}

/// Whose log is asked for, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenancy {
    /// The log; `None`: one's own.
    pub tenant: Option<LogName>,
    /// Why.
    pub reason: Option<String>,
}

/// What may be read.
#[derive(Debug)]
pub(super) struct Reading {
    tenant: LogName,
    /// Why it is another's.
    reason: Option<String>,
}

impl Tenancy {
    /// What of it `principal` may read.
    pub(super) fn of(self, principal: &Principal) -> Result<Reading, Problem> {
        let Some(tenant) = self.tenant.filter(|tenant| *tenant != principal.tenant) else {
            return Ok(Reading { tenant: principal.tenant.clone(), reason: None });
        };
        if !principal.is_super_admin() {
            return Err(Problem::forbidden("tenant", "the credential is for its own tenant only"));
        }
        let needed = || Problem::reason_required("say in `reason`, or in Chaincast-Reason, in 1 to 500 visible characters why");
        Ok(Reading { tenant, reason: Some(self.reason.filter(|reason| is_reason(reason)).ok_or_else(needed)?) })
    }
}

impl Reading {
    /// Whose log it is, once it is written down that `target` is about to be read, where it has to be.
    pub(super) async fn recorded(self, principal: &Principal, target: &'static str, state: &State) -> Result<LogName, Problem> {
        if let Some(reason) = &self.reason {
            // to look is not to make: a misspelt name would be a tenant from then on
            if !state.logs.has_log(&self.tenant).await? {
                return Err(Problem::new(Code::NotFound).detail("there is no such tenant"));
            }
            let recorded = state.authority.record_read(principal, &self.tenant, target, reason).await;
            recorded.map_err(|error| match error {
                AuthError::Unavailable(cause) => {
                    Problem::new(Code::Unavailable).detail("the read could not be recorded, so nothing was read").caused_by(&cause)
                }
                error => error.into(),
            })?;
        }
        Ok(self.tenant)
    }
}
