use std::time::Duration;

use tokio::time::timeout;

use super::{
    ConflictingId, Counts, PublishError, Queued, Settings,
    bench::{Bench, LOG, PATIENCE, answer, content, ids, items, unavailable, unknown, until},
    fake::{Entry, Fake, Turn},
};
use crate::{
    domain::{EventId, Seq},
    log::{
        ItemStatus::{Duplicate, Stored},
        LogError, LogId,
    },
};

#[tokio::test]
async fn what_queues_behind_a_commit_becomes_one_group_in_its_order() {
    let bench = Bench::start(Fake::held());
    let busy = bench.occupy().await;
    let mut waiting = Vec::new();
    for n in 0..50 {
        waiting.push(bench.queue(ids(&[&format!("a{n}"), &format!("b{n}")])).await);
    }
    bench.fake.let_all_through();
    assert_eq!(items(answer(busy).await), [(1, Stored)]);
    for (n, handle) in (0..).zip(waiting) {
        assert_eq!(items(answer(handle).await), [(2 * n + 2, Stored), (2 * n + 3, Stored)]);
    }
    assert_eq!(bench.publisher.counts(LOG), Counts { published: 101, commits: 2, ..Counts::default() });
    assert_eq!(bench.publisher.queued(), Queued::default());
}

#[tokio::test]
async fn many_publishers_share_few_commits_and_each_event_has_its_own_seq() {
    let bench = Bench::start(Fake::open([]));
    let publishers = (0..64).map(|p| {
        let publisher = bench.publisher.clone();
        tokio::spawn(async move {
            let mut seqs = Vec::new();
            for n in 0..20 {
                seqs.extend(items(publisher.publish(LOG, ids(&[&format!("{p}/{n}")]), None).await));
            }
            assert!(seqs.is_sorted_by_key(|(seq, _)| *seq), "a publisher that waits is numbered in its order");
            seqs
        })
    });
    let mut seqs = Vec::new();
    for publisher in publishers.collect::<Vec<_>>() {
        seqs.extend(timeout(PATIENCE, publisher).await.expect("answered").expect("no panic"));
    }
    seqs.sort_unstable_by_key(|(seq, _)| *seq);
    assert_eq!(seqs, (1..=64 * 20).map(|n| (n, Stored)).collect::<Vec<_>>());
    assert!(bench.publisher.counts(LOG).commits <= 64 * 20 / 10, "{:?}", bench.publisher.counts(LOG));
}

#[tokio::test]
async fn a_group_is_bounded_and_nothing_overtakes() {
    let settings = Settings { group_events: 3, ..Settings::default() };
    let bench = Bench::start_with(Fake::held(), settings);
    let mut waiting = vec![bench.occupy().await];
    for request in [ids(&["a", "b"]), ids(&["c", "d"]), ids(&["e"]), ids(&["f", "g", "h", "i"])] {
        waiting.push(bench.queue(request).await);
    }
    bench.fake.let_all_through();
    for handle in waiting {
        answer(handle).await.expect("published");
    }
    let groups: Vec<usize> = bench.fake.appends().iter().map(Vec::len).collect();
    assert_eq!(groups, [1, 1, 2, 1]);
}

#[tokio::test]
async fn events_are_announced_after_the_log_has_answered() {
    let bench = Bench::start(Fake::open([]));
    bench.publish(ids(&["a", "b"])).await.expect("published");
    assert_eq!(items(bench.publish(ids(&["a", "b"])).await), [(1, Duplicate), (2, Duplicate)]);
    let both = || vec![vec!["a".to_owned(), "b".to_owned()]];
    // a pure repetition has nothing to announce
    assert_eq!(bench.fake.journal(), [Entry::Appended(LOG, both()), Entry::Announced(LOG, 2, vec![1, 2]), Entry::Appended(LOG, both())]);
}

#[tokio::test]
async fn each_log_gets_its_own_append() {
    let bench = Bench::start(Fake::held());
    let busy = bench.occupy().await;
    let other = LogId::new(2);
    let waiting = [bench.queue_in(other, ids(&["a"])).await, bench.queue(ids(&["a"])).await, bench.queue_in(other, ids(&["b"])).await];
    bench.fake.let_all_through();
    answer(busy).await.expect("published");
    let mut seqs = Vec::new();
    for handle in waiting {
        seqs.extend(items(answer(handle).await));
    }
    assert_eq!(seqs, [(1, Stored), (2, Stored), (2, Stored)]);
    assert_eq!(bench.fake.begun(), 3);
    // and its own counts: what one tenant publishes is nobody else's business
    assert_eq!(bench.publisher.counts(LOG), Counts { published: 2, commits: 2, ..Counts::default() });
    assert_eq!(bench.publisher.counts(other), Counts { published: 2, commits: 1, ..Counts::default() });
    assert_eq!(bench.publisher.counts(LogId::new(3)), Counts::default());
}

