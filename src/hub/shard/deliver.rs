//! Everything but live delivery: walking the ring, writing pages, waiting for sockets.

use std::{
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Instant,
};

use super::Shard;
use crate::{
    domain::{Cursor, Seq},
    hub::{
        Flow, Frame, Notice, Outlet,
        budget::{FRAME, LOOK, WRITE},
        index::SubKey,
        replay::{Answer, Ask, ReplayPage},
        subscription::Phase,
    },
    log::PageRequest,
};

/// Steps of one pump: then it is another's turn.
const STEPS: usize = 4;
/// Frames looked at in one step of a walk.
const WALK: usize = 1024;
/// Frames handed to an outlet at once.
const BATCH: usize = 64;

/// What a step of a subscription led to.
pub(super) enum Step {
    /// More can be done at once.
    Again,
    /// Nothing can be done before something else happens.
    Wait,
}

impl<O: Outlet> Shard<O> {
    pub(super) fn pump_runnable(&mut self) {
        while let Some(key) = self.runnable.pop_front() {
            self.budget.spend(LOOK);
            self.pump(key);
            if self.budget.is_spent() {
                return;
            }
        }
    }

    /// Polls the sockets that woke up.
    pub(super) fn poll_woken(&mut self) {
        if self.woken.is_empty() {
            self.ready.take(&mut self.woken);
        }
        while let Some(key) = self.woken.pop() {
            self.poll_socket(key);
            if self.budget.is_spent() {
                return;
            }
        }
    }

    /// Looks whether the peer has gone or takes more.
    pub(super) fn poll_socket(&mut self, key: SubKey) {
        let Some(sub) = self.subs.get_mut(key as usize) else { return };
        self.budget.spend(WRITE);
        sub.waker.clear();
        if self.close_if_over(key) {
            return;
        }
        let Some(sub) = self.subs.get_mut(key as usize) else { return };
        let waker = sub.waker.waker();
        let mut cx = Context::from_waker(&waker);
        if sub.outlet.poll_gone(&mut cx).is_ready() {
            return self.remove(key, None);
        }
        while sub.blocked {
            self.budget.spend(WRITE);
            if sub.outlet.poll_writable(&mut cx).is_pending() {
                return;
            }
            match sub.outlet.flush() {
                Flow::Open => {
                    sub.blocked = false;
                    sub.wrote_at = self.now;
                    self.runnable.push_back(key);
                }
                Flow::Blocked => {}
                Flow::Closed => return self.remove(key, None),
            }
        }
    }

    /// Notes that the outlet takes nothing, and has its socket say when it does.
    pub(super) fn block(&mut self, key: SubKey) {
        let Some(sub) = self.subs.get_mut(key as usize) else { return };
        sub.blocked = true;
        let waker = sub.waker.waker();
        if let Poll::Ready(()) = sub.outlet.poll_writable(&mut Context::from_waker(&waker)) {
            waker.wake();
        }
    }

    /// Takes a subscription a few steps further, and queues it again if it can go on.
    pub(super) fn pump(&mut self, key: SubKey) {
        for _ in 0..STEPS {
            if let Step::Wait = self.step(key) {
                return;
            }
            if self.budget.is_spent() {
                break;
            }
        }
        self.runnable.push_back(key);
    }

    fn step(&mut self, key: SubKey) -> Step {
        if self.close_if_over(key) {
            return Step::Wait;
        }
        let Some(sub) = self.subs.get_mut(key as usize) else { return Step::Wait };
        if sub.blocked {
            return Step::Wait;
        }
        if let Some(pace) = &mut sub.pace {
            pace.resumes = None;
        }
        if !sub.gaps.is_empty() {
            let gap = sub.gaps.remove(0);
            sub.told = gap.resumed.seq;
            self.stats.count_gap(gap.reason, sub.caught_up);
            return self.tell(key, &Notice::Gap(gap));
        }
        // not before it was told that it stands
        if !matches!(sub.phase, Phase::Starting(_))
            && let Some(warning) = self.take_warning(key)
        {
            let c = self.subs.get(key as usize).map_or(Seq::ZERO, |sub| sub.cursor(self.settled));
            let step = self.tell(key, &warning);
            self.leave_live_if_blocked(key, c);
            return step;
        }
        let Some(sub) = self.subs.get_mut(key as usize) else { return Step::Wait };
        match &sub.phase {
            Phase::Live { .. } | Phase::Reading { .. } => Step::Wait,
            Phase::Starting(_) => {
                self.begin(key);
                Step::Wait
            }
            Phase::Walking { c } => {
                let c = *c;
                self.walk(key, c)
            }
            // one that tries again was brought here by a tick, or has just taken the rest of something else
            Phase::Wanting { c } | Phase::Retrying { c } => {
                let c = *c;
                self.budget.spend(WRITE);
                sub.ask = sub.ask.wrapping_add(1);
                sub.phase = Phase::Reading { c };
                let most = PageRequest::REPLAY_EVENTS;
                let at_most = sub.pace.as_ref().map_or(most, |pace| pace.of_a_page().min(most));
                self.asks.push(Ask { key, generation: sub.generation, ask: sub.ask, filter: sub.filter.clone(), after: c, at_most });
                Step::Wait
            }
            Phase::Paging { page, next, .. } => {
                let (page, next) = (page.clone(), *next);
                self.write_page(key, &page, next)
            }
        }
    }

    /// Writes a notice; the subscription goes on with its next step.
    pub(super) fn tell(&mut self, key: SubKey, notice: &Notice<'_>) -> Step {
        let Some(sub) = self.subs.get_mut(key as usize) else { return Step::Wait };
        sub.wrote_at = self.now;
        self.budget.spend(WRITE);
        let flow = sub.outlet.tell(notice);
        self.after_write(key, flow)
    }

