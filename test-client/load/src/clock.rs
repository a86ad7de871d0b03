//! One clock for all threads: nanoseconds since the tool started; and what there is to know of calendars.

use std::{
    ops::Range,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the tool started.
pub(crate) fn now() -> u64 {
    START.elapsed().as_nanos() as u64
}

/// The instant of such a time.
pub(crate) fn instant(nanos: u64) -> Instant {
    *START + Duration::from_nanos(nanos)
}

/// The same for a wall-clock time in microseconds since 1970 that has just passed; `None` when it is still to come or lies before the start. Both
/// clocks are read here, so that a wall clock which is set meanwhile does no harm.
pub(crate) fn of_wall_micros(micros: u64) -> Option<u64> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_nanos() as u64;
    now().checked_sub(wall.checked_sub(micros * 1000)?)
}

/// Microseconds since 1970 of `2026-11-21T06:10:38.123456Z`.
pub(crate) fn unix_micros(text: &str) -> Option<u64> {
    let number = |range: Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    // days from civil (H. Hinnant, "chrono-compatible low-level date algorithms"), for years after 1970
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    Some(seconds * 1_000_000 + number(20..26)?)
}

/// The day of a time in seconds since 1970, as `2026-11-21`.
pub(crate) fn day(unix_seconds: u64) -> String {
    // civil from days (as above)
    let z = unix_seconds / 86_400 + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    format!("{}-{month:02}-{day:02}", yoe + era * 400 + u64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_time_is_read_to_the_microsecond() {
        assert_eq!(unix_micros("1970-01-01T00:00:00.000000Z"), Some(0));
        assert_eq!(unix_micros("2026-11-21T06:10:38.123456Z"), Some(1_795_241_438_123_456));
        assert_eq!(unix_micros("2024-02-29T23:59:59.000001Z"), Some(1_709_251_199_000_001));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!((day(0), day(1_709_251_199), day(1_795_241_438)), ("1970-01-01".into(), "2024-02-29".into(), "2026-11-21".into()));
    }
}
