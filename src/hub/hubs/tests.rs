//! Hubs that come and go, on a store that does as it is told. Nothing here waits for time: only for conditions.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{
    sync::mpsc,
    task::{LocalSet, yield_now},
    time::timeout,
};

use super::fake::{Client, Fake};
use crate::{
    backplane::{Backplane, Local},
    domain::{Cursor, Epoch, Filter, LogName, Seq, Start},
    hub::{Attached, Beginning, CloseReason, Hub, Hubs, OpenError, Permit, Request, Right, Settings, resolve},
    log::{AccessVersion, EventLog as _, LogError, LogId, Retention, TenantSettings},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// Looks without end, and lets go of a hub as soon as nobody follows it.
fn hasty() -> Settings {
    Settings { look: Duration::from_millis(1), idle: Duration::ZERO, ..Settings::default() }
}

/// Looks as often, and lets go of none.
fn patient() -> Settings {
    Settings { idle: Duration::from_secs(3600), ..hasty() }
}

fn name(text: &str) -> LogName {
    LogName::new(text)
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            // timers fire only when there is nothing else to do
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("the condition comes true");
}

/// One instance, and one worker's shards.
struct Instance {
    fake: Arc<Fake>,
    hubs: Arc<Hubs>,
    announcer: Local,
    shards: Attached<Client>,
}

impl Instance {
    async fn start(settings: Settings) -> Self {
        Self::on(Fake::new(), settings, 100).await
    }

    async fn on(fake: Arc<Fake>, settings: Settings, max_logs: usize) -> Self {
        let (announcer, inbox) = Local::new();
        let hubs = Hubs::start(fake.clone(), settings, inbox.announcements, max_logs).await.expect("starts");
        Self { fake, hubs, announcer, shards: Attached::default() }
    }

    async fn log(&self, tenant: &str) -> LogId {
        self.hubs.log(&name(tenant)).await.expect("open")
    }

    async fn hub(&self, log: LogId) -> Arc<Hub> {
        self.hubs.hub(log).await.expect("started")
    }

    /// Someone who follows all of a log.
    async fn follow(&self, log: LogId, start: Start) -> Client {
        let hub = self.hub(log).await;
        let permit = hub.admit().expect("room");
        let beginning = resolve(start, hub.view(), &*self.fake, log).await.expect("placed");
        let client = Client::default();
        self.shards.shard_of(&hub).subscribe(request(beginning, permit), client.clone());
        client
    }

    fn publish(&self, log: LogId) {
        self.announcer.announce(self.fake.append(log));
    }

    /// Lets so many looks go by.
    async fn outlast_looks(&self, count: usize) {
        let then = self.fake.looked() + count;
        until(|| self.fake.looked() >= then).await;
    }
}

fn request(beginning: Beginning, permit: Permit) -> Request {
    Request { filter: Arc::new(Filter::everything()), beginning, permit, right: None, deliver_per_second: None }
}

fn after(seq: u64) -> Start {
    Start::Cursor(Cursor { epoch: Epoch::new(1), seq: Seq::new(seq) })
}

#[tokio::test]
async fn one_look_serves_every_log_that_is_followed() {
    let instance = Instance::start(patient()).await;
    let mut hubs = Vec::new();
    for n in 0..20 {
        let log = instance.log(&format!("tenant-{n}")).await;
        hubs.push(instance.hub(log).await);
    }
    Fake::hold(&instance.fake.looks);
    instance.outlast_looks(1).await;
    // grown without a word, which the look under way may or may not have seen
    hubs.iter().for_each(|hub| drop(instance.fake.append(hub.id())));
    let before = instance.fake.looked();
    instance.fake.looks.add_permits(2);
    until(|| hubs.iter().all(|hub| hub.view().position() == Seq::new(1))).await;
    until(|| instance.fake.looked() == before + 2).await;
    Fake::release(&instance.fake.looks);
}

#[tokio::test]
async fn what_changed_who_may_do_what_is_told_with_the_look() {
    let instance = Instance::start(patient()).await;
    let mut access = instance.hubs.access_version();
    assert_eq!(*access.borrow_and_update(), AccessVersion(0));
    instance.fake.change_access();
    timeout(PATIENCE, access.changed()).await.expect("told").expect("not gone");
    assert_eq!(*access.borrow(), AccessVersion(1));
}

#[tokio::test]
async fn a_look_that_fails_is_told_to_every_view_and_a_hub_that_cannot_start_then_starts_later() {
    let instance = Instance::start(patient()).await;
    let (one, other) = (instance.log("one").await, instance.log("other").await);
    let hubs = [instance.hub(one).await, instance.hub(other).await];
    let late = instance.log("late").await;
    instance.fake.set_away(true);
    until(|| !instance.hubs.is_reachable() && hubs.iter().all(|hub| !hub.view().is_reachable())).await;
    assert!(matches!(instance.hubs.hub(late).await, Err(LogError::Unavailable(_))));
    assert!(matches!(instance.hubs.log(&name("later")).await, Err(OpenError::Log(LogError::Unavailable(_)))));
    instance.fake.set_away(false);
    until(|| instance.hubs.is_reachable() && hubs.iter().all(|hub| hub.view().is_reachable())).await;
    instance.hub(late).await;
    instance.log("later").await;
}

#[tokio::test]
async fn a_look_that_hangs_stops_nothing_else() {
    let run = async {
        let instance = Instance::start(hasty()).await;
        let (busy, idle) = (instance.log("busy").await, instance.log("idle").await);
        Fake::hold(&instance.fake.looks);
        instance.outlast_looks(1).await;
        let looked = instance.fake.looked();
        let client = instance.follow(busy, Start::Now).await;
        drop(instance.hub(idle).await);
        instance.publish(busy);
        until(|| client.events() == ["2:00000001-1"]).await;
        until(|| instance.hubs.running(idle).is_none()).await;
        assert_eq!(instance.fake.looked(), looked, "one at a time");
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn a_look_from_before_the_log_went_back_is_void() {
    let run = async {
        let instance = Instance::start(patient()).await;
        let log = instance.log("one").await;
        (0..3).for_each(|_| drop(instance.fake.append(log)));
        let client = instance.follow(log, after(0)).await;
        until(|| client.events().len() == 3).await;
        Fake::hold(&instance.fake.looks);
        // one that was answered before is not the one that is asked for after the log went back
        instance.outlast_looks(1).await;
        instance.fake.go_back(log, 1);
        let before = instance.fake.looked();
        instance.fake.looks.add_permits(1);
        until(|| instance.fake.looked() > before).await;
        // the look that waits has seen head 1, and knows that the sequencer stood at 3
        instance.publish(log);
        let hub = instance.hub(log).await;
        until(|| hub.view().chain().current() == Epoch::new(2)).await;
        instance.publish(log);
        until(|| client.events().len() == 5).await;
        Fake::release(&instance.fake.looks);
        instance.outlast_looks(3).await;
        let heard = client.heard();
        assert_eq!(heard.iter().filter(|word| *word == "gap").count(), 1, "{heard:?}");
        assert_eq!(client.events()[3..], ["2:00000002-2", "2:00000002-3"]);
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn announcements_of_one_log_never_reach_another() {
    let run = async {
        let instance = Instance::start(patient()).await;
        let (one, other, unfollowed) = (instance.log("one").await, instance.log("other").await, instance.log("unfollowed").await);
        let (first, second) = (instance.follow(one, Start::Now).await, instance.follow(other, Start::Now).await);
        // heads that would be holes, or repetitions, in each other's log
        for _ in 0..3 {
            instance.publish(unfollowed);
            instance.publish(one);
            instance.publish(one);
            instance.publish(other);
        }
        until(|| first.events().len() >= 6 && second.events().len() >= 3).await;
        instance.outlast_looks(3).await;
        assert_eq!(first.events(), (1..=6).map(|seq| format!("2:00000001-{seq}")).collect::<Vec<_>>());
        assert_eq!(second.events(), (1..=3).map(|seq| format!("3:00000001-{seq}")).collect::<Vec<_>>());
        assert!(instance.hubs.running(unfollowed).is_none(), "publishing alone holds nothing in memory");
        let position = instance.hubs.position(unfollowed).expect("looked at");
        assert_eq!(position.head, Seq::new(3));
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn what_was_published_while_nobody_followed_is_there_for_whoever_comes_back_with_a_cursor() {
    let run = async {
        let instance = Instance::start(hasty()).await;
        let log = instance.log("one").await;
        let client = instance.follow(log, Start::Now).await;
        (0..3).for_each(|_| instance.publish(log));
        until(|| client.events().len() == 3).await;
        client.leave();
        until(|| instance.hubs.running(log).is_none()).await;
        (0..2).for_each(|_| instance.publish(log));
        let again = instance.follow(log, after(3)).await;
        instance.publish(log);
        until(|| again.events().len() >= 3).await;
        assert_eq!(again.events(), ["2:00000001-4", "2:00000001-5", "2:00000001-6"]);
        assert!(!again.heard().contains(&"gap".to_owned()));
        assert_eq!(instance.shards.remembered(), 1, "the shard of the hub that was stopped is forgotten");
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn those_without_a_right_end_on_every_hub_and_nobody_comes_without_one_later() {
    let run = async {
        let instance = Instance::start(patient()).await;
        let (one, other, later) = (instance.log("one").await, instance.log("other").await, instance.log("later").await);
        let open = [instance.follow(one, Start::Now).await, instance.follow(other, Start::Now).await];
        let hub = instance.hub(one).await;
        let owner = Client::default();
        let owned = Request { right: Some(Right::new(None)), ..request(Beginning::Now, hub.admit().expect("room")) };
        instance.shards.shard_of(&hub).subscribe(owned, owner.clone());
        // recognised before, and not handed over yet; on a worker that nobody followed on
        let (late, beside) = (hub.admit().expect("room"), Attached::default());
        until(|| open.iter().chain([&owner]).all(|client| client.heard() == ["open", "live"])).await;
        instance.hubs.end_unowned(CloseReason::Revoked);
        until(|| open.iter().all(|client| client.heard() == ["open", "live", "revoked"])).await;
        let client = Client::default();
        beside.shard_of(&hub).subscribe(request(Beginning::Now, late), client.clone());
        assert_eq!(client.heard(), ["revoked"]);
        for log in [one, later] {
            assert_eq!(instance.follow(log, after(0)).await.heard(), ["revoked"]);
        }
        instance.publish(one);
        until(|| owner.events().len() == 1).await;
        assert_eq!(instance.hubs.admission().now(), 1);
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn what_was_counted_of_a_log_is_still_counted_when_its_hub_is_stopped_and_when_it_is_followed_again() {
    let run = async {
        let instance = Instance::start(hasty()).await;
        let (one, other) = (instance.log("one").await, instance.log("other").await);
        let counted = || {
            let (totals, spread) = instance.hubs.totals();
            let revoked = totals.closed.iter().find(|(reason, _)| *reason == "revoked").map(|(_, count)| *count);
            (totals.delivered, revoked, spread.buckets.iter().map(|(_, count)| count).sum::<u64>())
        };
        let follow_and_end = async |log, events: usize| {
            let hub = instance.hub(log).await;
            let (client, right) = (Client::default(), Right::new(None));
            let ended = Request { right: Some(right.clone()), ..request(Beginning::Now, hub.admit().expect("room")) };
            instance.shards.shard_of(&hub).subscribe(ended, client.clone());
            until(|| client.heard().contains(&"live".to_owned())).await;
            (0..events).for_each(|_| instance.publish(log));
            until(|| client.events().len() == events).await;
            right.end(CloseReason::Revoked);
            until(|| client.heard().contains(&"revoked".to_owned())).await;
        };
        let stays = instance.follow(one, Start::Now).await;
        instance.publish(one);
        until(|| stays.events().len() == 1).await;
        follow_and_end(other, 3).await;
        until(|| instance.hubs.running(other).is_none()).await;
        assert_eq!(counted(), (4, Some(1), 4));
        assert_eq!(instance.hubs.followed(), 2, "the default, and one");
        follow_and_end(other, 2).await;
        assert_eq!(counted(), (6, Some(2), 6), "once each while it runs");
        until(|| instance.hubs.running(other).is_none()).await;
        assert_eq!(counted(), (6, Some(2), 6));
        let (totals, _) = instance.hubs.totals();
        let everything = totals.by_selector.iter().find(|(kind, _)| *kind == "all").map(|(_, count)| *count);
        assert!(everything <= Some(1), "who has gone is held no more: {totals:?}");
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn nothing_runs_on_after_a_hub_is_stopped() {
    let run = async {
        let instance = Instance::start(hasty()).await;
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let log = instance.log("one").await;
        // a look under way is a task too
        Fake::hold(&instance.fake.looks);
        instance.outlast_looks(1).await;
        let before = tasks();
        let client = instance.follow(log, Start::Now).await;
        assert_eq!(tasks(), before + 1, "the sequencer");
        let shard = instance.shards.shard_of(&instance.hub(log).await).downgrade();
        client.leave();
        until(|| instance.hubs.running(log).is_none()).await;
        until(|| tasks() == before && shard.upgrade().is_none()).await;
        assert_eq!(instance.hubs.admission().now(), 0);
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn nothing_runs_on_after_the_last_announcer_or_the_hubs_are_gone() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let instance = Instance::start(patient()).await;
    let Instance { hubs, announcer, .. } = instance;
    drop(announcer);
    until(|| tasks() == 1).await;
    drop(hubs);
    until(|| tasks() == 0).await;
    let instance = Instance::start(patient()).await;
    assert!(tasks() > 0);
    drop(instance.hubs);
    until(|| tasks() == 0).await;
}

#[tokio::test]
async fn whoever_holds_a_hub_or_a_permit_keeps_it_and_the_default_stays_by_itself() {
    let instance = Instance::start(hasty()).await;
    let log = instance.log("one").await;
    let held = instance.hub(log).await;
    instance.outlast_looks(5).await;
    let permit = held.admit().expect("room");
    drop(held);
    instance.outlast_looks(5).await;
    let running = instance.hubs.running(log).expect("kept by the permit");
    assert_eq!(running.admission().now(), 1);
    drop((running, permit));
    until(|| instance.hubs.running(log).is_none()).await;
    assert!(instance.hubs.running(instance.hubs.default_log()).is_some());
}

#[tokio::test]
async fn first_uses_at_once_share_one_start_and_one_failure() {
    let instance = Instance::start(patient()).await;
    let log = instance.log("one").await;
    let started = instance.fake.started();
    Fake::hold(&instance.fake.starts);
    let mut waiting = std::pin::pin!(join_all((0..10).map(|_| instance.hubs.hub(log))));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    until(|| instance.fake.started() == started + 1).await;
    instance.fake.set_away(true);
    instance.fake.starts.add_permits(1);
    assert!(timeout(PATIENCE, waiting).await.expect("answered").iter().all(Result::is_err));
    assert_eq!(instance.fake.started(), started + 1);

    instance.fake.set_away(false);
    let mut waiting = std::pin::pin!(join_all((0..10).map(|_| instance.hubs.hub(log))));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    // whoever goes away does not take the start along
    let gone = tokio::spawn({
        let hubs = instance.hubs.clone();
        async move { hubs.hub(log).await.map(drop) }
    });
    yield_now().await;
    gone.abort();
    Fake::release(&instance.fake.starts);
    let hubs: Vec<_> = timeout(PATIENCE, waiting).await.expect("answered").into_iter().map(|hub| hub.expect("started")).collect();
    assert!(hubs.iter().all(|hub| Arc::ptr_eq(hub, &hubs[0])));
    assert_eq!(instance.fake.started(), started + 2);
}

#[tokio::test]
async fn what_is_announced_while_a_hub_starts_is_not_left_to_the_next_look() {
    // the only look is over by then
    let instance = Instance::start(Settings { look: Duration::from_secs(3600), ..patient() }).await;
    let log = instance.log("one").await;
    Fake::hold(&instance.fake.starts);
    let started = instance.fake.started();
    let mut starting = std::pin::pin!(instance.hubs.hub(log));
    assert!(futures::poll!(starting.as_mut()).is_pending());
    until(|| instance.fake.started() > started).await;
    let announcement = instance.fake.append(log);
    Fake::release(&instance.fake.starts);
    instance.announcer.announce(announcement);
    let hub = timeout(PATIENCE, starting).await.expect("answered").expect("started");
    until(|| hub.view().position() == Seq::new(1)).await;
}

#[tokio::test]
async fn logs_are_opened_once_and_no_more_of_them_than_may_be() {
    let instance = Instance::on(Fake::new(), patient(), 3).await;
    let opened = instance.fake.opened();
    let (one, again) = tokio::join!(instance.log("one"), instance.log("one"));
    assert_eq!((one, instance.fake.opened()), (again, opened + 1));
    assert_eq!(instance.hubs.name(one), Some(name("one")));
    let two = instance.log("two").await;
    let _in_use = [instance.hub(one).await, instance.hub(two).await];
    assert!(matches!(instance.hubs.log(&name("three")).await, Err(OpenError::TooMany)));
    assert_eq!((instance.log("one").await, instance.log(LogName::DEFAULT).await), (one, instance.hubs.default_log()));
    assert_eq!(instance.fake.opened(), opened + 2);
}

#[tokio::test]
async fn of_logs_that_nobody_follows_the_one_used_longest_ago_is_forgotten_to_make_room() {
    let instance = Instance::on(Fake::new(), patient(), 4).await;
    let kept = TenantSettings { retention_days: Some(365), ..TenantSettings::default() };
    let settled = instance.log("settled").await;
    instance.hubs.configure(Arc::new(vec![(name("settled"), kept)]));
    let (one, two, three) = (instance.log("one").await, instance.log("two").await, instance.log("three").await);
    instance.log("one").await;
    let opened = instance.fake.opened();
    for n in 0..100 {
        instance.log("one").await;
        instance.log(&format!("more-{n}")).await;
    }
    assert_eq!(instance.fake.opened(), opened + 100, "what is used is remembered");
    assert_eq!([settled, one, two, three].map(|id| instance.hubs.name(id)), [Some(name("settled")), Some(name("one")), None, None]);
    assert_eq!(instance.hubs.open_logs().len(), 5, "settings take up no room");
    assert_eq!(instance.log("two").await, two);

    // a hub that nobody follows makes room as well, one that somebody follows does not
    let (_held, unfollowed) = (instance.hub(two).await, instance.log("three").await);
    drop(instance.hub(unfollowed).await);
    let more = instance.log("more-1").await;
    drop(instance.hub(more).await);
    instance.log("more-2").await;
    assert!(instance.hubs.running(two).is_some() && instance.hubs.running(unfollowed).is_none());
    assert!(instance.hubs.running(instance.hubs.default_log()).is_some());
}

#[tokio::test]
async fn a_log_whose_number_is_another_ones_now_is_forgotten_and_its_streams_are_closed() {
    let run = async {
        let instance = Instance::start(patient()).await;
        let log = instance.log("lost").await;
        let client = instance.follow(log, Start::Now).await;
        instance.publish(log);
        until(|| client.events().len() == 1).await;
        instance.fake.lose(&name("lost"));
        // another process's, which this instance hears of by looking
        assert_eq!(instance.fake.open(&name("new")).await.expect("opens"), log);
        let told = [instance.fake.append(log), instance.fake.append(log)];
        until(|| client.heard().last().is_some_and(|word| word == "draining")).await;
        for announcement in told {
            instance.announcer.announce(announcement);
        }
        assert!(instance.hubs.running(log).is_none());
        assert_eq!((instance.hubs.name(log), client.events().len()), (None, 1));
        until(|| instance.hubs.admission().now() == 0).await;
        assert_eq!(instance.hubs.totals().0.delivered, 1, "what was counted stays counted");
        // opened anew, and apart
        let again = instance.log("lost").await;
        assert_ne!(again, log);
        assert_eq!(instance.log("new").await, log);
        let client = instance.follow(again, Start::Now).await;
        instance.publish(again);
        until(|| client.events() == ["3:00000001-1"]).await;
        instance.outlast_looks(3).await;
        assert!(instance.hubs.running(again).is_some(), "what was opened since the look was asked for is not held against it");
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn a_log_that_was_opened_while_a_look_was_under_way_is_none_that_the_look_misses() {
    let instance = Instance::start(patient()).await;
    Fake::hold(&instance.fake.looks);
    instance.outlast_looks(1).await;
    let log = instance.log("one").await;
    let hub = instance.hub(log).await;
    Fake::release(&instance.fake.looks);
    instance.outlast_looks(2).await;
    assert_eq!(instance.hubs.name(log), Some(name("one")));
    assert!(instance.hubs.running(log).is_some_and(|running| Arc::ptr_eq(&running, &hub)));
    assert!(hub.admit().is_ok());
}

#[tokio::test]
async fn a_name_that_this_instance_finds_under_anothers_number_needs_no_look() {
    // the only look is over by then
    let instance = Instance::start(Settings { look: Duration::from_secs(3600), ..patient() }).await;
    let log = instance.log("lost").await;
    let hub = instance.hub(log).await;
    instance.fake.lose(&name("lost"));
    assert_eq!(instance.log("new").await, log);
    assert_eq!(hub.admit().err(), Some(CloseReason::Draining));
    assert_ne!(instance.log("lost").await, log);
    assert_eq!(instance.hubs.name(log), Some(name("new")));
}

#[tokio::test]
async fn the_default_log_is_followed_again_under_its_new_number() {
    let instance = Instance::start(patient()).await;
    let before = instance.hubs.default_log();
    instance.fake.lose(&name(LogName::DEFAULT));
    assert_eq!(instance.fake.open(&name("other")).await.expect("opens"), before);
    until(|| instance.hubs.default_log() != before).await;
    until(|| instance.hubs.running(instance.hubs.default_log()).is_some()).await;
    assert!(instance.hubs.running(before).is_none());
}

#[tokio::test]
async fn a_tenants_own_settings_hold_for_hubs_that_run_and_for_those_that_start_later() {
    let instance = Instance::start(patient()).await;
    let (running, later) = (instance.log("running").await, instance.log("later").await);
    let hub = instance.hub(running).await;
    let held = [hub.admit(), hub.admit()];
    let one = TenantSettings { max_connections: Some(1), publish_per_second: Some(7), ..TenantSettings::default() };
    instance.hubs.configure(Arc::new(vec![(name("running"), one), (name("later"), one)]));
    assert_eq!(instance.hubs.settings_of(running), one);
    drop(held);
    for log in [running, later] {
        let hub = instance.hub(log).await;
        let _held = hub.admit().expect("room");
        assert_eq!(hub.admit().err(), Some(CloseReason::Limited));
    }
    instance.hubs.configure(Arc::default());
    assert_eq!(instance.hubs.settings_of(running), TenantSettings::default());
    let _held = [hub.admit().expect("room"), hub.admit().expect("room")];
}

#[tokio::test]
async fn a_log_whose_settings_may_be_unknown_is_not_trimmed_by_those_of_the_service() {
    let fake = Fake::new();
    let before = Instance::on(fake.clone(), patient(), 100).await;
    let (unnamed, kept) = (before.log("unnamed").await, before.log("kept").await);
    // another run, with no room for further tenants
    let instance = Instance::on(fake, patient(), 1).await;
    let week = Retention { max_age: Some(Duration::from_hours(7 * 24)), ..Retention::default() };
    let of = |log| instance.hubs.retention_of(log, week);
    let default = instance.hubs.default_log();
    assert_eq!([default, unnamed, kept].map(of), [None; 3], "nobody has said whose settings there are");
    let year = TenantSettings { retention_days: Some(365), ..TenantSettings::default() };
    instance.hubs.configure(Arc::new(vec![(name("kept"), year)]));
    assert_eq!([default, unnamed, kept].map(of), [Some(week), None, None]);
    until(|| of(unnamed) == Some(week)).await;
    assert_eq!(of(kept).and_then(|retention| retention.max_age), Some(Duration::from_hours(365 * 24)));
}

#[tokio::test]
async fn a_drain_reaches_every_hub_and_those_that_start_later() {
    let run = async {
        let instance = Instance::start(patient()).await;
        let (one, later) = (instance.log("one").await, instance.log("later").await);
        let client = instance.follow(one, Start::Now).await;
        Fake::hold(&instance.fake.starts);
        let mut starting = std::pin::pin!(instance.hubs.hub(later));
        assert!(futures::poll!(starting.as_mut()).is_pending());
        instance.hubs.drain(Duration::ZERO);
        until(|| client.heard().last().is_some_and(|word| word == "draining")).await;
        Fake::release(&instance.fake.starts);
        let hub = timeout(PATIENCE, starting).await.expect("answered").expect("started");
        assert_eq!(hub.admit().err(), Some(CloseReason::Draining));
        assert_eq!(hub.orders.borrow().drain, Some(Duration::ZERO));
        until(|| instance.hubs.admission().now() == 0).await;
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn a_full_inbox_is_a_lost_hint_and_never_a_lost_event() {
    let fake = Fake::new();
    let (announcer, announcements) = mpsc::channel(1000);
    let hubs = Hubs::start(fake.clone(), patient(), announcements, 10).await.expect("starts");
    let log = hubs.log(&name("one")).await.expect("open");
    let hub = hubs.hub(log).await.expect("started");
    for _ in 0..500 {
        announcer.try_send(fake.append(log)).expect("room");
    }
    until(|| hub.view().position() == Seq::new(500)).await;
}
