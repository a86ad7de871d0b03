//! Frames that were announced behind a hole: of one store and one epoch, bounded in count and bytes.

use std::{collections::BTreeMap, time::Instant};

use super::SharedFrame;
use crate::domain::Seq;

/// Frames at most.
pub(super) const FRAMES: usize = 4096;

#[derive(Debug)]
struct Waiting {
    frame: SharedFrame,
    heard: Instant,
    /// How much had been told then.
    told: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stash {
    waiting: BTreeMap<Seq, Waiting>,
    bytes: usize,
    max_bytes: usize,
}

impl Stash {
    pub(super) fn of_bytes(max_bytes: usize) -> Self {
        Self { waiting: BTreeMap::new(), bytes: 0, max_bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the first of them was heard of, before which there is a hole.
    pub(super) fn heard(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, waiting)| waiting.heard)
    }

    /// Keeps a frame, if it has none of this seq; whether there was room for it.
    pub(super) fn put(&mut self, seq: Seq, told: u64, heard: Instant, frame: impl FnOnce() -> SharedFrame) -> bool {
        if self.waiting.contains_key(&seq) {
            return true;
        }
        if self.waiting.len() >= FRAMES || self.bytes >= self.max_bytes {
            return false;
        }
        let frame = frame();
        self.bytes += frame.weight();
        self.waiting.insert(seq, Waiting { frame, heard, told });
        true
    }

    /// Takes out the first frame, if it is no newer than `last`.
    pub(super) fn take_up_to(&mut self, last: Seq) -> Option<SharedFrame> {
        let first = self.waiting.first_entry().filter(|first| *first.key() <= last)?;
        let frame = first.remove().frame;
        self.bytes -= frame.weight();
        Some(frame)
    }

    /// The log, asked when so much had been told, ends at `head`: what was said before to lie behind that does not.
    pub(super) fn settle(&mut self, head: Seq, told: u64) {
        if self.waiting.last_key_value().is_none_or(|(last, _)| *last <= head) {
            return;
        }
        let bytes = &mut self.bytes;
        self.waiting.retain(|seq, waiting| {
            let is_kept = *seq <= head || waiting.told > told;
            if !is_kept {
                *bytes -= waiting.frame.weight();
            }
            is_kept
        });
    }

    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }
}
