//! The limits by name, and a refusal by one of them.

use std::time::Duration;

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Connections that one address holds.
    AddressConnections,
    /// Connections that one subject holds.
    SubjectConnections,
    /// Connections that one tenant holds; the hub counts them.
    TenantConnections,
    /// New connections of one address.
    AddressRate,
    /// New connections of one subject.
    SubjectRate,
    /// Refused credentials of one address.
    RefusedCredentials,
    /// Events published with one credential.
    PublishRate,
}

/// A refusal that will pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// By which limit.
    pub by: Limit,
    /// When it may pass; at least a second.
    pub retry_after: Duration,
}

impl Limited {
    /// How long a client waits where as many connections are held as may be.
    const HELD_RETRY: Duration = Duration::from_secs(5);

    pub(super) fn full(by: Limit) -> Self {
        Self { by, retry_after: Self::HELD_RETRY }
    }

    pub(super) fn after(by: Limit, wait: Duration) -> Self {
        // a header of whole seconds
        Self { by, retry_after: Duration::from_secs(wait.as_secs() + 1) }
    }
}

impl Limit {
    /// Every limit, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::AddressConnections,
        Self::SubjectConnections,
        Self::TenantConnections,
        Self::AddressRate,
        Self::SubjectRate,
        Self::RefusedCredentials,
        Self::PublishRate,
    ];

    /// What whoever is refused is told.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::AddressConnections => "this address holds as many connections as it may",
            Self::SubjectConnections => "this credential's owner holds as many connections as it may",
            Self::TenantConnections => "this tenant holds as many connections as it may",
            Self::AddressRate => "too many new connections from this address",
            Self::SubjectRate => "too many new connections of this credential's owner",
            Self::RefusedCredentials => "too many credentials from this address were refused",
            Self::PublishRate => "too many events were published with this credential",
        }
    }

    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AddressConnections => "address_connections",
            Self::SubjectConnections => "subject_connections",
            Self::TenantConnections => "tenant_connections",
            Self::AddressRate => "address_rate",
            Self::SubjectRate => "subject_rate",
            Self::RefusedCredentials => "refused_credentials",
            Self::PublishRate => "publish_rate",
        }
    }
}
