//! Live delivery: from new frames to the sockets of those they match.

use crate::{
    domain::Seq,
    hub::{Flow, Frame, Offer, Outlet, index::SubKey, outlet::SharedFrame, subscription::Phase},
};

use super::Shard;

/// Frames that are delivered together: as many as a subscription's mask has bits.
const GROUP: usize = 64;
/// Sockets written before the worker gets to do other things.
const SLICE: usize = 256;

/// A group under dispatch.
#[derive(Debug)]
pub(super) struct Dispatch {
    group: Vec<SharedFrame>,
    targets: Vec<SubKey>,
    done: usize,
}

impl<O: Outlet> Shard<O> {
    /// Collects whom the next frames concern.
    pub(super) fn start_dispatch(&mut self) {
        while self.dispatch.is_none() && self.settled < self.ring.head() {
            let group: Vec<SharedFrame> = self.ring.after(self.settled).take(GROUP).cloned().collect();
            let Some(last) = group.last().map(|frame| frame.seq()) else {
                // evicted before it was dispatched: cannot happen while updates are smaller than rings, but must not stall
                self.settled = self.ring.head();
                return;
            };
            let mut targets = Vec::new();
            let subs = &mut self.subs;
            for (bit, frame) in group.iter().enumerate() {
                let keys = &frame.event().keys;
                self.index.candidates(keys, |key| {
                    let Some(sub) = subs.get_mut(key as usize) else { return };
                    let wanted = matches!(sub.phase, Phase::Live { floor } if floor < frame.seq()) && sub.filter.keeps_type(keys);
                    if wanted {
                        if sub.mask == 0 {
                            targets.push(key);
                        }
                        sub.mask |= 1 << bit;
                    }
                });
            }
            if targets.is_empty() {
                self.settled = last;
            } else {
                self.dispatch = Some(Dispatch { group, targets, done: 0 });
            }
        }
    }

    /// Delivers to some of the targets.
    pub(super) fn dispatch_slice(&mut self) {
        let Some(mut dispatch) = self.dispatch.take() else { return };
        let end = (dispatch.done + SLICE).min(dispatch.targets.len());
        let mut frames: Vec<&Frame> = Vec::with_capacity(dispatch.group.len());
        let mut frames_mask = 0;
        let mut delivered = 0;
        for &key in &dispatch.targets[dispatch.done..end] {
            let Some(sub) = self.subs.get_mut(key as usize) else { continue };
            let mask = std::mem::take(&mut sub.mask);
            if mask == 0 || !sub.is_live() {
                continue;
            }
            if mask != frames_mask {
                frames.clear();
                frames.extend(dispatch.group.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, frame)| &**frame));
                frames_mask = mask;
            }
            let Offer { taken, flow } = sub.offer(&frames, self.now);
            delivered += taken as u64;
            match flow {
                Flow::Open => {}
                Flow::Blocked => {
                    let c = frames
                        .get(taken)
                        .map_or_else(|| dispatch.group.last().map_or(Seq::ZERO, |frame| frame.seq()), |next| next.seq().before());
                    sub.walk_from(c);
                    self.block(key);
                }
                Flow::Closed => self.remove(key, None),
            }
        }
        self.count_delivered(delivered, dispatch.group.first().and_then(|frame| frame.committed()));
        dispatch.done = end;
        if dispatch.done < dispatch.targets.len() {
            self.dispatch = Some(dispatch);
        } else {
            self.settled = dispatch.group.last().map_or(self.settled, |frame| frame.seq());
            self.start_dispatch();
        }
    }
}
