//! Finds the credential of a request: the first of `Authorization`, cookie, `ticket` and `token` that is there decides, and there is no way from a
//! bad one to the next.
//!
//! Texts that are found here go to the [`Authority`](super::Authority) and nowhere else: [`Presented`] cannot be printed, and no error repeats them.
//! A cookie is what a browser sends without being asked, so it counts for reading only, and not when a page of another site had it sent.

use actix_web::{
    HttpRequest,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName},
    },
};
use cookie::Cookie;

use super::{code::Code, origin::Origins, params, problem::Problem, session::CookieSettings};
use crate::auth::KEY_PREFIX;

/// How credentials may come.
#[derive(Clone, Debug)]
pub struct CredentialSettings {
    /// The cookie.
    pub cookie: CookieSettings,
    /// Whether `?token=` is taken; addresses end up in logs of proxies.
    pub token_parameter: bool,
}

impl Default for CredentialSettings {
    fn default() -> Self {
        Self { cookie: CookieSettings::default(), token_parameter: true }
    }
}

/// What a request presents.
pub(super) enum Presented {
    /// Nothing.
    Nothing,
    /// A token or an API key.
    Bearer(String),
    /// A ticket.
    Ticket(String),
}

/// A signature of a request's body.
pub(super) struct Signature {
    pub(super) key_id: String,
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) signature: String,
}

/// What a request that reads presents; a ticket only where `tickets` are taken.
pub(super) fn presented(request: &HttpRequest, settings: &CredentialSettings, tickets: bool) -> Result<Presented, Problem> {
    let query = request.query_string();
    let token = params::only(query, "token")?;
    if token.is_some() && !settings.token_parameter {
        return Err(Problem::parameter("token", "is turned off here: send the token in `Authorization: Bearer`"));
    }
    let ticket = if tickets { params::only(query, "ticket")? } else { None };
    if let Some(bearer) = bearer(request.headers())? {
        return Ok(Presented::Bearer(bearer));
    }
    if let Some(token) = in_cookie(request, &settings.cookie)? {
        return Ok(Presented::Bearer(token_only(token)?));
    }
    Ok(match (ticket, token) {
        (Some(ticket), _) => Presented::Ticket(credible(ticket)?),
        (None, Some(token)) => Presented::Bearer(token_only(credible(token)?)?),
        (None, None) => Presented::Nothing,
    })
}

/// A text that is no API key: those live long, and stand in `Authorization` only.
fn token_only(text: String) -> Result<String, Problem> {
    if text.starts_with(KEY_PREFIX) { Err(Problem::bad_credential("an API key is sent in `Authorization` only")) } else { Ok(text) }
}

/// The token or API key in `Authorization`.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::parameter("Authorization", "must be given only once"));
    }
    let text = value.to_str().unwrap_or_default().trim();
    let (scheme, credential) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        // as if nothing had been presented: RFC 6750 §3.1
        return Err(Problem::new(Code::Unauthorized).detail("the only scheme of `Authorization` is `Bearer`"));
    }
    let credential = credential.trim_start();
    if credential.is_empty() {
        return Err(Problem::parameter("Authorization", "must be `Bearer` and a token or an API key"));
    }
    credible(credential.to_owned()).map(Some)
}

/// A text that can be a credential: RFC 6750 §2.1.
fn credible(text: String) -> Result<String, Problem> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b)) {
        return Err(Problem::bad_credential("what was sent is neither a token, an API key nor a ticket"));
    }
    Ok(text)
}

fn in_cookie(request: &HttpRequest, settings: &CookieSettings) -> Result<Option<String>, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let mut found = None;
    for header in request.headers().get_all(header::COOKIE) {
        // cookies of others may hold any bytes
        let text = String::from_utf8_lossy(header.as_bytes());
        for cookie in Cookie::split_parse(text.as_ref()).flatten().filter(|cookie| cookie.name() == &*settings.name) {
            if found.replace(cookie.value_trimmed().to_owned()).is_some() {
                return Err(Problem::parameter("Cookie", "holds the credential twice"));
            }
        }
    }
    let Some(found) = found else { return Ok(None) };
    const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let headers = request.headers();
    let named = |origins: &Origins| headers.get(header::ORIGIN).is_some_and(|origin| origins.is_named(origin));
    if headers.get_all(SEC_FETCH_SITE).any(|site| site == "cross-site") && !request.app_data::<Origins>().is_some_and(named) {
        let detail = "a cookie from a page of another site counts only if CHAINCAST_ALLOWED_ORIGINS names the page's origin";
        return Err(Problem::new(Code::OriginRefused).detail(detail));
    }
    credible(found).map(Some)
}

/// The longest name of a key.
const MAX_KEY_ID_BYTES: usize = 32;

impl Signature {
    /// The signature of a request that names its key in `key`; what can be seen to be wrong before the body is read.
    pub(super) fn find(request: &HttpRequest) -> Result<Option<Self>, Problem> {
        let header = |name: &'static str| {
            let mut values = request.headers().get_all(HeaderName::from_static(name));
            let first = values.next().map(|value| value.to_str().unwrap_or_default().trim().to_owned()).filter(|text| !text.is_empty());
            if values.next().is_some() { Err(Problem::parameter(name, "must be given only once")) } else { Ok(first) }
        };
        let signature = header("webhook-signature")?;
        let Some(key_id) = params::only(request.query_string(), "key")? else {
            let unnamed = |_| Problem::bad_credential("a signed request names its key in the parameter `key`");
            return signature.map_or(Ok(None), |signature| Err(unnamed(signature)));
        };
        let well_formed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if key_id.len() > MAX_KEY_ID_BYTES || !key_id.bytes().all(well_formed) {
            return Err(Problem::bad_credential("`key` is no id of a signing key"));
        }
        let unsigned = || Problem::bad_credential("a signed request has `webhook-id`, `webhook-timestamp` and `webhook-signature`");
        let (id, timestamp) = (header("webhook-id")?.ok_or_else(unsigned)?, header("webhook-timestamp")?.ok_or_else(unsigned)?);
        Ok(Some(Self { key_id, id, timestamp, signature: signature.ok_or_else(unsigned)? }))
    }
}
