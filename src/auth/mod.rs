//! Who may see and publish what: from credentials to a [`Principal`] with [`Rights`], without a word of HTTP.
//!
//! A credential becomes a principal or is refused; there is no way from a bad one to less. What a principal may see is decided once, when a
//! filter is narrowed to its rights ([`Subscribe::narrow`]): the narrowed filter selects nothing else, live or in replay, for as long as the stream lasts.

mod error;
mod principal;
mod rights;

pub use error::AuthError;
pub use principal::{Credential, Principal};
pub use rights::{Denied, NotYours, Publish, Rights, RightsError, Role, Subscribe};
