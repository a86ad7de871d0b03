//! What is believed of an announcement depends on what the looks have found: the way of the store's identity from a look to a track.

use super::*;

/// Whether what was asked of the log has become void.
fn has_turned(hub: &Hub) -> bool {
    hub.view().asked().turn > 0
}

#[tokio::test]
async fn what_a_failover_lost_is_not_delivered_although_it_continues_the_position_and_the_epoch() {
    let run = async {
        let instance = Instance::start(patient()).await;
        let log = instance.log("one").await;
        let client = instance.follow(log, Start::Now).await;
        (0..3).for_each(|_| instance.publish(log));
        until(|| client.events().len() == 3).await;
        // committed, and announced so late that the store is another one, which has not numbered anything yet
        let (lost, ahead) = (instance.fake.append(log), instance.fake.append(log));
        instance.announcer.announce(ahead);
        let hub = instance.hub(log).await;
        Fake::hold(&instance.fake.looks);
        instance.fake.fail_over(3);
        Fake::release(&instance.fake.looks);
        until(|| has_turned(&hub)).await;
        instance.announcer.announce(lost);
        instance.outlast_looks(3).await;
        instance.publish(log);
        until(|| client.events().len() >= 4).await;
        assert_eq!(client.events(), ["2:00000001-1", "2:00000001-2", "2:00000001-3", "2:00000002-4"]);
        assert!(!client.heard().contains(&"gap".to_owned()), "{:?}", client.heard());
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn a_hub_that_starts_after_the_last_look_knows_its_store() {
    let run = async {
        let instance = Instance::start(Settings { look: Duration::from_secs(3600), ..patient() }).await;
        let log = instance.log("one").await;
        let client = instance.follow(log, Start::Now).await;
        let told = instance.fake.append(log);
        // nothing can be read: the frame itself is taken
        instance.fake.set_away(true);
        instance.announcer.announce(told);
        until(|| client.events() == ["2:00000001-1"]).await;
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn while_the_store_cannot_tell_who_it_is_everything_is_read() {
    let run = async {
        let instance = Instance::start(patient()).await;
        let log = instance.log("one").await;
        let client = instance.follow(log, Start::Now).await;
        let hub = instance.hub(log).await;
        instance.fake.set_store(None);
        until(|| has_turned(&hub)).await;
        let mut told = instance.fake.append(log);
        // what was said of the event is not what the log has
        told.events = vec![Fake::stray(told.head)];
        instance.announcer.announce(told);
        until(|| client.events().len() == 1).await;
        assert!(!client.events()[0].contains("stray"));
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn announcements_that_overtook_each_other_cost_no_read_and_one_that_never_comes_costs_one() {
    let run = async {
        let instance = Instance::start(Settings { look: Duration::from_secs(3600), ..patient() }).await;
        let log = instance.log("one").await;
        let client = instance.follow(log, Start::Now).await;
        // the first look may come late, and would find what was announced: then it is read at once, and for no hole's sake
        Fake::hold(&instance.fake.looks);
        let (first, second) = (instance.fake.append(log), instance.fake.append(log));
        instance.announcer.announce(second);
        instance.announcer.announce(first);
        until(|| client.events().len() == 2).await;
        assert_eq!(instance.hubs.holes_read(), 0);
        let (_lost, fourth) = (instance.fake.append(log), instance.fake.append(log));
        instance.announcer.announce(fourth);
        until(|| client.events().len() == 4).await;
        assert_eq!((instance.hubs.holes_read(), instance.hubs.stashed()), (1, 0));
        Fake::release(&instance.fake.looks);
    };
    LocalSet::new().run_until(run).await;
}