#[tokio::test]
async fn one_refused_request_does_not_fail_its_group() {
    let bench = Bench::start(Fake::held());
    let busy = bench.occupy().await;
    let before = bench.queue(ids(&["a"])).await;
    let guilty = bench.queue(ids(&["b", Fake::POISON])).await;
    let after = bench.queue(ids(&["c"])).await;
    bench.fake.let_all_through();
    answer(busy).await.expect("published");
    assert_eq!(items(answer(before).await), [(2, Stored)]);
    assert_eq!(answer(guilty).await, Err(PublishError::Refused("poison".into())));
    assert_eq!(items(answer(after).await), [(3, Stored)]);
    assert!(!bench.fake.has(LOG, "b"), "a request is stored whole or not at all");
}

#[tokio::test]
async fn requests_that_share_an_id_go_into_different_groups() {
    let bench = Bench::start(Fake::held());
    let busy = bench.occupy().await;
    let first = bench.queue(ids(&["x"])).await;
    let same = bench.queue(ids(&["x"])).await;
    let other = bench.queue(content(&["y", "x"], "other")).await;
    bench.fake.let_all_through();
    answer(busy).await.expect("published");
    assert_eq!(items(answer(first).await), [(2, Stored)]);
    assert_eq!(items(answer(same).await), [(2, Duplicate)]);
    let conflict = ConflictingId { index: 1, id: EventId::new("x"), seq: Some(Seq::new(2)) };
    assert_eq!(answer(other).await, Err(PublishError::Conflict(vec![conflict])));
    assert!(!bench.fake.has(LOG, "y"));
    assert_eq!(bench.fake.begun(), 4);
    assert_eq!(bench.publisher.counts(LOG), Counts { published: 2, duplicates: 1, conflicts: 1, commits: 4 });
}

#[tokio::test]
async fn an_unknown_outcome_is_repeated_until_it_is_known() {
    let bench = Bench::start(Fake::open([]));
    bench.publish(ids(&["old"])).await.expect("published");
    bench.fake.turns([Turn::LoseAnswer, unknown(), unavailable(), unavailable()]);
    let published = bench.publish(ids(&["old", "new", "new"])).await;
    // what an unheard try stored is ours, what was there before or is repeated within the request is not
    assert_eq!(items(published), [(1, Duplicate), (2, Stored), (2, Duplicate)]);
    assert_eq!(bench.fake.journal().last(), Some(&Entry::Announced(LOG, 2, vec![])));
    assert_eq!(bench.publisher.counts(LOG), Counts { published: 2, duplicates: 2, conflicts: 0, commits: 2 });
}

#[tokio::test]
async fn a_repetition_that_stores_announces_its_events() {
    let bench = Bench::start(Fake::open([unknown()]));
    assert_eq!(items(bench.publish(ids(&["a"])).await), [(1, Stored)]);
    assert_eq!(bench.fake.journal().last(), Some(&Entry::Announced(LOG, 1, vec![1])));
}

#[tokio::test]
async fn an_outcome_that_stays_unknown_is_told_to_its_publishers_only() {
    let settings = Settings { repeat_pause: Duration::from_millis(1), repeat_for: Duration::from_millis(20), ..Settings::default() };
    let bench = Bench::start_with(Fake::held(), settings);
    bench.fake.turns((0..100).map(|_| unknown()));
    let busy = bench.occupy().await;
    let behind = bench.queue(ids(&["a"])).await;
    bench.fake.let_all_through();
    assert_eq!(answer(busy).await, Err(PublishError::OutcomeUnknown));
    assert_eq!(answer(behind).await, Err(PublishError::Unavailable));
}

#[tokio::test]
async fn an_outage_answers_everything_that_waits() {
    let bench = Bench::start(Fake::held());
    bench.fake.turns([unavailable(), unavailable()]);
    let mut waiting = vec![bench.occupy().await];
    for n in 0..20 {
        waiting.push(bench.queue_in(LogId::new(n % 3), ids(&["same"])).await);
    }
    bench.fake.let_all_through();
    for handle in waiting {
        assert_eq!(answer(handle).await, Err(PublishError::Unavailable));
    }
    assert_eq!(bench.fake.begun(), 2, "nobody waits for another try");
    assert_eq!(bench.publisher.queued(), Queued::default());
    assert_eq!(items(bench.publish(ids(&["later"])).await), [(1, Stored)], "it heals by itself");
}

