use super::*;
use crate::{
    domain::{Epoch, EpochStart, Timestamp},
    log::LogId,
};

const LOG: LogId = LogId::new(1);
const ONE: StoreIdentity = StoreIdentity::new(1);
const OTHER: StoreIdentity = StoreIdentity::new(2);
const EPOCH: Epoch = Epoch::new(1);

fn chain(links: &[(u32, u64)]) -> EpochChain {
    let link = |&(epoch, first)| EpochStart { epoch: Epoch::new(epoch), first: Seq::new(first) };
    EpochChain::new(links.iter().map(link).collect()).expect("not empty")
}

fn at(head: u64) -> Position {
    Position { log: LOG, epoch: EPOCH, head: Seq::new(head), earliest: Seq::new(1) }
}

fn events(from: u64, to: u64, id: &str) -> Vec<Event> {
    let event = |seq| {
        let envelope = format!(r#"{{"id":"{id}","type":"a.b","streams":["1"],"data":{{}}}}"#);
        Event::from_row(Seq::new(seq), Timestamp::from_micros(0), envelope).expect("well formed")
    };
    (from..=to).map(event).collect()
}

fn page(events: Vec<Event>, head: u64) -> Page {
    Page { events, through: Seq::new(head), position: at(head) }
}

/// What the followed store says of its events.
fn says(events: Vec<Event>) -> Announcement {
    let head = events.last().expect("one at least").seq;
    Announcement { log: LOG, store: Some(ONE), epoch: EPOCH, head, events, trace: None }
}

fn hints(head: u64) -> Announcement {
    Announcement { log: LOG, store: Some(ONE), epoch: EPOCH, head: Seq::new(head), events: Vec::new(), trace: None }
}

/// A track, one shard, and a clock.
struct Bench {
    track: Track,
    now: Instant,
}

impl Bench {
    /// That has read all of a log of so many events.
    fn at(head: u64) -> Self {
        Self::with(head, RingBounds::default())
    }

    fn with(head: u64, bounds: RingBounds) -> Self {
        let mut this = Self { track: Track::new(chain(&[(1, 1)]), Some(ONE), at(head), bounds), now: Instant::now() };
        this.track.add_shard();
        if head > 0 {
            this.reads(page(events(1, head, "kept"), head));
        }
        this
    }

    fn hears(&mut self, announcement: Announcement) {
        self.track.on_announcement(announcement, self.now);
    }

    /// Asks and is answered at once.
    fn reads(&mut self, page: Page) {
        self.track.on_page(page, self.track.asking(), self.now);
    }

    fn looks(&mut self, store: Option<StoreIdentity>, position: Position) {
        let asked = Asked { turn: self.track.turn(), position: self.track.position() };
        self.track.on_look(store, Some(position), asked);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn want(&self) -> Want {
        self.track.want(self.now)
    }

    fn position(&self) -> u64 {
        self.track.position().get()
    }

    /// Whether it would stay as it is for ever.
    fn is_at_rest(&self) -> bool {
        self.track.due().is_none() && self.want() == Want::Nothing
    }
}

fn behind(seq: u64) -> Want {
    Want::Events { after: Seq::new(seq) }
}

#[test]
fn a_frame_is_taken_only_of_the_store_and_the_epoch_that_are_followed() {
    let of = |store, epoch| Announcement { store, epoch: Epoch::new(epoch), ..says(events(9, 9, "told")) };
    // and what the log is then asked for
    let cases = [
        (of(Some(ONE), 1), 9, Want::Nothing),
        (of(Some(OTHER), 1), 8, behind(8)),
        (of(None, 1), 8, behind(8)),
        (of(Some(ONE), 2), 8, Want::Epochs),
        (of(Some(OTHER), 2), 8, Want::Epochs),
    ];
    for (announcement, position, want) in cases {
        let case = format!("{announcement:?}");
        let mut bench = Bench::at(8);
        bench.hears(announcement);
        assert_eq!((bench.position(), bench.track.stashed(), bench.want()), (position, 0, want), "{case}");
    }
}

#[test]
fn a_store_that_cannot_tell_who_it_is_is_followed_by_reading() {
    let mut bench = Bench::at(8);
    bench.looks(None, at(8));
    for store in [None, Some(ONE)] {
        bench.hears(Announcement { store, ..says(events(9, 9, "told")) });
        assert_eq!((bench.position(), bench.want()), (8, behind(8)));
    }
    // it can again
    bench.looks(Some(ONE), at(8));
    bench.hears(says(events(9, 9, "told")));
    assert_eq!(bench.position(), 9);
}

#[test]
fn what_is_not_consecutive_up_to_the_head_that_is_told_is_a_hint() {
    let none = Vec::new;
    let swapped = || events(10, 10, "x").into_iter().chain(events(9, 9, "x")).collect();
    let holed = || events(9, 9, "x").into_iter().chain(events(11, 11, "x")).collect();
    let cases = [(none(), 9), (events(9, 10, "x"), 11), (events(9, 10, "x"), 9), (swapped(), 10), (holed(), 11), (events(9, 11, "x"), 2)];
    for (events, head) in cases {
        let mut bench = Bench::at(8);
        bench.hears(Announcement { events, ..hints(head) });
        assert_eq!((bench.position(), bench.track.stashed()), (8, 0), "up to {head}");
        assert_eq!(bench.want(), if head > 8 { behind(8) } else { Want::Nothing }, "up to {head}");
    }
}

#[test]
fn the_last_number_of_all_is_nothing_that_a_log_reaches() {
    let last = Seq::MAX.get();
    for events in [Vec::new(), events(last, last, "x"), events(last - 1, last, "x"), events(last + 1, last + 1, "x")] {
        let mut bench = Bench::at(8);
        bench.hears(Announcement { events, ..hints(u64::MAX) });
        assert_eq!((bench.want(), bench.track.stashed()), (behind(8), 0));
        bench.reads(page(Vec::new(), 8));
        assert!(bench.is_at_rest());
    }
}

#[test]
fn frames_that_were_taken_in_part_already_go_on_where_they_do() {
    let mut bench = Bench::at(8);
    bench.hears(says(events(6, 11, "told")));
    assert_eq!(bench.position(), 11);
    bench.hears(says(events(6, 11, "again")));
    assert!(bench.is_at_rest() && bench.position() == 11);
}

#[test]
fn what_overtook_others_waits_for_them_and_the_log_is_not_asked_at_once() {
    let mut bench = Bench::at(0);
    bench.hears(says(events(6, 10, "b")));
    assert_eq!((bench.track.stashed(), bench.want(), bench.track.due()), (5, Want::Nothing, Some(bench.now + GRACE)));
    bench.wait(GRACE / 2);
    bench.hears(says(events(1, 5, "a")));
    assert_eq!((bench.position(), bench.track.stashed()), (10, 0));
    bench.wait(GRACE * 2);
    assert!(bench.is_at_rest());
}

#[test]
fn a_hole_that_nobody_fills_is_read_after_a_moment_and_a_hint_at_once() {
    let mut bench = Bench::at(0);
    bench.hears(says(events(6, 10, "b")));
    bench.wait(GRACE / 2);
    bench.hears(says(events(16, 20, "d")));
    assert!(!bench.track.is_for_hole(bench.now));
    bench.wait(GRACE / 2);
    assert_eq!((bench.want(), bench.track.is_for_hole(bench.now)), (behind(0), true));
    bench.reads(page(events(1, 10, "read"), 20));
    assert_eq!(bench.want(), behind(10), "the log itself says that it has more");
    assert!(!bench.track.is_for_hole(bench.now), "which is no hole's next page, nor is it read for frames that wait");
    bench.reads(page(events(11, 15, "read"), 20));
    assert_eq!(bench.position(), 20);
    bench.hears(hints(21));
    assert_eq!(bench.want(), behind(20));
}

#[test]
fn what_the_stash_has_no_room_for_is_read() {
    let mut bench = Bench::with(0, RingBounds { frames: 10, bytes: 1 });
    bench.hears(says(events(2, 9, "told")));
    assert_eq!(bench.track.stashed(), 1);
    bench.hears(says(events(1, 1, "late")));
    assert_eq!((bench.position(), bench.want()), (2, Want::Nothing));
    bench.wait(GRACE);
    assert_eq!(bench.want(), behind(2));
    let many = stash::FRAMES as u64 + 10;
    let mut bench = Bench::at(0);
    bench.hears(says(events(2, many, "told")));
    assert_eq!(bench.track.stashed(), stash::FRAMES);
}

#[test]
fn what_a_lost_store_announced_is_forgotten_with_it() {
    let mut bench = Bench::at(8);
    bench.hears(says(events(10, 11, "lost")));
    let asked = bench.track.asking();
    // it has lost 9 to 11, and nothing was numbered since
    bench.looks(Some(OTHER), at(8));
    assert_eq!((bench.position(), bench.track.stashed()), (8, 0));
    bench.hears(says(events(9, 9, "lost")));
    // asked of the one, arrived after the other was found
    bench.track.on_page(page(events(9, 11, "lost"), 11), asked, bench.now);
    bench.track.on_epochs(chain(&[(1, 1), (7, 2)]), asked, bench.now);
    assert_eq!((bench.position(), bench.track.chain().current()), (8, EPOCH));
    bench.reads(page(Vec::new(), 8));
    assert!(bench.is_at_rest());
}

#[test]
fn who_answers_counts_although_where_it_stands_is_void() {
    let mut bench = Bench::at(8);
    let asked = Asked { turn: bench.track.turn(), position: Seq::new(8) };
    bench.looks(Some(ONE), at(6));
    assert_eq!(bench.position(), 6);
    bench.hears(says(events(7, 7, "new")));
    bench.hears(says(events(9, 9, "lost")));
    bench.track.on_look(Some(OTHER), Some(at(3)), asked);
    assert_eq!((bench.position(), bench.track.stashed()), (7, 0));
    bench.hears(says(events(8, 8, "lost")));
    assert_eq!(bench.position(), 7);
}

#[test]
fn a_store_that_has_not_the_log_is_followed_too() {
    let mut bench = Bench::at(8);
    bench.track.on_look(Some(OTHER), None, Asked { turn: bench.track.turn(), position: Seq::new(8) });
    bench.hears(says(events(9, 9, "lost")));
    assert_eq!(bench.position(), 8);
}

#[test]
fn nothing_is_taken_in_a_numbering_of_which_the_log_has_said_that_it_is_over() {
    let mut bench = Bench::at(8);
    bench.looks(Some(ONE), Position { epoch: Epoch::new(2), ..at(8) });
    // lost in place: the store is the same
    bench.hears(says(events(9, 9, "lost")));
    assert_eq!((bench.position(), bench.want()), (8, Want::Epochs));
    bench.track.on_epochs(chain(&[(1, 1), (2, 9)]), bench.track.asking(), bench.now);
    assert_eq!((bench.position(), bench.want()), (8, behind(8)));
}

#[test]
fn a_numbering_that_is_known_to_be_over_is_no_reason_to_ask() {
    let mut bench = Bench::at(8);
    bench.track.on_epochs(chain(&[(1, 1), (2, 7)]), bench.track.asking(), bench.now);
    bench.hears(says(events(7, 9, "lost")));
    assert!(bench.is_at_rest() && bench.position() == 6);
}

#[test]
fn what_was_said_of_a_new_numbering_is_read_once_the_log_has_confirmed_it() {
    let mut bench = Bench::at(8);
    bench.hears(Announcement { epoch: Epoch::new(2), ..says(events(7, 9, "new")) });
    assert_eq!(bench.want(), Want::Epochs);
    bench.track.on_epochs(chain(&[(1, 1), (2, 7)]), bench.track.asking(), bench.now);
    assert_eq!((bench.position(), bench.want()), (6, behind(6)));
}

#[test]
fn false_hints_cost_one_read_each_grace_however_many_they_are() {
    let far = |n: u64| hints(1_000_000 + n);
    let ahead = |n: u64| says(events(1_000_000 + n, 1_000_000 + n, "x"));
    let foreign = |n: u64| Announcement { store: Some(OTHER), ..says(events(9, 9 + n % 3, "x")) };
    let elsewhere = |n: u64| Announcement { epoch: Epoch::new(100 + n as u32), ..hints(9) };
    let kinds: [&dyn Fn(u64) -> Announcement; 4] = [&far, &ahead, &foreign, &elsewhere];
    for (kind, announcement) in kinds.iter().enumerate() {
        let mut bench = Bench::at(8);
        let (mut reads, mut in_flight) = (0, None);
        // one a millisecond for a second, and a read is answered when the next has come
        for n in 0..1000 {
            bench.hears(announcement(n));
            match in_flight.take() {
                Some((Want::Epochs, asked)) => bench.track.on_epochs(chain(&[(1, 1)]), asked, bench.now),
                Some((_, asked)) => bench.track.on_page(page(Vec::new(), 8), asked, bench.now),
                None => {}
            }
            if bench.want() != Want::Nothing {
                reads += 1;
                in_flight = Some((bench.want(), bench.track.asking()));
            }
            bench.wait(Duration::from_millis(1));
        }
        assert!((20..=51).contains(&reads), "{reads} reads for hints of kind {kind}");
        bench.wait(GRACE * 2);
        for _ in 0..3 {
            bench.track.on_epochs(chain(&[(1, 1)]), bench.track.asking(), bench.now);
            bench.reads(page(Vec::new(), 8));
        }
        assert!(bench.is_at_rest() && bench.track.stashed() == 0, "{bench:?}", bench = bench.track);
    }
}

#[test]
fn a_hint_that_comes_while_a_read_is_under_way_is_not_settled_by_it() {
    let mut bench = Bench::at(8);
    bench.hears(hints(u64::MAX));
    let asked = bench.track.asking();
    bench.hears(hints(10));
    bench.track.on_page(page(events(9, 9, "read"), 9), asked, bench.now);
    assert_eq!(bench.want(), Want::Nothing, "the other one was false");
    bench.wait(GRACE);
    assert_eq!(bench.want(), behind(9));
    bench.reads(page(events(10, 10, "read"), 10));
    assert!(bench.is_at_rest());
    // and one that is true has no other wait
    bench.hears(hints(11));
    let asked = bench.track.asking();
    bench.hears(hints(12));
    bench.track.on_page(page(events(11, 11, "read"), 11), asked, bench.now);
    assert_eq!(bench.want(), behind(11));
}

#[test]
fn what_a_look_says_while_a_read_is_under_way_is_not_settled_by_it() {
    let mut bench = Bench::at(8);
    bench.hears(hints(9));
    let asked = bench.track.asking();
    bench.looks(Some(ONE), at(10));
    bench.track.on_page(page(Vec::new(), 8), asked, bench.now);
    assert_eq!(bench.want(), behind(8));
}

#[test]
fn what_a_log_that_went_back_no_longer_has_is_not_asked_for_without_end() {
    let mut bench = Bench::at(8);
    // announced, lost, and gone with the file that was replaced by its backup
    bench.hears(hints(11));
    assert_eq!(bench.want(), behind(8));
    bench.reads(page(Vec::new(), 8));
    assert!(bench.is_at_rest());
}

#[test]
fn a_page_that_was_asked_for_before_the_log_went_back_is_void() {
    let mut bench = Bench::at(4);
    let asked = bench.track.asking();
    bench.looks(Some(ONE), at(6));
    assert_eq!(bench.want(), behind(4));
    // read, and lost with the numbers 3 and 4 before it arrives
    let late = page(events(5, 6, "lost"), 6);
    bench.looks(Some(ONE), at(2));
    bench.track.on_page(late, asked, bench.now);
    assert_eq!((bench.position(), bench.track.stashed(), bench.want()), (2, 0, Want::Nothing));
    // what has those numbers now
    bench.looks(Some(ONE), at(6));
    bench.reads(page(events(3, 6, "new"), 6));
    let update = bench.track.next_update(0).expect("news");
    let told: Vec<_> = update.frames.iter().map(|frame| frame.event().envelope.as_str().contains("lost")).collect();
    assert_eq!(told, [false; 6]);
}
