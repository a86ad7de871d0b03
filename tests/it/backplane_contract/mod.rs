//! One suite over every backplane: what [`Backplane`](chaincast::backplane::Backplane) promises to whoever announces and listens.
//!
//! Several links in this process are the instances. An adapter is a type that says how to start its server and an instance, and one line below.

mod cluster;
mod forged;
mod instance;
mod local;
mod questions;
mod redis;
mod servers;
mod sharing;

use self::servers::{Cluster, Redis};

/// Runs every scenario that needs several instances on an adapter.
macro_rules! shared_by_instances {
    ($($name:ident: $adapter:ty,)+) => {$(
        mod $name {
            use super::{*, servers::Server as _};

            shared_by_instances!(@ $adapter:
                sharing::what_is_announced_arrives_at_every_follower_once_and_in_order,
                sharing::those_who_do_not_follow_a_log_hear_nothing_of_it,
                sharing::above_the_size_a_range_comes_without_events,
                sharing::own_announcements_arrive_even_when_the_server_is_away,
                sharing::announcing_never_waits_and_what_waits_is_bounded,
                sharing::after_the_server_was_away_it_works_without_a_restart,
                sharing::services_on_other_stores_do_not_hear_each_other,
                sharing::an_instance_that_goes_says_so_and_its_inbox_ends,
                questions::questions_are_answered_by_all,
                questions::who_does_not_answer_is_missing_and_who_died_is_forgotten,
            );
        }
    )+};
    (@ $adapter:ty: $($file:ident::$scenario:ident,)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $scenario() {
            $file::$scenario(<$adapter>::start().await).await;
        }
    )+};
}

shared_by_instances! {
    through_redis: Redis,
    through_a_redis_cluster: Cluster,
}
