//! Who may see and publish what: from credentials to a [`Principal`] with [`Rights`], without a word of HTTP.
//!
//! A credential becomes a principal or is refused; there is no way from a bad one to less. What a principal may see is decided once, when a
//! filter is narrowed to its rights ([`Subscribe::narrow`]): the narrowed filter selects nothing else, live or in replay, for as long as the stream lasts.
//! [`Access`] knows which credentials are good at the moment, and ends the streams of those that no longer are.
//!
//! No secret is ever printed: what holds one has a `Debug` that leaves it out, and no error says what was presented.

mod access;
mod error;
mod jwt;
mod key;
mod principal;
mod revocation;
mod rights;
mod secret;
mod ticket;
mod webhook;

pub use access::{
    Access, AccessSettings, Actor, Clock, Ending, IssuedTicket, LiveStream, MAX_OVERLAP, NewKey, NewRevocation, Registration, TicketUse,
    Tokens, anonymous_rights,
};
pub use error::AuthError;
pub use jwt::{
    Authorities, Claims, JwksSettings, Jwt, JwtConfigError, JwtSettings, KeyFault, MintError, TokenError, WantedToken, claims_unverified,
};
pub use key::KEY_PREFIX;
pub use principal::{Credential, Principal};
pub use rights::{Denied, NotYours, Publish, Rights, RightsError, Role, Subscribe};
pub use secret::{SecretTooShort, ServiceSecret, ShownOnce};
pub use ticket::TICKET_PREFIX;
pub use webhook::{MAX_WEBHOOK_ID_BYTES, Signed, SigningSecret, TOLERANCE};

#[cfg(test)]
pub(crate) mod fake;
