//! One shard with many connections: what a slice, a tick, an update or an event may cost the others of its thread.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    super::{
        Admission, Beginning, Frame, Request, Settings,
        budget::WRITE,
        replay::{Answer, Ask, ReplayPage},
        shard::{Shard, Update},
        stats::ShardStats,
    },
    client::{Client, Pipe},
    model::Model,
};
use crate::domain::{Cursor, Epoch, EpochStart, Filter, FilterParts, Pattern, Seq, StreamId};

/// Writes in a slice of these tests.
const WRITES: usize = 16;

/// A shard, its log, and its clients.
struct Crowd {
    model: Model,
    shard: Shard<Pipe>,
    clients: Vec<Rc<RefCell<Client>>>,
    admission: Arc<Admission>,
    now: Instant,
    told: u64,
}

impl Crowd {
    fn new(filters: impl Iterator<Item = Filter>) -> Self {
        let mut crowd = Self::of_nobody();
        crowd.update(None);
        filters.for_each(|filter| drop(crowd.join(filter, Beginning::Now)));
        crowd.rest();
        crowd
    }

    /// With a shard that does not know its log.
    fn of_nobody() -> Self {
        let now = Instant::now() + Duration::from_secs(3600);
        let chain = vec![EpochStart { epoch: Epoch::new(1), first: Seq::new(1) }];
        let model = Model { events: Vec::new(), earliest: 1, chain, written: 0, is_restored: false };
        let mut shard = Shard::new(Arc::new(Settings::default()), Arc::new(ShardStats::default()), now);
        shard.set_slice(WRITES * WRITE);
        Self { model, shard, clients: Vec::new(), admission: Admission::new(100_000), now, told: 0 }
    }

    fn of_everything(clients: usize) -> Self {
        Self::new((0..clients).map(|_| Filter::everything()))
    }

    fn join(&mut self, filter: Filter, beginning: Beginning) -> Rc<RefCell<Client>> {
        let client = Rc::new(RefCell::new(Client { connected: true, capacity: 100_000, ..Client::default() }));
        let permit = self.admission.admit().expect("room");
        let request = Request { filter: Arc::new(filter), beginning, permit };
        self.shard.subscribe(request, Pipe(client.clone()), self.now);
        self.clients.push(client.clone());
        client
    }

    /// Tells the shard what the log has that it was not told yet.
    fn update(&mut self, fork: Option<u64>) {
        let epoch = self.model.chain().current();
        let before = fork.unwrap_or(self.told);
        let frames = self.model.events[before as usize..].iter().map(|event| Frame::new(event.clone(), epoch, None)).collect();
        self.told = self.model.head().get();
        let chain = Arc::new(self.model.chain());
        self.shard.on_update(Update { chain, earliest: Seq::new(1), fork: fork.map(Seq::new), before: Seq::new(before), frames });
    }

    fn publish(&mut self, events: usize) {
        let mut rng = fastrand::Rng::with_seed(1);
        (0..events).for_each(|_| drop(self.model.append(&mut rng)));
    }

    /// How many events and notices all clients have taken since they joined.
    fn taken(&self) -> usize {
        self.clients.iter().map(|client| 100_000 - client.borrow().capacity).sum()
    }

    /// Runs slices until nothing is left to do, and says what each made its clients take.
    fn rest(&mut self) -> Vec<usize> {
        let mut slices = Vec::new();
        while self.shard.has_work() {
            let before = self.taken();
            self.shard.slice(self.now);
            slices.push(self.taken() - before);
        }
        slices
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.shard.tick(self.now);
    }
}

fn stream(n: usize) -> Filter {
    // "a" to "c" are what the model publishes to
    let name = if n == 0 { "a".to_owned() } else { format!("other-{n}") };
    Filter::new(FilterParts { streams: vec![StreamId::new(name)], ..FilterParts::default() }, 9).expect("filter")
}

fn after(epoch: Epoch, seq: u64) -> Beginning {
    Beginning::At { cursor: Cursor { epoch, seq: Seq::new(seq) }, presented: None, rewound: None }
}

