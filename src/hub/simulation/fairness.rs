//! One shard with many connections: what a slice, a tick, an update or an event may cost the others of its thread.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use futures::FutureExt as _;

use super::{
    super::{
        Beginning, Frame, RingBounds, Settings,
        budget::WRITE,
        replay::{Answer, Ask, ReplayPage},
        shard::Update,
    },
    client::Client,
    crowd::{Crowd, WRITES},
};
use crate::domain::{Cursor, Epoch, Filter, FilterParts, Pattern, Seq, StreamId};

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
        passages: Vec::new(),
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

#[test]
fn a_walk_is_charged_for_every_selector_that_it_tests() {
    let patterns = (0..100).map(|n| Pattern::parse(&format!("*.*.*.nobody-{n}")).expect("pattern")).collect();
    let many = Filter::new(FilterParts { topics: patterns, ..FilterParts::default() }, 100).expect("filter");
    let mut crowd = Crowd::of_everything(0);
    crowd.publish(2000);
    crowd.update(None);
    crowd.rest();
    crowd.join(many, after(Epoch::new(1), 0));
    let slices = crowd.rest().len();
    // a pattern is a look, a slice has WRITES * WRITE of them
    assert!(slices >= 2000 * 100 / (WRITES * WRITE) / 2, "{slices} slices");
}

#[test]
fn a_heartbeat_is_not_late_because_patience_is_long() {
    let day = Duration::from_secs(86_400);
    let mut crowd = Crowd::with(Settings { no_progress: day, ..Settings::default() });
    crowd.update(None);
    crowd.join(Filter::everything(), Beginning::Now);
    crowd.rest();
    let told = crowd.taken();
    for _ in 0..155 {
        crowd.pass(Duration::from_millis(100));
        crowd.rest();
    }
    assert!(crowd.taken() > told, "silent for longer than the heartbeat");
}

#[test]
fn a_page_that_a_newcomer_needs_is_asked_for_at_once() {
    let mut crowd = Crowd::with(Settings { ring: RingBounds { frames: 1, bytes: 1000 }, ..Settings::default() });
    crowd.publish(10);
    crowd.update(None);
    crowd.rest();
    let woken = crowd.shard.ready().clone();
    // whatever was noted before is heard
    let _ = woken.woken().now_or_never();
    crowd.join(Filter::everything(), after(Epoch::new(1), 0));
    assert_eq!(crowd.shard.take_asks().len(), 1);
    assert!(woken.woken().now_or_never().is_some(), "the shard's task sleeps until something else happens");
}
