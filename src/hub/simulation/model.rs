//! The log as a list: what the real one must look like to its readers.

use crate::{
    domain::{Epoch, EpochChain, EpochStart, Event, Filter, Seq, Timestamp},
    log::{LogId, Page, Position},
};

pub(super) const STREAMS: [&str; 3] = ["a", "b", "c"];

/// The log as a list.
pub(super) struct Model {
    pub(super) events: Vec<Event>,
    pub(super) earliest: u64,
    pub(super) chain: Vec<EpochStart>,
    pub(super) written: u64,
    /// It has gone back since its last epoch began.
    pub(super) is_restored: bool,
}

impl Model {
    pub(super) fn head(&self) -> Seq {
        Seq::new(self.events.len() as u64)
    }

    pub(super) fn position(&self) -> Position {
        Position { log: LogId::new(1), epoch: self.chain().current(), head: self.head(), earliest: Seq::new(self.earliest) }
    }

    pub(super) fn chain(&self) -> EpochChain {
        EpochChain::new(self.chain.clone()).expect("never empty")
    }

    pub(super) fn append(&mut self, rng: &mut fastrand::Rng) -> Event {
        self.written += 1;
        let [one, other] = [(); 2].map(|()| STREAMS[rng.usize(..3)]);
        let streams = if rng.bool() && one != other { format!(r#""{one}","{other}""#) } else { format!(r#""{one}""#) };
        let (kind, topic) = (["t.x", "u.x"][rng.usize(..2)], ["m.1.p", "m.2.q"][rng.usize(..2)]);
        let envelope = format!(r#"{{"id":"{}","type":"{kind}","streams":[{streams}],"topics":["{topic}"],"data":null}}"#, self.written);
        let event = Event::from_row(self.head().next(), Timestamp::from_micros(0), envelope).expect("well formed");
        self.events.push(event.clone());
        event
    }

    /// Is restored to an earlier state.
    pub(super) fn go_back(&mut self, rng: &mut fastrand::Rng) {
        self.events.truncate(rng.u64(self.earliest - 1..=self.head().get()) as usize);
        self.is_restored = true;
    }

    /// Opens an epoch if one is due: at the latest before it numbers again.
    pub(super) fn open_epoch(&mut self) {
        if std::mem::take(&mut self.is_restored) {
            let epoch = Epoch::new(self.chain.len() as u32 + 1);
            self.chain.push(EpochStart { epoch, first: self.head().next() });
        }
    }

    pub(super) fn page(&self, filter: &Filter, after: Seq, limit: usize) -> Page {
        let from = (after.get() as usize).max(self.earliest as usize - 1).min(self.events.len());
        let matching = self.events[from..].iter().filter(|event| filter.matches(&event.keys)).take(limit).cloned().collect::<Vec<_>>();
        let through = if matching.len() == limit { matching[limit - 1].seq } else { self.head() };
        Page { events: matching, through, position: self.position() }
    }
}
