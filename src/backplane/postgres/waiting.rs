//! Messages that were heard while something else was waited for.

use std::collections::VecDeque;

/// Bounded: beyond it the oldest are lost, because the newest range of a log says more.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<Vec<u8>>);

impl Waiting {
    /// The most that wait, each of at most 8 KB.
    pub(super) const MOST: usize = 512;

    pub(super) fn push(&mut self, message: Vec<u8>) {
        if self.0.len() == Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_the_newest_is_kept() {
        let mut waiting = Waiting::default();
        for n in 0..Waiting::MOST + 3 {
            waiting.push(n.to_be_bytes().to_vec());
        }
        assert_eq!(waiting.0.len(), Waiting::MOST);
        assert_eq!(waiting.pop(), Some(3_usize.to_be_bytes().to_vec()));
    }
}
