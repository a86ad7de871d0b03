//! Fetches a set of keys: one GET of one https URL, with an end to its time and size. All that the service ever fetches.

use ureq::{Agent, http::Uri};

use super::{Authorities, JwksSettings, JwtConfigError, key_set::KeySet};
use crate::outbound::{self, NoAuthorities, Trust};

/// The largest set, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("its answer is not a JWK set")]
    NotASet,
    #[error("{0}")]
    Failed(ureq::Error),
}

/// Whether keys may come from this URL.
pub(super) fn is_acceptable(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.authority().is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    uri.scheme_str() == Some("https") && host && !url.contains('#')
}

pub(super) struct Fetcher {
    agent: Agent,
    url: String,
}

impl Fetcher {
    pub(super) fn new(settings: &JwksSettings) -> Result<Self, JwtConfigError> {
        let trust = match &settings.authorities {
            Authorities::Machine => Trust::Machine,
            Authorities::Only(certificates) => Trust::Only(certificates),
        };
        let is_here = settings.url.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(outbound::is_loopback));
        let config = outbound::agent(is_here, Some(trust))
            .map_err(|NoAuthorities| JwtConfigError::NoAuthorities)?
            .https_only(true)
            // a redirect could lead to where the operator did not mean to get keys from
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(settings.deadline))
            .max_idle_connections(0)
            .user_agent("chaincast")
            .accept("application/jwk-set+json, application/json")
            .build();
        Ok(Self { agent: config.new_agent(), url: settings.url.clone() })
    }

    /// Fetches the set. Blocks, for as long as the deadline at most.
    pub(super) fn fetch(&self) -> Result<KeySet, FetchError> {
        let mut response = self.agent.get(&self.url).call().map_err(FetchError::Failed)?;
        if response.status() != 200 {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        // a body that just reaches ureq's limit counts as too large
        let body = response.body_mut().with_config().limit(MAX_BYTES + 1).read_to_vec().map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => FetchError::TooLarge,
            other => FetchError::Failed(other),
        })?;
        KeySet::parse(&body).ok_or(FetchError::NotASet)
    }
}
