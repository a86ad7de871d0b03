//! How much a shard does before it lets the other tasks of its thread run.
//!
//! Counted, so that the same calls always make the same slices; and cut short by the clock, which is looked at once in [`CHECK`], because what a
//! write costs depends on the machine. A slice has parts. Each may spend an equal share of what the parts before it have left, so that none
//! starves another and an idle one costs nothing; the last gets the rest.

use std::time::{Duration, Instant};

/// A look at a subscription, a term or a frame: the unit.
pub(crate) const LOOK: usize = 1;
/// A call into the kernel for a socket.
pub(crate) const WRITE: usize = 64;
/// Each frame of a write.
pub(crate) const FRAME: usize = 8;
/// To end a connection: the kernel and the allocator take it apart.
pub(crate) const CLOSE: usize = 3 * WRITE;

/// What a slice may spend: 256 small writes at most. Sixty-four frames in one write cost as much as nine small ones, measured on loopback.
const SLICE: usize = 256 * WRITE;
/// What is spent between two looks at the clock.
const CHECK: usize = 32 * WRITE;
/// How long a slice lasts.
const LASTS: Duration = Duration::from_millis(1);

/// What is left of a slice.
#[derive(Debug)]
pub(crate) struct Budget {
    slice: usize,
    left: usize,
    ends: Instant,
    part: usize,
    part_ends: Instant,
    unchecked: usize,
}

impl Budget {
    pub(crate) fn new(now: Instant) -> Self {
        Self { slice: SLICE, left: 0, ends: now, part: 0, part_ends: now, unchecked: 0 }
    }

    /// Makes slices as short as a test needs them.
    #[cfg(test)]
    pub(crate) fn set_slice(&mut self, slice: usize) {
        self.slice = slice;
    }

    /// What was spent since the slice began.
    #[cfg(test)]
    pub(crate) fn spent(&self) -> usize {
        self.slice - self.left
    }

    /// Begins a slice.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.left = self.slice;
        self.ends = now + LASTS;
    }

    /// Begins one of the slice's parts, of which `parts` are still to come, this one included.
    pub(crate) fn begin_part(&mut self, parts: u32) {
        let now = Instant::now();
        self.part = self.left / parts as usize;
        self.part_ends = now + self.ends.saturating_duration_since(now) / parts;
        self.unchecked = 0;
    }

    pub(crate) fn spend(&mut self, looks: usize) {
        self.left = self.left.saturating_sub(looks);
        self.part = self.part.saturating_sub(looks);
        self.unchecked += looks;
    }

    /// Whether the part is over. To be asked after a step, never before the first: every part must get on in every slice.
    pub(crate) fn is_spent(&mut self) -> bool {
        if self.unchecked >= CHECK {
            self.unchecked = 0;
            if Instant::now() >= self.part_ends {
                self.part = 0;
            }
        }
        self.part == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend_all(budget: &mut Budget) -> usize {
        let mut writes = 0;
        while !budget.is_spent() {
            budget.spend(WRITE);
            writes += 1;
        }
        writes
    }

    #[test]
    fn a_part_leaves_the_others_their_share_and_takes_what_they_left() {
        let later = Instant::now() + Duration::from_secs(3600);
        let mut budget = Budget::new(later);
        budget.begin(later);
        budget.begin_part(4);
        assert_eq!(spend_all(&mut budget), 64);
        budget.begin_part(3);
        budget.begin_part(2);
        assert_eq!(spend_all(&mut budget), 96);
        budget.begin_part(1);
        assert_eq!(spend_all(&mut budget), 96);
    }

    #[test]
    fn a_slice_whose_time_is_over_ends_at_the_next_look_at_the_clock() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        budget.begin(now);
        budget.ends = now;
        budget.begin_part(1);
        assert_eq!(spend_all(&mut budget), CHECK / WRITE);
    }
}
