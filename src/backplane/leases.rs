//! Counts that all instances share, such as the connections of one subject.

use async_trait::async_trait;

/// What is counted, without its name: a digest, so that nobody who reads the counts learns of whom they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseKey(pub [u8; 16]);

/// The shared counts cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared counts cannot be reached")]
pub struct Away;

/// Shared counts. What an instance holds is given back when it dies, a moment later.
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

    /// Whether the counts are shared at the moment.
    fn are_shared(&self) -> bool;
}
