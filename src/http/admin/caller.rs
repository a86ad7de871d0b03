//! Who asks, and how far that reaches.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures::{FutureExt as _, future::LocalBoxFuture};

use super::Console;
use crate::{
    auth::{AuthError, Credential, Principal},
    domain::LogName,
    http::{code::Code, credentials, guard, problem::Problem},
};

/// An admin, of one tenant or of all.
pub(in crate::http) struct Caller(Principal);

impl Caller {
    /// Who asks, if it is an admin.
    pub(in crate::http) async fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let console = request.app_data::<web::Data<Console>>().ok_or_else(|| Problem::new(Code::Internal))?;
        let headers = request.headers();
        guard::same_site(headers)?;
        let principal = recognise(console, request).await?;
        if principal.credential == Credential::Open {
            console.guard.admit(headers)?;
        }
        if !principal.is_admin() {
            return Err(Problem::new(Code::Forbidden).detail("an admin credential is needed"));
        }
        Ok(Self(principal))
    }

    /// The principal, for whoever acts on its behalf.
    pub(super) fn principal(&self) -> &Principal {
        &self.0
    }

    /// Fails for an admin of one tenant.
    pub(in crate::http) fn of_all(&self) -> Result<(), Problem> {
        if self.0.is_super_admin() { Ok(()) } else { Err(Problem::new(Code::Forbidden).detail("a super admin's credential is needed")) }
    }

    /// Whose things are meant: all, unless one tenant was asked for or is all that there is to see.
    pub(super) fn scope(&self, asked: Option<LogName>) -> Result<Option<LogName>, Problem> {
        match asked {
            None if self.0.is_super_admin() => Ok(None),
            asked => self.tenant(asked).map(Some),
        }
    }

    /// The tenant that something new is for: its own, unless another was asked for and may be.
    pub(super) fn tenant(&self, asked: Option<LogName>) -> Result<LogName, Problem> {
        match asked {
            Some(other) if other != self.0.tenant && !self.0.is_super_admin() => {
                Err(Problem::new(Code::Forbidden).detail("the credential is for another tenant"))
            }
            asked => Ok(asked.unwrap_or_else(|| self.0.tenant.clone())),
        }
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move { Self::of(&request).await }.boxed_local()
    }
}

async fn recognise(console: &Console, request: &HttpRequest) -> Result<Principal, Problem> {
    let refused = |error| console.scrutiny.refuse(console.scrutiny.client(request), error);
    let text = if console.admin.is_open() { None } else { credentials::bearer(request.headers())? };
    let Some(text) = text else {
        let nobody = console.admin.nobody().map_err(refused)?;
        // what everyone may do is nothing that is done here
        return if nobody.credential == Credential::Anonymous { Err(refused(AuthError::Missing)) } else { Ok(nobody) };
    };
    console.scrutiny.of(request, console.admin.bearer(&text)).await
}
