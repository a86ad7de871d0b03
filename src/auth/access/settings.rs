//! What the operator says of access.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    auth::{Rights, RightsError, ServiceSecret},
    domain::Timestamp,
};

/// What the operator says of access.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// The operator's secret. Without it there are no signing keys, and tickets are sealed with a secret of the store's.
    pub secret: Option<ServiceSecret>,
    /// What everyone may do without a credential; see [`anonymous_rights`].
    pub anonymous: Option<Rights>,
    /// How long after it was issued a ticket may be used for the first time.
    pub ticket_first_use: Duration,
    /// What time it is.
    pub clock: Clock,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self { secret: None, anonymous: None, ticket_first_use: Duration::from_secs(30), clock: Clock::default() }
    }
}

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// One that is asked whenever the time matters.
    #[must_use]
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Default for Clock {
    /// The machine's.
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Reads what everyone may do without a credential: only `subscribe` may stand there.
///
/// # Errors
/// [`RightsError`] says what else does.
pub fn anonymous_rights(json: &str) -> Result<Rights, RightsError> {
    let rights = Rights::parse(json, None)?;
    let only = Rights { subscribe: rights.subscribe.clone(), ..Rights::default() };
    if rights == only { Ok(rights) } else { Err(RightsError::Malformed("everyone may be granted `subscribe` only".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_may_be_let_see_and_nothing_else() {
        assert!(anonymous_rights(r#"{"subscribe":{"topics":["market.**"]}}"#).is_ok());
        for bad in [r#"{"publish":{}}"#, r#"{"role":"admin"}"#, r#"{"source":"a"}"#, r#"{"subscribe":{"users":["self"]}}"#, ""] {
            assert!(anonymous_rights(bad).is_err(), "{bad}");
        }
    }
}
