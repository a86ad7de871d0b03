//! Live delivery: from new frames to the sockets of those they match.
//!
//! A dispatch takes a group of frames through four questions, in steps that may stop anywhere: which terms do they match, who follows those
//! terms, who follows everything (a list, with no work for each frame), and then write to each of them once.

use crate::{
    domain::Seq,
    hub::{
        Flow, Frame, Offer, Outlet,
        budget::{FRAME, LOOK, WRITE},
        index::{SubKey, TermId},
        outlet::SharedFrame,
        subscription::Phase,
    },
};

use super::Shard;

/// Frames that are delivered together: as many as a mask has bits.
const GROUP: usize = 64;

/// A group under dispatch; each list is worked off from its end.
#[derive(Debug)]
pub(super) struct Dispatch {
    /// Consecutive frames, never empty.
    group: Vec<SharedFrame>,
    first: Seq,
    last: Seq,
    /// How many frames' terms were looked up.
    looked_up: usize,
    /// Terms to test against the frame that was looked up last.
    tests: Vec<TermId>,
    /// Terms that match a frame.
    marked: Vec<TermId>,
    /// Subscriptions of the last of them, and the frames that it matches.
    followers: (Vec<SubKey>, u64),
    /// Subscriptions with a mask.
    targets: Vec<SubKey>,
    /// Subscriptions that follow everything, once they were asked for.
    everyone: Option<Vec<SubKey>>,
    /// Subscriptions that it matched, and events that they took, until now.
    counts: (u64, u64),
}

impl Dispatch {
    fn new(group: Vec<SharedFrame>, first: Seq, last: Seq) -> Self {
        Self {
            group,
            first,
            last,
            looked_up: 0,
            tests: Vec::new(),
            marked: Vec::new(),
            followers: (Vec::new(), 0),
            targets: Vec::new(),
            everyone: None,
            counts: (0, 0),
        }
    }

    /// The frames behind `floor`, as a mask.
    fn behind(&self, floor: Seq) -> u64 {
        let all = u64::MAX >> (GROUP - self.group.len());
        let seen = u32::try_from(floor.next().since(self.first)).unwrap_or(u32::MAX);
        all & u64::MAX.checked_shl(seen).unwrap_or(0)
    }
}

impl<O: Outlet> Shard<O> {
    /// Begins with the next frames that are not settled, if there are any.
    pub(super) fn start_dispatch(&mut self) {
        let group: Vec<SharedFrame> = self.ring.after(self.settled).take(GROUP).cloned().collect();
        match (group.first(), group.last()) {
            (Some(first), Some(last)) => {
                let (first, last) = (first.seq(), last.seq());
                self.passages.begin(first, last);
                self.dispatch = Some(Dispatch::new(group, first, last));
            }
            // evicted before it was dispatched: cannot happen while updates are smaller than rings, but must not stall
            _ => self.settled = self.settled.max(self.ring.head()),
        }
    }

    /// Takes the dispatch further.
    pub(super) fn dispatch_slice(&mut self) {
        while let Some(mut dispatch) = self.dispatch.take() {
            if self.find_targets(&mut dispatch) && self.write_targets(&mut dispatch) {
                self.settled = dispatch.last;
                self.passages.dispatched(dispatch.first, dispatch.last, dispatch.counts, &self.settings.tracer);
                self.start_dispatch();
            } else {
                self.dispatch = Some(dispatch);
            }
            if self.budget.is_spent() {
                return;
            }
        }
    }

    /// Whether every target is found.
    fn find_targets(&mut self, dispatch: &mut Dispatch) -> bool {
        while dispatch.everyone.is_none() {
            self.find_some(dispatch);
            if self.budget.is_spent() {
                return false;
            }
        }
        true
    }

    /// One step of finding.
    fn find_some(&mut self, dispatch: &mut Dispatch) {
        if let Some(term) = dispatch.tests.pop() {
            self.budget.spend(LOOK);
            let bit = dispatch.looked_up - 1;
            if self.index.mark(term, &dispatch.group[bit].event().keys, bit) {
                dispatch.marked.push(term);
            }
        } else if let Some(frame) = dispatch.group.get(dispatch.looked_up) {
            let looks = self.index.candidates(frame, &mut dispatch.tests);
            self.budget.spend(WRITE + looks * LOOK);
            dispatch.looked_up += 1;
        } else if let Some(key) = dispatch.followers.0.pop() {
            self.target(key, dispatch);
        } else if let Some(term) = dispatch.marked.pop() {
            self.budget.spend(LOOK);
            dispatch.followers.1 = self.index.take_marked(term, &mut dispatch.followers.0);
        } else {
            dispatch.everyone = Some(self.index.everything().to_vec());
        }
    }

