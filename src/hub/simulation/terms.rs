//! Streams that end with their right, the warning before, and paces: each rule by itself.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    super::{
        Beginning, CloseReason, Expiry, Frame, Right, RingBounds, Settings,
        replay::{Answer, Ask, ReplayPage},
    },
    client::Client,
    crowd::Crowd,
};
use crate::domain::{Cursor, Epoch, Filter, Seq, Timestamp};

const TICK: Duration = Duration::from_millis(100);

fn from(seq: u64) -> Beginning {
    Beginning::At { cursor: Cursor { epoch: Epoch::new(1), seq: Seq::new(seq) }, presented: None, rewound: None }
}

/// With a ring that is soon behind.
fn of_a_short_ring() -> Crowd {
    Crowd::with(Settings { ring: RingBounds { frames: 16, bytes: 100_000 }, ..Settings::default() })
}

impl Crowd {
    fn right(&self, seconds: u64) -> Arc<Right> {
        let at = self.now + Duration::from_secs(seconds);
        Right::new(Some(Expiry { at, time: Timestamp::from_micros(0) }))
    }

    /// Hands over pages of so many events, and returns one that it handed over.
    fn answer(&mut self, limit: usize) -> Option<Arc<ReplayPage>> {
        let mut last = None;
        for Ask { key, generation, ask, filter, after, at_most } in self.shard.take_asks() {
            let page = self.model.page(&filter, after, limit.min(at_most));
            let frames = page.events.into_iter().map(|event| Frame::new(event, Epoch::new(1), None)).collect();
            let page = Arc::new(ReplayPage { frames, through: page.through, position: page.position });
            self.shard.on_answer(Answer { key, generation, ask, page: Ok(page.clone()) }, self.now);
            last = Some(page);
        }
        last
    }

    /// Time passes as it does for a worker.
    fn live_through(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / TICK.as_millis() {
            self.pass(TICK);
            self.rest();
        }
    }
}

fn held(client: &Rc<RefCell<Client>>) -> usize {
    client.borrow().holds.len()
}

/// Brings a subscription somewhere, and says what it holds there and whether its socket takes anything.
type Situation = fn(&mut Crowd, Option<Arc<Right>>) -> (Rc<RefCell<Client>>, usize, bool);

const SITUATIONS: [(&str, Situation); 8] = [
    ("live", |crowd, right| {
        crowd.update(None);
        let client = crowd.join_under(Filter::everything(), Beginning::Now, right, None);
        crowd.rest();
        (client, 0, true)
    }),
    ("starting", |crowd, right| (crowd.join_under(Filter::everything(), Beginning::Now, right, None), 0, true)),
    ("blocked", |crowd, right| {
        crowd.publish(9);
        crowd.update(None);
        crowd.rest();
        let client = crowd.join_under(Filter::everything(), Beginning::Now, right, None);
        client.borrow_mut().capacity = 2;
        crowd.publish(9);
        crowd.update(None);
        crowd.rest();
        (client, 2, false)
    }),
    ("reading", |crowd, right| {
        crowd.publish(40);
        crowd.update(None);
        crowd.rest();
        (crowd.join_under(Filter::everything(), from(0), right, None), 0, true)
    }),
    ("paging", |crowd, right| {
        crowd.publish(40);
        crowd.update(None);
        crowd.rest();
        let client = crowd.join_under(Filter::everything(), from(0), right, None);
        crowd.answer(40);
        (client, 0, true)
    }),
    ("paused", |crowd, right| {
        crowd.update(None);
        let client = crowd.join_under(Filter::everything(), Beginning::Now, right, Some(3));
        crowd.publish(9);
        crowd.update(None);
        crowd.rest();
        (client, 3, true)
    }),
    ("about to be written to", |crowd, right| {
        crowd.shard.set_slice(1);
        crowd.update(None);
        let client = crowd.join_under(Filter::everything(), Beginning::Now, right, None);
        crowd.rest();
        crowd.publish(1);
        crowd.update(None);
        crowd.shard.slice(crowd.now);
        assert!(crowd.shard.is_dispatching());
        (client, 0, true)
    }),
    ("about to hear of a rewind", |crowd, right| {
        crowd.publish(3);
        crowd.update(None);
        let client = crowd.join_under(Filter::everything(), Beginning::Now, right, None);
        crowd.rest();
        crowd.model.events.truncate(1);
        crowd.model.is_restored = true;
        crowd.model.open_epoch();
        crowd.update(Some(1));
        assert!(crowd.shard.is_dispatching());
        (client, 0, true)
    }),
];