#[test]
fn no_slice_writes_more_than_its_budget() {
    let mut crowd = Crowd::of_everything(500);
    crowd.publish(1);
    let before = crowd.taken();
    crowd.update(None);
    assert_eq!(crowd.taken(), before, "an update alone writes nothing");
    let slices = crowd.rest();
    assert_eq!(slices.iter().sum::<usize>(), 500, "an event for each");
    assert!(slices.iter().all(|&writes| writes <= WRITES), "{slices:?}");
}

#[test]
fn a_write_of_many_frames_counts_for_many() {
    let mut crowd = Crowd::of_everything(100);
    crowd.publish(64);
    crowd.update(None);
    let slices = crowd.rest();
    assert_eq!(slices.iter().sum::<usize>(), 64 * 100, "all events for each");
    assert!(slices.iter().all(|&frames| frames <= 64 * WRITES / 8), "{slices:?}");
}

#[test]
fn one_event_for_one_stream_looks_at_no_other_subscription() {
    let cost = |others: usize| {
        let mut crowd = Crowd::new((0..=others).map(stream));
        let mut rng = fastrand::Rng::with_seed(1);
        while crowd.model.append(&mut rng).keys.streams[0].as_str() != "a" {
            crowd.model.events.clear();
        }
        crowd.update(None);
        crowd.shard.slice(crowd.now);
        assert_eq!(crowd.clients[0].borrow().holds.len(), 1);
        assert!(!crowd.shard.has_work());
        crowd.shard.spent()
    };
    assert_eq!(cost(3), cost(2000));
}

#[test]
fn an_event_among_patterns_that_do_not_match_costs_what_it_does_among_few() {
    let follow = |patterns: &mut dyn Iterator<Item = String>| {
        let types = patterns.map(|pattern| Pattern::parse(&pattern).expect("well formed")).collect();
        Filter::new(FilterParts { types, ..FilterParts::default() }, 100).expect("filter")
    };
    let cost = |others: usize| {
        // what the model publishes is of the type "t.x"
        let matches = follow(&mut ["*.x", "t.*", "**"].map(String::from).into_iter());
        let others = (0..others).map(|n| {
            let of = |m: usize| {
                [format!("*.other-{n}-{m}.**"), format!("*.other-{n}-{m}"), format!("*.*.other-{n}-{m}"), format!("t.*.other-{n}-{m}")]
            };
            follow(&mut (0..25).flat_map(of))
        });
        let mut crowd = Crowd::new(std::iter::once(matches).chain(others));
        crowd.publish(1);
        crowd.update(None);
        crowd.shard.slice(crowd.now);
        assert_eq!(crowd.clients[0].borrow().holds.len(), 1);
        assert!(!crowd.shard.has_work());
        crowd.shard.spent()
    };
    assert_eq!(cost(1), cost(100), "among 100 patterns and among 10,000");
}

#[test]
fn followers_of_everything_cost_nothing_before_they_are_written_to() {
    let slices_to_the_first_write = |followers: usize| {
        let mut crowd = Crowd::of_everything(followers);
        crowd.shard.set_slice(1);
        crowd.publish(64);
        let before = crowd.taken();
        crowd.update(None);
        let mut slices = 0;
        while crowd.taken() == before {
            crowd.shard.slice(crowd.now);
            slices += 1;
        }
        slices
    };
    assert_eq!(slices_to_the_first_write(1), slices_to_the_first_write(2000));
}

#[test]
fn a_tick_alone_writes_nothing_and_slices_send_its_heartbeats() {
    let mut crowd = Crowd::of_everything(500);
    let before = crowd.taken();
    crowd.pass(Duration::from_secs(20));
    assert_eq!(crowd.taken(), before);
    let slices = crowd.rest();
    assert_eq!(slices.iter().sum::<usize>(), 500, "one each");
    assert!(slices.iter().all(|&writes| writes <= WRITES), "{slices:?}");
}

#[test]
fn heartbeats_of_those_who_were_written_to_at_once_are_spread() {
    let mut crowd = Crowd::of_everything(100);
    let mut beats = Vec::new();
    for _ in 0..160 {
        crowd.pass(Duration::from_millis(100));
        beats.push(crowd.rest().iter().sum::<usize>());
    }
    assert_eq!(beats.iter().sum::<usize>(), 100, "one each: {beats:?}");
    assert!(beats.iter().all(|&beats| beats < 20), "{beats:?}");
}