#[tokio::test]
async fn an_outage_that_no_append_feels_any_more_is_forgotten_after_a_while_and_the_next_is_news() {
    let bench = Bench::start(Fake::open([]));
    for _ in 0..2 {
        bench.fake.turns([unavailable(), unavailable()]);
        assert_eq!(bench.publish(ids(&["a"])).await, Err(PublishError::Unavailable));
        bench.publisher.forget_outage(Duration::from_secs(3600));
        assert!(!bench.publisher.is_log_reachable(), "it was felt just now");
        bench.publisher.forget_outage(Duration::ZERO);
        assert!(bench.publisher.is_log_reachable());
    }
}

#[tokio::test]
async fn a_single_failed_connection_is_not_an_outage() {
    let bench = Bench::start(Fake::open([unavailable()]));
    assert_eq!(items(bench.publish(ids(&["a"])).await), [(1, Stored)]);
}

#[tokio::test]
async fn a_publisher_that_hangs_up_cancels_nothing() {
    let bench = Bench::start(Fake::held());
    let busy = bench.occupy().await;
    let gone = bench.queue(ids(&["gone"])).await;
    let stays = bench.queue(ids(&["stays"])).await;
    busy.abort();
    gone.abort();
    assert!(gone.await.is_err());
    bench.fake.let_all_through();
    assert_eq!(items(answer(stays).await), [(3, Stored)]);
    assert!(bench.fake.has(LOG, "busy") && bench.fake.has(LOG, "gone"));
}

#[tokio::test]
async fn a_full_queue_refuses_and_then_takes_again() {
    for settings in [Settings { queue_requests: 2, ..Settings::default() }, Settings { queue_bytes: 1300, ..Settings::default() }] {
        let bench = Bench::start_with(Fake::held(), settings);
        let waiting = [bench.occupy().await, bench.queue(ids(&["a"])).await];
        assert_eq!(bench.publish(ids(&["b"])).await, Err(PublishError::Overloaded));
        bench.fake.let_all_through();
        for handle in waiting {
            answer(handle).await.expect("published");
        }
        until(|| bench.publisher.queued() == Queued::default()).await;
        assert_eq!(items(bench.publish(ids(&["b"])).await), [(3, Stored)]);
    }
}

#[tokio::test]
async fn a_request_larger_than_the_queue_goes_through_an_empty_one() {
    let bench = Bench::start_with(Fake::open([]), Settings { queue_bytes: 10, group_bytes: 10, group_events: 1, ..Settings::default() });
    assert_eq!(items(bench.publish(ids(&["a", "b"])).await), [(1, Stored), (2, Stored)]);
}

#[tokio::test]
async fn a_panic_costs_one_commit_and_not_the_committer() {
    let bench = Bench::start(Fake::held());
    bench.fake.turns([Turn::Panic]);
    let busy = bench.occupy().await;
    let behind = bench.queue(ids(&["a"])).await;
    bench.fake.let_all_through();
    assert_eq!(answer(busy).await, Err(PublishError::OutcomeUnknown));
    assert_eq!(items(answer(behind).await), [(1, Stored)]);
}

#[tokio::test]
async fn a_failed_log_is_told_without_its_inside() {
    let bench = Bench::start(Fake::open([Turn::Fail(LogError::Internal("secret".into()))]));
    assert_eq!(bench.publish(ids(&["a"])).await, Err(PublishError::Internal));
}

#[tokio::test]
async fn stopping_commits_what_is_queued_and_takes_nothing_more() {
    let bench = Bench::start(Fake::held());
    let waiting = [bench.occupy().await, bench.queue(ids(&["a"])).await];
    bench.stop.send(()).expect("running");
    bench.fake.let_all_through();
    for handle in waiting {
        answer(handle).await.expect("published");
    }
    timeout(PATIENCE, bench.task).await.expect("ends").expect("no panic");
    assert_eq!(bench.publisher.publish(LOG, ids(&["b"]), None).await, Err(PublishError::Stopping));
    assert_eq!(bench.publisher.queued(), Queued::default());
}

#[tokio::test]
async fn the_task_ends_with_its_last_publisher() {
    let Bench { publisher, task, stop: _stop, .. } = Bench::start(Fake::open([]));
    drop(publisher);
    timeout(PATIENCE, task).await.expect("ends").expect("no panic");
}
