//! Names that clients and publishers choose: what an event concerns, who sent it, which log it is in.
//!
//! All are visible ASCII, so that none can break out of an SSE field, a header or a log line; those that a filter lists hold no comma.

use super::{
    name::{check_selector, check_visible},
    text::checked_text,
};

checked_text! {
    /// A payment stream, pot, vault or ticket event that an event concerns; at most 128 bytes.
    StreamId, |s| check_selector(s, 128)
}
checked_text! {
    /// An account address that an event concerns; at most 128 bytes.
    UserId, |s| check_selector(s, 128)
}
checked_text! {
    /// The publisher's idempotency key within its source; at most 255 bytes.
    EventId, |s| check_visible(s, 255)
}
checked_text! {
    /// Who publishes: the scope of an idempotency key; at most 64 bytes.
    Source, |s| check_visible(s, 64)
}
checked_text! {
    /// A tenant's log; at most 64 bytes.
    LogName, |s| check_visible(s, 64)
}

impl Source {
    /// The source of publishers without a credential.
    pub const DEFAULT: &'static str = "default";
}

impl LogName {
    /// The one log of a service without tenants.
    pub const DEFAULT: &'static str = "default";
}
