//! Who makes a change, what they may touch, and which words of theirs are recorded.

use crate::{
    auth::{AuthError, Principal, Role},
    domain::LogName,
    log::AuditEntry,
};

/// The longest subject or token id, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 1000;
/// The longest reason, in bytes: 500 characters, of the longest there are, behind what was read for that reason.
const MAX_REASON_BYTES: usize = 500 * 4 + 100;

/// Who makes a change, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    name: String,
    tenant: LogName,
    role: Role,
    reason: Option<String>,
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        Self { name: principal.actor(), tenant: principal.tenant.clone(), role: principal.rights.role, reason: None }
    }
}

impl Actor {
    /// Whoever can run commands where the store can be reached.
    #[must_use]
    pub fn command_line(user: &str) -> Self {
        Self { name: format!("cli:{user}"), tenant: LogName::new(LogName::DEFAULT), role: Role::SuperAdmin, reason: None }
    }

    /// With the reason that was given.
    ///
    /// # Errors
    /// [`AuthError::Refused`] for one that could not be shown in a list.
    pub fn because(self, reason: &str) -> Result<Self, AuthError> {
        check_text("reason", reason, MAX_REASON_BYTES)?;
        Ok(Self { reason: Some(reason.to_owned()), ..self })
    }

    /// Whether it may act for this tenant; `None`: for all.
    pub(super) fn check(&self, tenant: Option<&LogName>) -> Result<(), AuthError> {
        match self.role {
            Role::SuperAdmin => Ok(()),
            Role::Admin if tenant == Some(&self.tenant) => Ok(()),
            Role::Admin => Err(AuthError::Forbidden("an admin acts for its own tenant".into())),
            Role::None => Err(AuthError::Forbidden("this takes an admin".into())),
        }
    }

    /// Whether it may act on someone of this role.
    pub(super) fn check_role(&self, role: Role) -> Result<(), AuthError> {
        if role <= self.role { Ok(()) } else { Err(AuthError::Forbidden("this takes a super admin".into())) }
    }

    /// The tenant that it acts for; `None`: all.
    pub(super) fn scope(&self) -> Result<Option<&LogName>, AuthError> {
        let tenant = (self.role < Role::SuperAdmin).then_some(&self.tenant);
        self.check(tenant).map(|()| tenant)
    }

    pub(super) fn entry(&self, tenant: Option<&LogName>, action: &str, target: String) -> AuditEntry {
        let (actor, action, reason) = (self.name.clone(), action.to_owned(), self.reason.clone());
        AuditEntry { tenant: tenant.cloned(), actor, action, target, reason }
    }
}

pub(super) fn check_text(member: &'static str, text: &str, max: usize) -> Result<(), AuthError> {
    if text.trim().is_empty() {
        return Err(refused(member, "must not be empty"));
    }
    if text.len() > max {
        return Err(refused(member, format!("must be at most {max} bytes long")));
    }
    if text.chars().any(char::is_control) {
        return Err(refused(member, "must not hold control characters"));
    }
    Ok(())
}

pub(super) fn refused(member: &'static str, problem: impl Into<String>) -> AuthError {
    AuthError::Refused { member, problem: problem.into() }
}
