//! Who asks, and how far that reaches.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web,
};
use futures::{FutureExt as _, future::LocalBoxFuture};

use super::Console;
use crate::{
    auth::{AuthError, Credential, Principal},
    domain::LogName,
    http::{client::ClientNet, code::Code, guard, problem::Problem},
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
    let refused = |error: AuthError| {
        console.refused.count(&error);
        refusal(error)
    };
    let text = if console.admin.is_open() { None } else { bearer(request.headers()).map_err(refused)? };
    let Some(text) = text else {
        let nobody = console.admin.nobody().map_err(refused)?;
        // what everyone may do is nothing that is done here
        return if nobody.credential == Credential::Anonymous { Err(refused(AuthError::Missing)) } else { Ok(nobody) };
    };
    let client = request.peer_addr().map(|peer| ClientNet::of(console.proxies.client(peer.ip(), request.headers())));
    console.limits.hear(client).map_err(|_| Problem::new(Code::Limited).detail("too many credentials were refused"))?;
    console.admin.bearer(text).await.map_err(|error| {
        if matches!(error, AuthError::Invalid(_) | AuthError::Expired | AuthError::Revoked) {
            console.limits.refused_credential(client);
        }
        refused(error)
    })
}

/// The text behind `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(header::AUTHORIZATION) { Err(AuthError::Invalid("more than one credential")) } else { Ok(None) };
    };
    let split = value.to_str().ok().and_then(|text| text.split_once(' '));
    let bearer = split.filter(|(scheme, text)| scheme.eq_ignore_ascii_case("Bearer") && !text.trim().is_empty());
    bearer.map(|(_, text)| Some(text.trim())).ok_or(AuthError::Invalid("only Bearer is taken"))
}

/// A refused credential, or change, as an answer.
pub(super) fn refusal(error: AuthError) -> Problem {
    match error {
        AuthError::Missing | AuthError::Invalid(_) | AuthError::Expired | AuthError::Revoked | AuthError::Superseded => {
            Problem::new(Code::Unauthorized).detail(error.to_string())
        }
        AuthError::Forbidden(detail) => Problem::new(Code::Forbidden).detail(detail),
        AuthError::NotFound(_) => Problem::new(Code::NotFound).detail(error.to_string()),
        AuthError::Refused { member, ref problem } => {
            let pointer = format!("/{}", member.replace('.', "/"));
            Problem::invalid(vec![crate::ingest::Fault { pointer, code: "invalid", detail: problem.clone() }])
        }
        AuthError::Unavailable(cause) => Problem::new(Code::Unavailable).caused_by(&cause),
    }
}
