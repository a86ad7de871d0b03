//! Counts of credentials that were refused, by why: whoever refuses one says so here.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::auth::AuthError;

/// The words in metrics, in the order in which they are counted.
const REASONS: [&str; 6] = ["missing", "invalid", "expired", "revoked", "superseded", "unavailable"];

/// See the module.
#[derive(Debug, Default)]
pub struct RefusedCredentials([AtomicU64; REASONS.len()]);

impl RefusedCredentials {
    /// Counts a refusal; a credential that is good, but not for what was asked, is none.
    pub fn count(&self, error: &AuthError) {
        let reason = match error {
            AuthError::Missing => 0,
            AuthError::Invalid(_) => 1,
            AuthError::Expired => 2,
            AuthError::Revoked => 3,
            AuthError::Superseded => 4,
            AuthError::Unavailable(_) => 5,
            AuthError::Forbidden(_) | AuthError::NotFound(_) | AuthError::Refused { .. } => return,
        };
        self.0[reason].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were, by why.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(&self.0).map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }
}