#[test]
fn one_that_blocked_and_then_fell_silent_has_its_heartbeat_in_time() {
    let mut crowd = Crowd::of_everything(1);
    crowd.clients[0].borrow_mut().capacity = 1;
    // the first heartbeat blocks it, and it takes more at once
    crowd.pass(Duration::from_secs(15));
    crowd.rest();
    crowd.clients[0].borrow_mut().capacity = 100;
    let waker = crowd.clients[0].borrow_mut().waker.take().expect("it waits for its socket");
    waker.wake();
    crowd.rest();
    for _ in 0..320 {
        crowd.pass(Duration::from_millis(100));
        crowd.rest();
    }
    assert!(crowd.clients[0].borrow().capacity < 100, "32 s without a word");
}

#[test]
fn a_rewind_is_told_in_steps_and_newcomers_do_not_wait_for_it() {
    let mut crowd = Crowd::of_everything(500);
    crowd.publish(3);
    crowd.update(None);
    crowd.rest();
    crowd.model.events.truncate(1);
    crowd.model.is_restored = true;
    crowd.model.open_epoch();
    crowd.shard.set_slice(50);
    crowd.update(Some(1));
    let before = crowd.taken();
    crowd.shard.slice(crowd.now);
    assert!(crowd.shard.is_dispatching() && crowd.taken() == before, "it takes more than one slice to tell");
    let newcomer = crowd.join(Filter::everything(), Beginning::Now);
    // of an instance that has heard more
    let ahead = crowd.join(Filter::everything(), after(crowd.model.chain().current(), 2));
    assert!(newcomer.borrow().live && ahead.borrow().live);
    crowd.rest();
    assert!(crowd.clients[..500].iter().all(|client| client.borrow().holds.len() == 1));
    let stands_at = |client: Rc<RefCell<Client>>| client.borrow().last_id.map(|cursor| cursor.seq.get());
    assert_eq!((stands_at(newcomer), stands_at(ahead)), (Some(1), Some(2)), "what came before them is none of their business");
}

#[test]
fn whoever_came_before_the_shard_knew_its_log_begins_with_its_first_update() {
    let mut crowd = Crowd::of_nobody();
    let client = crowd.join(Filter::everything(), Beginning::Now);
    crowd.rest();
    assert!(!client.borrow().live);
    crowd.update(None);
    crowd.rest();
    assert!(client.borrow().live);
}

#[test]
fn a_page_that_nobody_takes_is_let_go() {
    let mut crowd = Crowd::of_nobody();
    crowd.publish(10);
    let (epoch, position) = (crowd.model.chain().current(), crowd.model.position());
    let frames: Vec<_> = crowd.model.events.iter().map(|event| Frame::new(event.clone(), epoch, None)).collect();
    crowd.shard.on_update(Update {
        chain: Arc::new(crowd.model.chain()),
        earliest: Seq::new(1),
        fork: None,
        before: Seq::new(10),
        frames: Vec::new(),
    });
    let client = crowd.join(Filter::everything(), after(epoch, 0));
    client.borrow_mut().capacity = 3;
    crowd.rest();
    let page = Arc::new(ReplayPage { frames, through: Seq::new(10), position });
    for Ask { key, generation, ask, .. } in crowd.shard.take_asks() {
        crowd.shard.on_answer(Answer { key, generation, ask, page: Ok(page.clone()) }, crowd.now);
    }
    crowd.rest();
    assert_eq!((client.borrow().holds.len(), Arc::strong_count(&page)), (3, 2));
    for _ in 0..3 {
        crowd.pass(Duration::from_secs(1));
        crowd.rest();
    }
    assert_eq!(Arc::strong_count(&page), 1);
}

#[test]
fn a_drain_closes_no_more_in_a_slice_than_its_budget_allows() {
    let mut crowd = Crowd::of_everything(200);
    crowd.shard.drain(Duration::from_secs(1), crowd.now);
    for second in [0, 2] {
        crowd.pass(Duration::from_secs(second));
        let slices = crowd.rest();
        assert!(slices.iter().all(|&closed| closed <= WRITES / 4), "{slices:?}");
        assert_eq!(crowd.shard.is_empty(), second == 2, "after {second} s");
    }
}
