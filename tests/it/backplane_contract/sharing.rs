//! What is announced, and who hears of it.

use std::time::Duration;

use chaincast::{
    backplane::{Announcement, LinkSettings},
    domain::Seq,
    log::LogId,
};
use tokio::time::timeout;

use super::{
    instance::{EPOCH, Instance, SECRET, STORE, events, grown, pair, pair_of},
    servers::Server,
};
use crate::support::wait::PATIENCE;

pub(super) async fn what_is_announced_arrives_at_every_follower_once_and_in_order<S: Server>(server: S) {
    const EACH: u64 = 30;
    let [one, mut two] = pair(&server).await;
    let mut three = Instance::start(&server, &[1, 2]);
    one.reaches(&mut three, 1).await;
    two.reaches(&mut three, 1).await;
    let before = one.status().dropped;
    // two announcers at once, told apart by their seqs
    for n in 0..EACH {
        one.announce(grown(1, events(1000 + 2 * n..=1001 + 2 * n, 10)));
        two.announce(grown(1, events(5000 + n..=5000 + n, 10)));
        if n % 10 == 9 {
            // the inbox of an instance holds only so many: those that do not fit are lost, which is not what is looked at here
            for _ in 0..10 {
                two.hears().await;
            }
            tokio::task::yield_now().await;
        }
        let _ = two.inbox.announcements.try_recv();
    }
    let mut heard = [Vec::new(), Vec::new()];
    while heard.iter().map(Vec::len).sum::<usize>() < 2 * EACH as usize {
        let Announcement { log, store, epoch, head, events: told, trace: _ } = three.hears().await;
        assert_eq!((log, store, epoch), (LogId::new(1), Some(STORE), EPOCH));
        let of_two = head >= Seq::new(5000);
        let first = if of_two { head } else { head.before() };
        let expected = if S::CARRIES_EVENTS { events(first.get()..=head.get(), 10) } else { Vec::new() };
        assert_eq!(told, expected);
        heard[usize::from(of_two)].push(head.get());
    }
    assert_eq!(heard[0], (0..EACH).map(|n| 1001 + 2 * n).collect::<Vec<_>>());
    assert_eq!(heard[1], (0..EACH).map(|n| 5000 + n).collect::<Vec<_>>());
    one.announce(grown(1, events(9000..=9000, 10)));
    assert_eq!(three.hears().await.head, Seq::new(9000), "nothing twice");
    assert_eq!((three.status().refused, one.status().dropped), (0, before));
}

pub(super) async fn those_who_do_not_follow_a_log_hear_nothing_of_it<S: Server>(server: S) {
    let [one, mut two] = pair(&server).await;
    one.announce(grown(2, events(1..=1, 10)));
    one.announce(grown(1, events(2..=2, 10)));
    assert_eq!(two.hears().await.log, LogId::new(1));
    // it follows others from now on
    two.follow(&[2]);
    one.reaches(&mut two, 2).await;
    one.announce(grown(1, events(3..=3, 10)));
    one.announce(grown(2, events(4..=4, 10)));
    // another log is another channel: neither waits for the other
    let heard = two.hears().await;
    assert_eq!((heard.log, heard.head), (LogId::new(2), Seq::new(4)));
}

pub(super) async fn above_the_size_a_range_comes_without_events<S: Server>(server: S) {
    let [mut one, mut two] = pair(&server).await;
    let inline = LinkSettings::new(SECRET).inline_bytes;
    let large = events(1..=2, inline / 2);
    one.announce(grown(1, large.clone()));
    let heard = two.hears().await;
    assert_eq!((heard.head, heard.store, heard.events.len()), (Seq::new(2), Some(STORE), 0));
    assert_eq!(one.hears().await.events, large, "within the process they always come");
    one.announce(grown(1, events(3..=3, inline / 2)));
    assert_eq!(two.hears().await.events.len(), usize::from(S::CARRIES_EVENTS));
}

pub(super) async fn own_announcements_arrive_even_when_the_server_is_away<S: Server>(mut server: S) {
    server.stop();
    let mut one = Instance::start(&server, &[1]);
    for seq in 1..=3 {
        one.announce(grown(1, events(seq..=seq, 10)));
        assert_eq!(one.hears().await.events, events(seq..=seq, 10));
    }
    let status = one.status();
    assert_eq!((status.is_connected, status.peers, status.dropped, status.queued), (false, 0, 3, 0));
}

