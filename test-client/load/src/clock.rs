//! One clock for all threads: nanoseconds since the tool started, and where that start stands in wall time.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

static START: LazyLock<(Instant, Duration)> =
    LazyLock::new(|| (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()));

/// Nanoseconds since the tool started.
pub(crate) fn now() -> u64 {
    START.0.elapsed().as_nanos() as u64
}

/// The same for a wall-clock time in microseconds since 1970; 0 when it lies before the start.
pub(crate) fn of_wall_micros(micros: u64) -> u64 {
    micros.saturating_mul(1000).saturating_sub(START.1.as_nanos() as u64)
}

/// The instant of such a time.
pub(crate) fn instant(nanos: u64) -> Instant {
    START.0 + Duration::from_nanos(nanos)
}
