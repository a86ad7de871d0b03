//! A log's recent frames in memory: consecutive seqs, bounded in count and in bytes.

use std::collections::VecDeque;

use super::outlet::SharedFrame;
use crate::domain::Seq;

/// The frames `(head - len, head]`.
#[derive(Debug)]
pub(crate) struct Ring {
    frames: VecDeque<SharedFrame>,
    head: Seq,
    bytes: usize,
    bounds: RingBounds,
}

/// How much a ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingBounds {
    /// The most frames.
    pub frames: usize,
    /// The most bytes of events' text.
    pub bytes: usize,
}

impl Default for RingBounds {
    fn default() -> Self {
        Self { frames: 8192, bytes: 32 * 1024 * 1024 }
    }
}

impl Ring {
    pub(crate) fn new(head: Seq, bounds: RingBounds) -> Self {
        Self { frames: VecDeque::new(), head, bytes: 0, bounds }
    }

    pub(crate) fn head(&self) -> Seq {
        self.head
    }

    /// The oldest seq held; head + 1 when none is.
    pub(crate) fn start(&self) -> Seq {
        Seq::new(self.head.get() + 1 - self.frames.len() as u64)
    }

    /// Whether everything behind `after` is held.
    pub(crate) fn covers(&self, after: Seq) -> bool {
        after.next() >= self.start()
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the frame after the head and lets go of the oldest ones that no longer fit; the newest frame always stays.
    pub(crate) fn push(&mut self, frame: SharedFrame) {
        debug_assert_eq!(frame.seq(), self.head.next());
        self.head = frame.seq();
        self.bytes += frame.weight();
        self.frames.push_back(frame);
        while self.frames.len() > 1 && (self.frames.len() > self.bounds.frames || self.bytes > self.bounds.bytes) {
            if let Some(gone) = self.frames.pop_front() {
                self.bytes -= gone.weight();
            }
        }
    }

    /// Lets go of everything, which it returns, and stands at `head`.
    pub(crate) fn reset(&mut self, head: Seq) -> VecDeque<SharedFrame> {
        self.bytes = 0;
        self.head = head;
        std::mem::take(&mut self.frames)
    }

    /// Lets go of what lies above `fork`, which it returns.
    pub(crate) fn truncate(&mut self, fork: Seq) -> VecDeque<SharedFrame> {
        if self.head <= fork {
            return VecDeque::new();
        }
        let kept = usize::try_from(fork.next().since(self.start())).unwrap_or(usize::MAX).min(self.frames.len());
        let gone = self.frames.split_off(kept);
        self.bytes -= gone.iter().map(|frame| frame.weight()).sum::<usize>();
        self.head = fork;
        gone
    }

    /// The frames behind `after`, oldest first; all that are held when `after` lies before them.
    pub(crate) fn after(&self, after: Seq) -> impl Iterator<Item = &SharedFrame> {
        let skip = after.next().since(self.start()).min(self.frames.len() as u64);
        self.frames.range(usize::try_from(skip).unwrap_or(usize::MAX)..)
    }
}