pub(super) async fn announcing_never_waits_and_what_waits_is_bounded<S: Server>(server: S) {
    let settings = LinkSettings { max_queued: 20, max_queued_bytes: 10_000, ..LinkSettings::new(SECRET) };
    let [one, mut two] = pair_of(&server, &settings).await;
    while two.inbox.announcements.try_recv().is_ok() {}
    server.halt();
    // on this thread, at once, without a moment for any task
    for seq in 1..=1000 {
        one.announce(grown(1, events(seq..=seq, 500)));
        let status = one.status();
        assert!(status.queued <= 20 && status.max_queued == 20, "{status:?}");
    }
    assert!(one.status().dropped >= 900, "{:?}", one.status());
    server.resume();
    // what was held or lost leaves the newest head: fewer messages than fit into an inbox
    loop {
        let heard = two.hears().await;
        if heard.head == Seq::new(1000) {
            break;
        }
    }
    one.until("empty", |status| status.queued == 0 && status.is_connected).await;
}

pub(super) async fn after_the_server_was_away_it_works_without_a_restart<S: Server>(mut server: S) {
    let [mut one, mut two] = pair(&server).await;
    server.stop();
    one.until("lost", |status| !status.is_connected).await;
    two.until("lost", |status| !status.is_connected).await;
    for seq in 1..=3 {
        one.announce(grown(1, events(seq..=seq, 10)));
    }
    server.start_again().await;
    let status = one.until("there again", |status| status.is_connected && status.peers == 1).await;
    assert!(status.reconnects >= 1 && status.dropped >= 3, "{status:?}");
    // the other may have come later than the head was told again: it looks at the log when it comes
    one.reaches(&mut two, 1).await;
    two.reaches(&mut one, 1).await;
    one.announce(grown(1, events(4..=4, 10)));
    loop {
        let heard = two.hears().await;
        if heard.head == Seq::new(4) {
            assert_eq!(heard.events.len(), usize::from(S::CARRIES_EVENTS));
            break;
        }
        assert!(heard.events.is_empty(), "nothing old is sent: {heard:?}");
    }
}

pub(super) async fn services_on_other_stores_do_not_hear_each_other<S: Server>(server: S) {
    let [one, mut two] = pair(&server).await;
    let mut foreign = Instance::of(&server, &LinkSettings::new([43; 32]), &[1]);
    let also_foreign = Instance::of(&server, &LinkSettings::new([43; 32]), &[1]);
    also_foreign.reaches(&mut foreign, 1).await;
    foreign.announce(grown(1, events(1..=1, 10)));
    one.announce(grown(1, events(2..=2, 10)));
    assert_eq!(two.hears().await.head, Seq::new(2));
    assert_eq!(foreign.hears().await.head, Seq::new(1), "its own");
    for instance in [&one, &two, &foreign, &also_foreign] {
        let status = instance.until("acquainted", |status| status.peers > 0).await;
        assert_eq!((status.peers, status.refused), (1, 0));
    }
}

pub(super) async fn an_instance_that_goes_says_so_and_its_inbox_ends<S: Server>(server: S) {
    let [mut one, two] = pair(&server).await;
    let three = Instance::start(&server, &[]);
    for instance in [&one, &three] {
        instance.until("acquainted", |status| status.peers == 2).await;
    }
    let Instance { backplane, mut inbox } = two;
    backplane.leave().await;
    backplane.follow([LogId::new(2)].into());
    assert!(!backplane.status().is_connected);
    // what is said on the same channel afterwards comes afterwards
    three.backplane.ask(b"?".to_vec(), Duration::ZERO).await;
    assert!(timeout(PATIENCE, one.inbox.questions.recv()).await.expect("a question").is_some());
    assert_eq!(one.status().peers, 1);
    drop(backplane);
    let ended = async { while inbox.announcements.recv().await.is_some() {} };
    timeout(PATIENCE, ended).await.expect("no task is left that announces");
    assert!(inbox.questions.recv().await.is_none());
}
