//! Counts that all instances share, such as the connections of one subject.

use std::fmt;

use async_trait::async_trait;

/// What is counted, without its name: a digest, so that nobody who reads the counts learns of whom they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseKey(pub [u8; 16]);

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The shared counts cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared counts cannot be reached")]
pub struct Away;

/// Shared counts. What an instance that was killed held is counted until its lease ends: 20 seconds with Redis.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// One more for `key`, unless all instances together hold `most` already; whether there was room.
    ///
    /// # Errors
    /// [`Away`]: nothing is known. Answers within a second.
    async fn take(&self, key: LeaseKey, most: u32) -> Result<bool, Away>;

    /// Counts one more for `key` that was not asked for, because nobody could be asked.
    fn note(&self, key: LeaseKey);

    /// One less for `key`. Never waits.
    fn give_back(&self, key: LeaseKey);

    /// Waits, for a second at most, until all instances know what was given back: before this one ends.
    async fn settle(&self) {}

    /// Whether the counts are shared at the moment.
    fn are_shared(&self) -> bool;
}
