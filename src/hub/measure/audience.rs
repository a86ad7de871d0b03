//! A shard whose connections only count what they are given.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    EPOCH, chain, frame,
    tally::{Counts, Tally},
};
use crate::{
    domain::{Cursor, EpochChain, Event, Filter, Seq},
    hub::{
        Admission, Beginning, Frame, Request, Settings,
        replay::{Answer, ReplayPage},
        shard::{Shard, Update},
        stats::ShardStats,
    },
    log::{LogId, Position},
};

/// An update that is ready to be heard.
#[derive(Debug)]
pub struct News(Update);

/// Makes news one after the other, as the sequencer hands them on.
#[derive(Debug)]
pub struct Newsroom {
    chain: Arc<EpochChain>,
    head: u64,
}

impl Newsroom {
    /// News of what comes behind `head`.
    #[must_use]
    pub fn behind(head: u64) -> Self {
        Self { chain: Arc::new(chain()), head }
    }

    /// The next `count` events, each made by `event` of its seq.
    pub fn next(&mut self, count: usize, event: impl Fn(u64) -> Event) -> News {
        let before = self.head;
        self.head += count as u64;
        let frames = (before + 1..=self.head).map(|seq| frame(event(seq))).collect();
        News(self.update(before, frames))
    }

    fn update(&self, before: u64, frames: Vec<Arc<Frame>>) -> Update {
        Update { chain: self.chain.clone(), earliest: Seq::new(1), fork: None, before: Seq::new(before), frames, passages: Vec::new() }
    }
}

/// A shard and who listens to it.
#[derive(Debug)]
pub struct Audience {
    shard: Shard<Tally>,
    counts: Rc<Counts>,
    admission: Arc<Admission>,
    now: Instant,
}

impl Audience {
    /// A shard that knows nothing of the log but where its head is.
    #[must_use]
    pub fn at(head: u64) -> Self {
        Self::holding(head, Vec::new())
    }

    /// A shard that holds these frames, which follow `before`.
    #[must_use]
    pub fn holding(before: u64, frames: Vec<Arc<Frame>>) -> Self {
        let now = Instant::now();
        let mut shard = Shard::new(Arc::new(Settings::default()), Arc::new(ShardStats::default()), now);
        shard.on_update(Newsroom::behind(before).update(before, frames));
        Self { shard, counts: Rc::default(), admission: Admission::new(usize::MAX), now }
    }

    /// The same with `count` live subscriptions, each of the filter that `filter` makes of its number.
    #[must_use]
    pub fn followed_by(mut self, count: usize, filter: impl Fn(usize) -> Arc<Filter>) -> Self {
        for number in 0..count {
            self.join(filter(number), Beginning::Now);
        }
        self.run();
        self
    }

    fn join(&mut self, filter: Arc<Filter>, beginning: Beginning) {
        let permit = self.admission.admit().expect("there is room for everyone");
        self.shard.subscribe(
            Request { filter, beginning, permit, right: None, deliver_per_second: None },
            Tally(self.counts.clone()),
            self.now,
        );
    }

    fn run(&mut self) {
        while self.shard.has_work() {
            self.shard.slice(self.now);
        }
    }

    /// Takes an update and delivers it to the last; returns how many frames were ever delivered.
    pub fn hear(&mut self, news: News) -> u64 {
        self.shard.on_update(news.0);
        self.run();
        self.counts.frames.get()
    }

    /// Lets time pass in which nothing happens, and tells everyone that is due; returns how many notices were ever told.
    pub fn stay_quiet(&mut self, how_long: Duration) -> u64 {
        self.now += how_long;
        loop {
            let told = self.counts.notices.get();
            self.shard.tick(self.now);
            self.run();
            if told == self.counts.notices.get() {
                return told;
            }
        }
    }
}

/// A shard with a full ring, before someone comes who has nothing of it.
#[derive(Debug)]
pub struct Newcomer {
    audience: Audience,
    filter: Arc<Filter>,
}

impl Newcomer {
    /// Someone who will follow `filter` from the first of these frames, which begin with seq 1.
    #[must_use]
    pub fn before(frames: Vec<Arc<Frame>>, filter: Arc<Filter>) -> Self {
        Self { audience: Audience::holding(0, frames), filter }
    }

    /// Walks the ring until it is live; returns how many frames were delivered.
    pub fn walk(&mut self) -> u64 {
        let start = Cursor { epoch: EPOCH, seq: Seq::ZERO };
        self.audience.join(self.filter.clone(), Beginning::At { cursor: start, presented: None, rewound: None });
        self.audience.run();
        self.audience.counts.frames.get()
    }
}

/// A shard with an empty ring, and someone who waits for a page of the log.
#[derive(Debug)]
pub struct Latecomer {
    audience: Audience,
    answer: Answer,
}

impl Latecomer {
    /// Someone who follows everything and has none of these frames, which begin with seq 1 and end with the log's head.
    #[must_use]
    pub fn reading(frames: Vec<Arc<Frame>>) -> Self {
        let through = Seq::new(frames.len() as u64);
        let mut audience = Audience::at(through.get());
        let start = Cursor { epoch: EPOCH, seq: Seq::ZERO };
        audience.join(Arc::new(Filter::everything()), Beginning::At { cursor: start, presented: None, rewound: None });
        audience.run();
        let ask = audience.shard.take_asks().pop().expect("it is behind the ring");
        let position = Position { log: LogId::new(1), epoch: EPOCH, head: through, earliest: Seq::new(1) };
        let page = Arc::new(ReplayPage { frames, through, position });
        Self { audience, answer: Answer { key: ask.key, generation: ask.generation, ask: ask.ask, page: Ok(page) } }
    }

    /// Writes the page and goes live; returns how many frames were delivered.
    pub fn write(&mut self) -> u64 {
        let Answer { key, generation, ask, ref page } = self.answer;
        self.audience.shard.on_answer(Answer { key, generation, ask, page: page.clone() }, self.audience.now);
        self.audience.run();
        self.audience.counts.frames.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{FilterParts, StreamId},
        hub::measure::event,
    };

    fn on(stream: &str) -> Arc<Filter> {
        let parts = FilterParts { streams: vec![StreamId::new(stream)], ..FilterParts::default() };
        Arc::new(Filter::new(parts, 9).expect("filter"))
    }

    #[test]
    fn everyone_who_follows_hears_each_event_of_its_stream_once() {
        let mut newsroom = Newsroom::behind(7);
        let mut audience = Audience::at(7).followed_by(300, |number| on(if number < 2 { "few" } else { "many" }));
        assert_eq!(audience.hear(newsroom.next(64, |seq| event(seq, "many", 64))), 64 * 298);
        assert_eq!(audience.hear(newsroom.next(1, |seq| event(seq, "few", 64))), 64 * 298 + 2);
    }

    #[test]
    fn whoever_has_heard_nothing_for_long_is_told_so_once() {
        let mut audience = Audience::at(7).followed_by(3, |_| on("a"));
        let told = audience.counts.notices.get();
        assert_eq!(audience.stay_quiet(Duration::from_secs(20)), told + 3);
    }

    #[test]
    fn a_newcomer_gets_what_it_follows_of_the_ring_and_a_latecomer_its_page() {
        let frames: Vec<_> = (1..=512).map(|seq| frame(event(seq, &(seq % 64).to_string(), 64))).collect();
        assert_eq!(Newcomer::before(frames.clone(), Arc::new(Filter::everything())).walk(), 512);
        assert_eq!(Newcomer::before(frames.clone(), on("3")).walk(), 8);
        assert_eq!(Latecomer::reading(frames).write(), 512);
    }
}