/// What ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Clock,
    Word,
    /// Of all that have no right.
    Unowned,
}

#[test]
fn nothing_is_told_after_the_right_has_ended_but_why() {
    for (name, bring) in SITUATIONS {
        for end in [End::Clock, End::Word, End::Unowned] {
            let case = format!("{name}, {end:?}");
            let mut crowd = of_a_short_ring();
            let right = (end != End::Unowned).then(|| crowd.right(1000));
            let (client, holds, listens) = bring(&mut crowd, right.clone());
            let reason = if end == End::Clock { CloseReason::Expired } else { CloseReason::Revoked };
            match (end, right) {
                // one jump: what was due on the way is due with the end
                (End::Clock, _) => crowd.pass(Duration::from_secs(1000)),
                (_, Some(right)) => right.end(reason),
                (_, None) => crowd.shard.end_unowned(reason),
            }
            assert!(crowd.shard.has_work(), "{case}: the shard was not woken");
            crowd.rest();
            let client = client.borrow();
            assert_eq!(client.faults, Vec::<String>::new(), "{case}");
            let holds = if name == "about to hear of a rewind" { 0 } else { holds };
            assert_eq!((client.holds.len(), client.connected), (holds, false), "{case}");
            assert_eq!(client.closings, if listens { vec![reason] } else { vec![] }, "{case}");
            assert!(crowd.shard.is_empty() && crowd.admission.now() == 0, "{case}: something was left behind");
            assert_eq!(crowd.stats.closed(reason), 1, "{case}");
        }
    }
}

#[test]
fn those_without_a_right_end_in_steps_and_nothing_is_written_to_those_whose_turn_comes_later() {
    let mut crowd = Crowd::of_nobody();
    crowd.update(None);
    let right = crowd.right(1000);
    let owner = crowd.join_under(Filter::everything(), Beginning::Now, Some(right), None);
    let many: Vec<_> = (0..30).map(|_| crowd.join(Filter::everything(), Beginning::Now)).collect();
    crowd.rest();
    crowd.shard.set_slice(1);
    crowd.publish(1);
    crowd.update(None);
    crowd.shard.end_unowned(CloseReason::Revoked);
    let mut slices = 0;
    while crowd.shard.has_work() {
        let before = crowd.admission.now();
        crowd.shard.slice(crowd.now);
        assert!(before - crowd.admission.now() <= 4, "a slice of one look closes one in each of its parts");
        slices += 1;
    }
    assert!(slices >= 8, "{slices}");
    for client in &many {
        assert_eq!((held(client), &client.borrow().closings[..]), (0, &[CloseReason::Revoked][..]));
    }
    assert_eq!((held(&owner), owner.borrow().connected, crowd.admission.now()), (1, true, 1));
    // who comes later, under an old key or a new one
    for _ in 0..40 {
        let late = crowd.join(Filter::everything(), from(0));
        assert_eq!((held(&late), &late.borrow().closings[..]), (0, &[CloseReason::Revoked][..]));
    }
    crowd.rest();
    assert_eq!(crowd.admission.now(), 1);
}

#[test]
fn a_right_that_ended_before_the_stream_began_lets_nothing_through() {
    let mut crowd = Crowd::of_nobody();
    crowd.publish(3);
    crowd.update(None);
    let (revoked, expired) = (crowd.right(9), crowd.right(0));
    revoked.end(CloseReason::Revoked);
    for (right, reason) in [(revoked, CloseReason::Revoked), (expired, CloseReason::Expired)] {
        let client = crowd.join_under(Filter::everything(), from(0), Some(right), None);
        crowd.rest();
        assert_eq!((client.borrow().last_id, &client.borrow().closings), (None, &vec![reason]));
        assert!(client.borrow().faults.is_empty() && crowd.shard.is_empty());
    }
}

/// Many with rights, and an event that is about to be written to each, in the shortest of slices.
fn many() -> (Crowd, Vec<Arc<Right>>) {
    let mut crowd = Crowd::of_nobody();
    crowd.update(None);
    let rights: Vec<_> = (0..20).map(|_| crowd.right(1000)).collect();
    for right in &rights {
        crowd.join_under(Filter::everything(), Beginning::Now, Some(right.clone()), None);
    }
    crowd.rest();
    crowd.shard.set_slice(1);
    crowd.publish(1);
    crowd.update(None);
    (crowd, rights)
}

