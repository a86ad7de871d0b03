//! What instances share through Redis.

mod leases;

pub use leases::{LeaseSettings, RedisLeases};
