//! Which failures get a line of their own where everyone sees it: an operator is asked about an id, and an outage makes thousands a second.
//!
//! **Of each code the first is said at once, and no more than [`A_SECOND`] a second** (`a_thousand_failures_leave_a_bounded_number_of_lines`).
//! The next line of the code says how many were left out before it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::code::Code;

/// Lines of one code within a second.
const A_SECOND: u32 = 10;

/// What was said of late; shared by all workers.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Vec<(Code, Window)>>);

#[derive(Debug)]
struct Window {
    began: Instant,
    said: u32,
    left_out: u64,
}

impl Failures {
    /// Whether a failure with this code is said now, and then how many were left out before it.
    pub(super) fn say(&self, code: Code, now: Instant) -> Option<u64> {
        // no more entries than there are codes
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = windows.iter().position(|(known, _)| *known == code).unwrap_or_else(|| {
            windows.push((code, Window { began: now, said: 0, left_out: 0 }));
            windows.len() - 1
        });
        let window = &mut windows[at].1;
        if now.saturating_duration_since(window.began) >= Duration::from_secs(1) {
            (window.began, window.said) = (now, 0);
        }
        if window.said == A_SECOND {
            window.left_out += 1;
            return None;
        }
        window.said += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_failures_leave_a_bounded_number_of_lines() {
        let (failures, began) = (Failures::default(), Instant::now());
        let at = |ms| began + Duration::from_millis(ms);
        let said: Vec<u64> = (0..1000).filter_map(|n| failures.say(Code::Unavailable, at(n / 2))).collect();
        assert_eq!(said, [0; A_SECOND as usize]);
        assert_eq!(failures.say(Code::Internal, at(500)), Some(0), "each code has lines of its own");
        assert_eq!(failures.say(Code::Unavailable, at(1000)), Some(990), "the next line says what was left out");
        assert_eq!(failures.say(Code::Unavailable, at(1001)), Some(0));
        let hour: usize = (2000..3_602_000).filter(|ms| failures.say(Code::Unavailable, at(*ms)).is_some()).count();
        assert_eq!(hour, 3600 * A_SECOND as usize);
    }
}
