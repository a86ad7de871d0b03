//! `/events/session`: exchanges a token for a cookie, so that an EventSource, which cannot set headers, needs no token in its address.
//!
//! The cookie holds the token itself and ends with it. Scripts cannot read it (`HttpOnly`), and other sites cannot have it sent (`SameSite`).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use cookie::{Cookie, SameSite};

use super::{caller::Caller, code::Code, params, problem::Problem, state::State};
use crate::{auth::Credential, domain::Timestamp};

/// Browsers drop a longer cookie without a word.
const MAX_COOKIE_BYTES: usize = 4096;

/// The cookie that carries a token.
#[derive(Clone, Debug)]
pub struct CookieSettings {
    /// Its name; one that begins with `__Host-` cannot be set by another host of the same domain.
    pub name: Box<str>,
    /// Whether it travels over TLS only, or to this machine; always so when the name begins with `__Secure-` or `__Host-`, or pages of other sites
    /// may send it.
    pub secure: bool,
    /// Which pages may have it sent.
    pub same_site: SameSite,
}

impl Default for CookieSettings {
    fn default() -> Self {
        Self { name: "__Secure-chaincast".into(), secure: true, same_site: SameSite::Strict }
    }
}

impl CookieSettings {
    fn with(&self, token: &str, max_age: time::Duration) -> HttpResponse {
        let prefixed = ["__secure-", "__host-"].iter().any(|prefix| self.name.to_ascii_lowercase().starts_with(prefix));
        let cookie = Cookie::build((&*self.name, token))
            .secure(self.secure || prefixed || self.same_site == SameSite::None)
            .http_only(true)
            .same_site(self.same_site)
            .path("/")
            .max_age(max_age);
        let Ok(cookie) = HeaderValue::from_str(&cookie.build().to_string()) else { return HttpResponse::InternalServerError().finish() };
        HttpResponse::NoContent()
            .insert_header((header::SET_COOKIE, cookie))
            .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .finish()
    }
}

/// Begins a session.
#[utoipa::path(
    post, path = "/events/session", tag = "access", operation_id = "begin_session", security(("bearer" = [])),
    description = "Exchanges a token for a cookie that GET requests are recognised by, until the token ends. API keys are not exchanged.",
    responses((status = 204, description = "The cookie is set", headers(("Set-Cookie" = String, description = "The token, for this host, unseen by scripts"))))
)]
pub(super) async fn begin(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let (caller, token) = Caller::bearer(&request, &state).await?;
    params::none(request.query_string())?;
    let Some(until) = caller.principal.expires_at.filter(|_| caller.principal.credential == Credential::Token) else {
        return Err(Problem::new(Code::Forbidden).detail("only a token that expires becomes a cookie; an API key is for programs"));
    };
    if state.credentials.cookie.name.len() + token.len() > MAX_COOKIE_BYTES {
        return Err(Problem::new(Code::TooLarge).detail("browsers keep no cookie as long as this token"));
    }
    let seconds = (until.as_micros() - Timestamp::now().as_micros()).max(0) / 1_000_000;
    Ok(state.credentials.cookie.with(&token, time::Duration::seconds(seconds)))
}

/// Ends a session.
#[utoipa::path(
    delete, path = "/events/session", tag = "access", operation_id = "end_session", security(()),
    description = "Clears the cookie. Streams that were opened with it go on; to end them, revoke the token.",
    responses((status = 204, description = "The cookie is cleared"))
)]
pub(super) async fn end(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    params::none(request.query_string())?;
    Ok(state.credentials.cookie.with("", time::Duration::ZERO))
}