    /// What a write leads to.
    fn after_write(&mut self, key: SubKey, flow: Flow) -> Step {
        match flow {
            Flow::Open => return Step::Again,
            Flow::Blocked => self.block(key),
            Flow::Closed => self.remove(key, None),
        }
        Step::Wait
    }

    fn walk(&mut self, key: SubKey, c: Seq) -> Step {
        let Some(sub) = self.subs.get_mut(key as usize) else { return Step::Wait };
        if !self.ring.covers(c) {
            sub.phase = Phase::Wanting { c };
            return Step::Again;
        }
        // to find one that it may not have yet is enough
        let most = sub.allowed(BATCH, self.now).max(1);
        let mut frames: Vec<&Frame> = Vec::new();
        let (mut seen, mut looks) = (c, 0);
        for frame in self.ring.after(c) {
            if looks >= WALK {
                break;
            }
            looks += LOOK * sub.filter.comparisons(&frame.event().keys);
            if sub.filter.matches(&frame.event().keys) {
                if frames.len() == most {
                    break;
                }
                frames.push(frame);
            }
            seen = frame.seq();
        }
        self.budget.spend(looks);
        let (mut flow, mut is_over_pace) = (Flow::Open, false);
        if !frames.is_empty() {
            self.budget.spend(WRITE + frames.len() * FRAME);
            let offer = sub.offer(&frames, self.now);
            flow = offer.flow;
            if let Some(next) = frames.get(offer.taken) {
                seen = next.seq().before();
                is_over_pace = flow == Flow::Open;
            }
            // what a pace has held back says nothing of how fast the service is
            let is_timed = sub.caught_up && sub.pace.is_none();
            let (taken, committed) = (offer.taken as u64, frames.first().and_then(|frame| frame.committed()).filter(|_| is_timed));
            self.count_delivered(taken, committed);
        }
        let Some(sub) = self.subs.get_mut(key as usize) else { return Step::Wait };
        sub.phase = Phase::Walking { c: seen };
        if is_over_pace {
            self.pause(key);
            return Step::Wait;
        }
        match self.after_write(key, flow) {
            Step::Again if seen >= self.ring.head() => self.go_live(key, seen),
            step => step,
        }
    }

    fn go_live(&mut self, key: SubKey, c: Seq) -> Step {
        let Some(sub) = self.subs.get_mut(key as usize) else { return Step::Wait };
        if !sub.caught_up {
            sub.caught_up = true;
            sub.told = c;
            let notice = Notice::Live { cursor: Cursor { epoch: sub.epoch, seq: c }, replayed: sub.replayed };
            // when it blocks it stays a walker, and comes back here once the socket takes more
            if let Step::Wait = self.tell(key, &notice) {
                return Step::Wait;
            }
        }
        if let Some(sub) = self.subs.get_mut(key as usize) {
            sub.phase = Phase::Live { floor: c };
        }
        Step::Wait
    }

    fn write_page(&mut self, key: SubKey, page: &Arc<ReplayPage>, next: usize) -> Step {
        let Some(sub) = self.subs.get_mut(key as usize) else { return Step::Wait };
        let frames: Vec<&Frame> = page.frames[next..].iter().take(BATCH).map(|frame| &**frame).collect();
        if frames.is_empty() {
            let c = page.through.max(sub.cursor(self.settled));
            sub.phase = if self.ring.covers(c) { Phase::Walking { c } } else { Phase::Wanting { c } };
            return Step::Again;
        }
        self.budget.spend(WRITE + frames.len() * FRAME);
        let offer = sub.offer(&frames, self.now);
        let is_over_pace = offer.flow == Flow::Open && offer.taken < frames.len();
        self.stats.replayed.fetch_add(offer.taken as u64, Ordering::Relaxed);
        self.count_delivered(offer.taken as u64, None);
        if is_over_pace {
            self.pause(key);
            return Step::Wait;
        }
        self.after_write(key, offer.flow)
    }

    /// Takes a page that was asked for.
    pub(crate) fn on_answer(&mut self, answer: Answer, now: Instant) {
        self.now = now;
        let Some(sub) = self.subs.get_mut(answer.key as usize) else { return };
        let Some(standing) = &self.standing else { return };
        let Phase::Reading { c } = sub.phase else { return };
        if sub.generation != answer.generation || sub.ask != answer.ask {
            return;
        }
        let page = match answer.page {
            // of a numbering that this shard has not heard of, or has heard is over; or of a log that was just rewound below the cursor
            Ok(page) if page.position.epoch == sub.epoch && page.position.epoch == standing.epoch && page.is_news_behind(c) => page,
            Ok(_) => {
                sub.phase = Phase::Retrying { c };
                return self.delayed.push(answer.key);
            }
            Err(()) => {
                let since = *sub.failing_since.get_or_insert(now);
                sub.phase = Phase::Retrying { c };
                if now.duration_since(since) > self.settings.replay_patience {
                    return self.close(answer.key, crate::hub::CloseReason::Unavailable);
                }
                return self.delayed.push(answer.key);
            }
        };
        sub.failing_since = None;
        let c = sub.lose_to_trim(c, page.position.earliest);
        let next = page.frames.partition_point(|frame| frame.seq() <= c);
        sub.phase = Phase::Paging { c, page, next, since: now };
        if !std::mem::replace(&mut sub.watched, true) {
            self.paging.push_back((now, (answer.key, answer.generation)));
        }
        self.runnable.push_back(answer.key);
    }
}
