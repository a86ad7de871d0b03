//! Names that clients and publishers choose: what an event concerns, who sent it, which log it is in.
//!
//! All are visible ASCII, so that none can break out of an SSE field, a header or a log line; those that a filter lists hold no comma.

use std::fmt;

use super::name::{self, NameError};

/// Why a text is no identifier.
pub type IdError = NameError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $max:expr, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The longest one, in bytes.
            pub const MAX_BYTES: usize = $max;

            /// Checks an untrusted text.
            ///
            /// # Errors
            /// Which rule it breaks.
            pub fn parse(s: &str) -> Result<Self, IdError> {
                $check(s, Self::MAX_BYTES)?;
                Ok(Self(s.into()))
            }

            /// A text that was checked before it was stored.
            #[must_use]
            pub fn new(s: impl Into<Box<str>>) -> Self {
                Self(s.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A payment stream, pot, vault or ticket event that an event concerns.
    StreamId, 128, name::check_selector
}
id! {
    /// An account address that an event concerns.
    UserId, 128, name::check_selector
}
id! {
    /// The publisher's idempotency key within its source.
    EventId, 255, name::check_visible
}
id! {
    /// Who publishes: the scope of an idempotency key.
    Source, 64, name::check_visible
}
id! {
    /// A tenant's log.
    LogName, 64, name::check_visible
}

impl Source {
    /// The source of publishers without a credential.
    pub const DEFAULT: &'static str = "default";
}

impl LogName {
    /// The one log of a service without tenants.
    pub const DEFAULT: &'static str = "default";
}
