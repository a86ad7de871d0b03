//! What a token whose signature is good claims, and whether that is accepted here and now.

use std::time::Duration;

use serde::Deserialize;

use super::{JwtSettings, TokenError, members::Members};
use crate::{
    auth::{Credential, Principal, Rights, RightsError},
    domain::{LogName, Timestamp},
};

/// The longest subject and token id, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// The last day of the year 9999, so that the leeway still fits behind it. A time beyond it is in milliseconds, or nonsense.
const MAX_SECONDS: f64 = 253_402_214_400.0;

/// What a token claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `sub`.
    pub subject: Option<Box<str>>,
    /// Whose log it is for.
    pub tenant: LogName,
    /// `jti`.
    pub token_id: Option<Box<str>>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// From when on it is refused: `exp` and the leeway.
    pub expires_at: Timestamp,
    /// What it allows.
    pub rights: Rights,
}

impl From<Claims> for Principal {
    fn from(claims: Claims) -> Self {
        Self {
            credential: Credential::Token,
            subject: claims.subject,
            token_id: claims.token_id,
            issued_at: claims.issued_at,
            expires_at: Some(claims.expires_at),
            tenant: claims.tenant,
            rights: claims.rights,
        }
    }
}

/// What is accepted.
pub(super) struct Rules {
    issuer: Option<String>,
    audience: Option<String>,
    leeway: Duration,
    rights_claim: String,
    tenant_claim: String,
    default_rights: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Rules {
    pub(super) fn new(settings: &JwtSettings) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            leeway: settings.leeway,
            rights_claim: settings.rights_claim.clone(),
            tenant_claim: settings.tenant_claim.clone(),
            default_rights: settings.default_rights.clone(),
        }
    }

    /// The claims of a payload, if it holds at `now`.
    pub(super) fn claims(&self, payload: &[u8], now: Timestamp) -> Result<Claims, TokenError> {
        let members = Members::parse(payload).ok_or(TokenError::Malformed)?;
        let expires = time(&members, "exp")?.ok_or_else(|| refused("exp", "is missing"))?;
        let not_before = time(&members, "nbf")?;
        let issued_at = time(&members, "iat")?;
        let expires_at = expires.plus(self.leeway);
        if now >= expires_at {
            return Err(TokenError::Expired);
        }
        if not_before.max(issued_at).is_some_and(|from| from > now.plus(self.leeway)) {
            return Err(TokenError::NotYet);
        }
        self.check_issuer(&members)?;
        self.check_audience(&members)?;
        let subject = name(&members, "sub")?;
        let rights = self.rights(&members, subject.as_deref())?;
        Ok(Claims { tenant: self.tenant(&members)?, token_id: name(&members, "jti")?, subject, issued_at, expires_at, rights })
    }

    fn check_issuer(&self, members: &Members<'_>) -> Result<(), TokenError> {
        let Some(wanted) = &self.issuer else { return Ok(()) };
        match members.read::<String>("iss") {
            Ok(Some(issuer)) if issuer == *wanted => Ok(()),
            _ => Err(TokenError::Issuer),
        }
    }

    fn check_audience(&self, members: &Members<'_>) -> Result<(), TokenError> {
        let Some(wanted) = &self.audience else {
            // whoever the token is for, nobody here goes by that name (RFC 7519 §4.1.3)
            return if members.text("aud").is_some() { Err(TokenError::Audience) } else { Ok(()) };
        };
        match members.read::<Audience>("aud") {
            Ok(Some(Audience::One(audience))) if audience == *wanted => Ok(()),
            Ok(Some(Audience::Several(audiences))) if audiences.contains(wanted) => Ok(()),
            _ => Err(TokenError::Audience),
        }
    }

    fn tenant(&self, members: &Members<'_>) -> Result<LogName, TokenError> {
        let claim = &self.tenant_claim;
        // anything but a name is an error, `null` too: a token that means to have a tenant must not fall into the common log
        let tenant = members.read::<String>(claim).map_err(|_| refused(claim, "must be a string"))?;
        match tenant {
            Some(tenant) => LogName::parse(&tenant).map_err(|error| refused(claim, &error.to_string())),
            None => Ok(LogName::new(LogName::DEFAULT)),
        }
    }

    fn rights(&self, members: &Members<'_>, subject: Option<&str>) -> Result<Rights, TokenError> {
        let Some(text) = members.text(&self.rights_claim).or(self.default_rights.as_deref()) else { return Ok(Rights::default()) };
        Rights::parse(text, subject).map_err(|error| {
            let why = match error {
                RightsError::Malformed(why) => format!("is not what rights are: {}", complaint(&why)),
                RightsError::Selector { member, error, .. } => format!("has a bad selector: {member} {error}"),
                RightsError::Nobody => "says `self`, and there is no `sub`".to_owned(),
            };
            refused(&self.rights_claim, &why)
        })
    }
}

/// A complaint of serde's: which member it is about, and never a value, which may be something that somebody meant to keep.
fn complaint(why: &str) -> String {
    let why = why.rsplit_once(" at line ").map_or(why, |(why, _)| why);
    let names_a_member = ["unknown field ", "duplicate field "].iter().any(|start| why.starts_with(start));
    match why.rsplit_once(", expected ") {
        Some((_, expected)) if !names_a_member => format!("expected {expected}"),
        _ => why.to_owned(),
    }
}

fn refused(claim: &str, why: &str) -> TokenError {
    TokenError::Claims(format!("`{claim}` {why}"))
}

/// A `NumericDate` (RFC 7519 §2), which may have a fraction.
fn time(members: &Members<'_>, claim: &str) -> Result<Option<Timestamp>, TokenError> {
    let number = members.read::<serde_json::Number>(claim).map_err(|_| refused(claim, "must be a number"))?;
    let Some(seconds) = number.map(|number| number.as_f64().unwrap_or(f64::NAN)) else { return Ok(None) };
    if !(0.0..=MAX_SECONDS).contains(&seconds) {
        return Err(refused(claim, "must be seconds since 1970"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range, and finer than a microsecond is dropped")]
    let micros = (seconds * 1e6) as i64;
    Ok(Some(Timestamp::from_micros(micros)))
}

fn name(members: &Members<'_>, claim: &str) -> Result<Option<Box<str>>, TokenError> {
    let name = members.read::<Box<str>>(claim).map_err(|_| refused(claim, "must be a string"))?;
    match &name {
        Some(text) if text.is_empty() || text.len() > MAX_NAME_BYTES => Err(refused(claim, "must have 1 to 255 bytes")),
        Some(text) if text.chars().any(char::is_control) => Err(refused(claim, "must not have control characters")),
        _ => Ok(name),
    }
}