#[test]
fn rights_that_end_while_an_event_is_delivered_keep_it_from_those_whose_turn_comes_later() {
    let (mut crowd, rights) = many();
    // the last that is woken is looked at first, and the last that joined is written to first
    rights.iter().rev().for_each(|right| right.end(CloseReason::Revoked));
    crowd.rest();
    for client in &crowd.clients {
        let client = client.borrow();
        assert_eq!((client.holds.len(), &client.faults, &client.closings[..]), (0, &Vec::new(), &[CloseReason::Revoked][..]));
    }
    assert!(crowd.shard.is_empty());
}

#[test]
fn whatever_closes_a_stream_whose_right_is_over_says_so() {
    let (mut crowd, rights) = many();
    // the last that is woken is looked at first, and a drain begins with the first
    rights.iter().for_each(|right| right.end(CloseReason::Superseded));
    crowd.shard.drain(Duration::ZERO, crowd.now);
    crowd.pass(TICK);
    crowd.rest();
    assert!(crowd.clients.iter().all(|client| client.borrow().closings == [CloseReason::Superseded]));
}

#[test]
fn a_right_can_outlive_its_stream_without_waking_anyone() {
    let mut crowd = Crowd::of_nobody();
    crowd.update(None);
    let right = crowd.right(1);
    let client = crowd.join_under(Filter::everything(), Beginning::Now, Some(right.clone()), None);
    client.borrow_mut().connected = false;
    let waker = client.borrow_mut().waker.take().expect("it is polled");
    waker.wake();
    crowd.rest();
    assert!(crowd.shard.is_empty());
    right.end(CloseReason::Revoked);
    crowd.pass(TICK);
    assert!(!crowd.shard.has_work());
}

#[test]
fn the_end_of_a_right_is_told_a_minute_before_and_kept_to_a_tick_however_long_the_heartbeat_is() {
    let day = Duration::from_secs(86_400);
    for heartbeat in [Duration::from_secs(1), day] {
        for is_blocked in [false, true] {
            let mut crowd = Crowd::with(Settings { heartbeat, no_progress: day, ..Settings::default() });
            crowd.update(None);
            let right = crowd.right(100);
            let client = crowd.join_under(Filter::everything(), Beginning::Now, Some(right), None);
            crowd.rest();
            crowd.live_through(Duration::from_millis(39_900));
            assert!(client.borrow().warnings.is_empty());
            crowd.live_through(TICK);
            assert_eq!(client.borrow().warnings, [60]);
            client.borrow_mut().pinned = is_blocked;
            if is_blocked {
                client.borrow_mut().capacity = 1;
                client.borrow_mut().pinned = false;
                crowd.publish(2);
                crowd.update(None);
                crowd.rest();
            }
            crowd.live_through(Duration::from_millis(59_900));
            assert!(client.borrow().connected);
            crowd.live_through(TICK);
            assert!(!client.borrow().connected && crowd.shard.is_empty());
            assert_eq!(client.borrow().closings.len(), usize::from(!is_blocked));
            assert_eq!(client.borrow().warnings, [60], "once");
            assert_eq!(client.borrow().faults, Vec::<String>::new());
        }
    }
}

#[test]
fn a_stream_that_begins_within_the_last_minute_is_warned_at_once_and_one_within_its_last_moment_is_not() {
    for (millis, warnings) in [(60_000, &[60][..]), (7_400, &[7]), (400, &[])] {
        let mut crowd = Crowd::of_nobody();
        crowd.update(None);
        let at = crowd.now + Duration::from_millis(millis);
        let right = Right::new(Some(Expiry { at, time: Timestamp::from_micros(0) }));
        let client = crowd.join_under(Filter::everything(), Beginning::Now, Some(right), None);
        assert_eq!(client.borrow().warnings, warnings);
        assert!(client.borrow().live);
    }
}