    /// Marks a follower of a marked term for those of its frames that are news to it.
    fn target(&mut self, key: SubKey, dispatch: &mut Dispatch) {
        self.budget.spend(LOOK);
        let Some(sub) = self.subs.get_mut(key as usize) else { return };
        let Phase::Live { floor } = sub.phase else { return };
        let mut wanted = dispatch.followers.1 & dispatch.behind(floor) & !sub.mask;
        if sub.filter.narrowing() > 0 {
            for (bit, frame) in dispatch.group.iter().enumerate() {
                if wanted & (1 << bit) == 0 {
                    continue;
                }
                self.budget.spend(LOOK * sub.filter.narrowing());
                if !sub.filter.keeps_type(&frame.event().keys) {
                    wanted &= !(1 << bit);
                }
            }
        }
        if wanted != 0 {
            if sub.mask == 0 {
                dispatch.targets.push(key);
            }
            sub.mask |= wanted;
        }
    }

    /// Whether every target was written to.
    fn write_targets(&mut self, dispatch: &mut Dispatch) -> bool {
        let mut everyone = dispatch.everyone.take().unwrap_or_default();
        let mut frames: Vec<&Frame> = Vec::with_capacity(dispatch.group.len());
        let mut frames_mask = 0;
        let (mut matched, mut delivered) = (0, 0);
        let done = loop {
            let (key, follows_all) = match dispatch.targets.pop() {
                Some(key) => (key, false),
                None => match everyone.pop() {
                    Some(key) => (key, true),
                    None => break true,
                },
            };
            self.budget.spend(LOOK);
            if let Some(mask) = self.take_mask(key, follows_all, dispatch) {
                if mask != frames_mask {
                    frames.clear();
                    let wanted = dispatch.group.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
                    frames.extend(wanted.map(|(_, frame)| &**frame));
                    frames_mask = mask;
                }
                matched += 1;
                delivered += self.deliver(key, &frames, dispatch.last);
            }
            if self.budget.is_spent() {
                break false;
            }
        };
        self.count_delivered(delivered, dispatch.group.iter().find_map(|frame| frame.committed()));
        dispatch.counts.0 += matched;
        dispatch.counts.1 += delivered;
        dispatch.everyone = Some(everyone);
        done
    }

    /// The frames to offer to a target, if it is one still.
    fn take_mask(&mut self, key: SubKey, follows_all: bool, dispatch: &Dispatch) -> Option<u64> {
        let sub = self.subs.get_mut(key as usize)?;
        let marked = std::mem::take(&mut sub.mask);
        let Phase::Live { floor } = sub.phase else { return None };
        // a newcomer that has got the key of someone who followed everything has a floor above the group
        let mask = if follows_all { dispatch.behind(floor) } else { marked };
        (mask != 0).then_some(mask)
    }

    /// Offers frames to a live subscription, and returns how many it took.
    fn deliver(&mut self, key: SubKey, frames: &[&Frame], last: Seq) -> u64 {
        let unowned = self.unowned_over();
        let Some(sub) = self.subs.get_mut(key as usize) else { return 0 };
        if let Some(reason) = sub.over(self.now, unowned) {
            self.close(key, reason);
            return 0;
        }
        self.budget.spend(WRITE + frames.len() * FRAME);
        let Offer { taken, flow } = sub.offer(frames, self.now);
        match flow {
            Flow::Open => {
                // more than its pace allows
                if let Some(next) = frames.get(taken) {
                    sub.walk_from(next.seq().before());
                    self.pause(key);
                }
            }
            Flow::Blocked => {
                sub.walk_from(frames.get(taken).map_or(last, |next| next.seq().before()));
                self.block(key);
            }
            Flow::Closed => self.remove(key, None),
        }
        taken as u64
    }

    /// Whether the dispatch under way is about to write to this subscription.
    pub(super) fn is_target(&self, key: SubKey) -> bool {
        let Some((dispatch, sub)) = self.dispatch.as_ref().zip(self.subs.get(key as usize)) else { return false };
        match sub.phase {
            Phase::Live { floor } => sub.mask != 0 || sub.filter.is_everything() && dispatch.behind(floor) != 0,
            _ => false,
        }
    }
}