#[test]
fn a_warning_that_blocks_its_connection_loses_nothing() {
    let mut crowd = Crowd::with(Settings { heartbeat: Duration::from_secs(86_400), ..Settings::default() });
    crowd.update(None);
    let right = crowd.right(100);
    let client = crowd.join_under(Filter::everything(), Beginning::Now, Some(right), None);
    crowd.rest();
    client.borrow_mut().capacity = 1;
    crowd.live_through(Duration::from_secs(40));
    assert!(client.borrow().pinned && client.borrow().warnings == [60]);
    crowd.publish(3);
    crowd.update(None);
    crowd.rest();
    client.borrow_mut().capacity = 100;
    let waker = client.borrow_mut().waker.take().expect("it waits for its socket");
    waker.wake();
    crowd.rest();
    assert_eq!((held(&client), client.borrow().faults.len()), (3, 0));
}

#[test]
fn a_superseded_client_is_told_to_wait_for_long() {
    let settings = Settings::default();
    let usual = settings.retry.as_millis() as u32;
    for _ in 0..100 {
        assert!(settings.retry_after(CloseReason::Superseded) >= usual * 24 * 3 / 4);
        assert!(settings.retry_after(CloseReason::Expired) <= usual * 5 / 4);
    }
}

#[test]
fn a_paced_connection_gets_a_burst_and_then_its_pace_and_all_of_it() {
    let mut crowd = Crowd::of_nobody();
    crowd.update(None);
    let paced = crowd.join_under(Filter::everything(), Beginning::Now, None, Some(10));
    let other = crowd.join(Filter::everything(), Beginning::Now);
    crowd.publish(100);
    crowd.update(None);
    crowd.rest();
    assert_eq!((held(&paced), held(&other)), (10, 100));
    let mut after = Vec::new();
    for _ in 0..4 {
        crowd.live_through(Duration::from_secs(2));
        after.push(held(&paced));
    }
    assert_eq!(after, [30, 50, 70, 90]);
    assert_eq!(crowd.stats.paced.load(Relaxed), 1);
    assert_eq!(crowd.stats.lagging.load(Relaxed), 0);
    crowd.live_through(Duration::from_secs(2));
    assert_eq!((held(&paced), crowd.stats.paced.load(Relaxed)), (100, 0));
    // and it is live again
    crowd.publish(1);
    crowd.update(None);
    crowd.rest();
    assert_eq!((held(&paced), &paced.borrow().faults), (101, &Vec::new()));
}

#[test]
fn one_that_waits_for_its_pace_keeps_no_thread_busy_and_is_not_lagging() {
    let mut crowd = Crowd::with(Settings { no_progress: Duration::from_millis(500), ..Settings::default() });
    crowd.update(None);
    let paced = crowd.join_under(Filter::everything(), Beginning::Now, None, Some(1));
    crowd.publish(30);
    crowd.update(None);
    crowd.rest();
    let mut slices = 0;
    for _ in 0..200 {
        crowd.pass(TICK);
        slices += crowd.rest().len();
    }
    assert_eq!(held(&paced), 21);
    assert!(slices <= 25, "{slices} slices for 20 events");
    assert!(paced.borrow().connected);
}

#[test]
fn a_paced_replay_holds_no_page_for_long_and_reads_what_it_may_deliver() {
    let mut crowd = of_a_short_ring();
    crowd.publish(200);
    crowd.update(None);
    crowd.rest();
    let paced = crowd.join_under(Filter::everything(), from(0), None, Some(10));
    let (mut pages, mut reads, mut rows) = (Vec::new(), 0, 0);
    for _ in 0..150 {
        if let Some(page) = crowd.answer(1000) {
            reads += 1;
            rows += page.frames.len();
            pages.push((crowd.now, Arc::downgrade(&page)));
        }
        crowd.rest();
        crowd.pass(TICK);
        crowd.rest();
        pages.retain(|(_, page)| page.strong_count() > 0);
        let is_held_for = |since| crowd.now.duration_since(since);
        assert!(pages.iter().all(|(since, _)| is_held_for(*since) <= Duration::from_millis(1200)), "a page is held");
    }
    assert!((150..=160).contains(&held(&paced)), "{} events in 15 s", held(&paced));
    assert!(reads <= 10 && rows <= 200, "{rows} events in {reads} reads");
    for _ in 0..60 {
        crowd.answer(1000);
        crowd.rest();
        crowd.pass(TICK);
        crowd.rest();
    }
    assert_eq!((held(&paced), paced.borrow().live, &paced.borrow().faults), (200, true, &Vec::new()));
}
