//! Counts that instances share in a real Redis: exact while it is there, put right when it is back.

use std::sync::Arc;

use chaincast::backplane::{Away, LeaseKey, LeaseSettings, Leases, RedisLeases, RedisUrl};
use futures::future::join_all;
use tokio::time::{Duration, Instant};

use crate::support::{
    fault_proxy::{FaultProxy, Mode, authority},
    redis::{RedisCluster, RedisServer},
    wait::eventually,
};

/// So long that no busy machine is taken for a silent Redis.
const PATIENT: LeaseSettings = LeaseSettings { lease: Duration::from_secs(3600), patience: Duration::from_secs(20) };
const SHORT: LeaseSettings = LeaseSettings { lease: Duration::from_secs(1), patience: Duration::from_secs(20) };
const KEY: LeaseKey = LeaseKey([7; 16]);
const PREFIX: &str = "chaincast:test";

async fn instance(url: &str, settings: LeaseSettings) -> Arc<RedisLeases> {
    let leases = Arc::new(RedisLeases::start(&RedisUrl::parse(url).expect("a URL"), PREFIX.to_owned(), settings));
    until_shared(&leases).await;
    leases
}

async fn until_shared(leases: &RedisLeases) {
    eventually("shared", async || if leases.are_shared() { Ok(()) } else { Err("not shared".to_owned()) }).await;
}

/// Waits until Redis counts so many of [`KEY`].
async fn until_counted(redis: &RedisServer, wanted: u32) {
    eventually(&format!("{wanted} in Redis"), async || {
        let fields: Vec<String> = redis.run(&["HVALS", &format!("{PREFIX}:held:{KEY}")]).map_err(|error| error.to_string())?;
        let counts = fields.iter().map(|field| field.split(' ').next().and_then(|count| count.parse::<u32>().ok()).expect("a count"));
        if counts.sum::<u32>() == wanted { Ok(()) } else { Err(format!("{fields:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_as_many_as_may_be_are_admitted_however_many_ask_at_once() {
    let redis = RedisServer::start().await;
    let mut instances = Vec::new();
    for _ in 0..3 {
        instances.push(instance(&redis.url(), PATIENT).await);
    }
    for most in [1, 25, 100] {
        let asks = (0..180).map(|n: usize| {
            let leases = instances[n % 3].clone();
            tokio::spawn(async move { (n % 3, leases.take(KEY, most).await.expect("there")) })
        });
        let taken: Vec<usize> =
            join_all(asks).await.into_iter().map(|done| done.expect("no panic")).filter(|(_, taken)| *taken).map(|(at, _)| at).collect();
        assert_eq!(taken.len(), most as usize);
        until_counted(&redis, most).await;
        // one that goes makes room for one, anywhere
        instances[taken[0]].give_back(KEY);
        eventually("room again", async || if instances[2].take(KEY, most).await == Ok(true) { Ok(()) } else { Err("full".to_owned()) })
            .await;
        assert_eq!(instances[0].take(KEY, most).await, Ok(false));
        taken.iter().skip(1).chain([&2]).for_each(|at| instances[*at].give_back(KEY));
        until_counted(&redis, 0).await;
    }
    assert_eq!(redis.run::<Vec<String>>(&["KEYS", "*"]).expect("answers"), Vec::<String>::new(), "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_instance_held_is_free_after_its_lease_and_what_a_living_one_holds_is_not() {
    let redis = RedisServer::start().await;
    let (living, killed) = (instance(&redis.url(), SHORT).await, instance(&redis.url(), SHORT).await);
    assert_eq!((living.take(KEY, 2).await, killed.take(KEY, 2).await, living.take(KEY, 2).await), (Ok(true), Ok(true), Ok(false)));
    // as a kill would: nothing is given back
    drop(killed);
    eventually("free", async || if living.take(KEY, 2).await == Ok(true) { Ok(()) } else { Err("still counted".to_owned()) }).await;
    // both are of an instance that lives, and outlast their lease
    let outlasted = Instant::now() + SHORT.lease * 3;
    let other = instance(&redis.url(), SHORT).await;
    eventually("outlasted", async || {
        assert_eq!(other.take(KEY, 2).await, Ok(false));
        if Instant::now() > outlasted { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    drop((living, other));
    eventually("forgotten", async || {
        let keys: Vec<String> = redis.run(&["KEYS", "*"]).expect("answers");
        if keys.is_empty() { Ok(()) } else { Err(format!("{keys:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_wrote_into_redis_by_hand_locks_nobody_out() {
    let redis = RedisServer::start().await;
    let leases = instance(&redis.url(), PATIENT).await;
    let key = format!("{PREFIX}:held:{KEY}");
    for junk in ["999999 99999999999999", "-1 x", "1e3", ""] {
        let written: u32 = redis.run(&["HSET", &key, "somebody", junk]).expect("written");
        assert_eq!((written, leases.take(KEY, 9).await), (1, Ok(true)), "{junk:?}");
    }
    until_counted(&redis, 4).await;
    let expires: i64 = redis.run(&["PTTL", &key]).expect("a time");
    assert!((1..=PATIENT.lease.as_millis() as i64).contains(&expires), "{expires}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_flushed_or_restarted_is_told_again_and_what_was_taken_meanwhile_with_it() {
    let mut redis = RedisServer::start().await;
    let settings = LeaseSettings { lease: Duration::from_secs(8), ..PATIENT };
    let (one, two) = (instance(&redis.url(), settings).await, instance(&redis.url(), settings).await);
    assert_eq!(one.take(KEY, 1).await, Ok(true));
    redis.run::<()>(&["FLUSHALL"]).expect("flushed");
    redis.run::<()>(&["SCRIPT", "FLUSH"]).expect("flushed");
    until_counted(&redis, 1).await;
    assert_eq!(two.take(KEY, 1).await, Ok(false));
    redis.stop();
    eventually("away", async || if two.take(KEY, 1).await == Err(Away) { Ok(()) } else { Err("still there".to_owned()) }).await;
    assert!(!two.are_shared());
    two.note(KEY);
    two.note(KEY);
    two.give_back(KEY);
    redis.start_again().await;
    until_shared(&one).await;
    until_shared(&two).await;
    until_counted(&redis, 2).await;
    assert_eq!((one.take(KEY, 2).await, one.take(KEY, 3).await), (Ok(false), Ok(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_redis_is_asked_once_and_delays_nobody_else() {
    let redis = RedisServer::start().await;
    let leases = instance(&redis.url(), LeaseSettings { patience: Duration::from_millis(250), ..PATIENT }).await;
    assert_eq!(leases.take(KEY, 9).await, Ok(true));
    redis.halt();
    let waiting = join_all((0..100).map(|_| leases.take(KEY, 200))).await;
    assert!(waiting.iter().all(|answer| *answer == Err(Away)), "{waiting:?}");
    assert!(!leases.are_shared());
    // at once: a future that waited would not be ready
    assert_eq!(futures::FutureExt::now_or_never(leases.take(KEY, 200)), Some(Err(Away)));
    redis.resume();
    until_shared(&leases).await;
    // what the silent Redis did of all that is put right
    until_counted(&redis, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_subjects_that_come_back_at_once_all_have_their_place() {
    let redis = RedisServer::start().await;
    let leases = instance(&redis.url(), PATIENT).await;
    let began = Instant::now();
    let taken = join_all((0..10_000_u32).map(|n| leases.take(LeaseKey(u128::from(n).to_be_bytes()), 1))).await;
    println!("10,000 leases in {:?}", began.elapsed());
    assert!(taken.iter().all(|answer| *answer == Ok(true)));
    assert_eq!(redis.run::<u32>(&["DBSIZE"]).expect("answers"), 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_keys_are_spread_and_counted_as_on_one_server() {
    let cluster = RedisCluster::start().await;
    let settings = LeaseSettings { lease: Duration::from_secs(8), ..PATIENT };
    let (one, two) = (instance(&cluster.url(), settings).await, instance(&cluster.nodes[2].url(), settings).await);
    let keys: Vec<LeaseKey> = (0..60_u128).map(|n| LeaseKey(n.to_be_bytes())).collect();
    for (leases, taken) in [(&one, true), (&two, true), (&one, false), (&two, false)] {
        let answers = join_all(keys.iter().map(|key| leases.take(*key, 2))).await;
        assert!(answers.iter().all(|answer| *answer == Ok(taken)), "{answers:?}");
    }
    let sizes: Vec<u32> = cluster.nodes.iter().map(|node| node.run(&["DBSIZE"]).expect("answers")).collect();
    assert!(sizes.iter().sum::<u32>() == 60 && sizes.iter().all(|size| *size > 5), "{sizes:?}");
    // a slot that moves, and leaves behind what it had
    let name = format!("{PREFIX}:held:{}", keys[0]);
    cluster.nodes[cluster.owner(&name)].run::<()>(&["FLUSHALL"]).expect("flushed");
    let now = &cluster.nodes[cluster.move_slot(&name)];
    eventually("counted where the slot is now", async || {
        let fields: Vec<String> = now.run(&["HVALS", &name]).map_err(|error| error.to_string())?;
        if fields.len() == 2 { Ok(()) } else { Err(format!("{fields:?}")) }
    })
    .await;
    // the node had other keys as well, and each instance tells its own
    until_shared(&one).await;
    until_shared(&two).await;
    for leases in [&one, &two] {
        let answers = join_all(keys.iter().map(|key| leases.take(*key, 2))).await;
        assert!(answers.iter().all(|answer| *answer == Ok(false)), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_takes_long_to_connect_to_is_shared_all_the_same() {
    let cluster = RedisCluster::start().await;
    let mut proxies = Vec::new();
    for node in &cluster.nodes {
        let proxy = FaultProxy::before(&node.url()).await;
        let (_, port) = authority(&proxy.url()).rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).expect("a port");
        node.run::<()>(&["CONFIG", "SET", "cluster-announce-port", &port]).expect("set");
        proxies.push((proxy, port));
    }
    eventually("announced", async || {
        for node in &cluster.nodes {
            let slots = format!("{:?}", node.run::<redis::Value>(&["CLUSTER", "SLOTS"]).map_err(|error| error.to_string())?);
            if !proxies.iter().all(|(_, port)| slots.contains(port)) {
                return Err(slots);
            }
        }
        Ok(())
    })
    .await;
    // a call is within the patience; a connection, which takes several for each node, is not
    let late = Mode::Delay(Duration::from_millis(200));
    proxies.iter().for_each(|(proxy, _)| proxy.set(late));
    let settings = LeaseSettings { patience: Duration::from_secs(2), ..PATIENT };
    let url = RedisUrl::parse(&proxies[0].0.url()).expect("a URL");
    let leases = RedisLeases::start(&url, PREFIX.to_owned(), settings);
    let keys: Vec<LeaseKey> = (0..30_u128).map(|n| LeaseKey(n.to_be_bytes())).collect();
    // of all nodes, and there before the first connection
    keys.iter().for_each(|key| leases.note(*key));
    until_shared(&leases).await;
    let answers = join_all(keys.iter().map(|key| leases.take(*key, 2))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(true)), "{answers:?}");
    let sizes: Vec<u32> = cluster.nodes.iter().map(|node| node.run(&["DBSIZE"]).expect("answers")).collect();
    assert!(sizes.iter().sum::<u32>() == 30 && sizes.iter().all(|size| *size > 2), "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_back_is_told_before_an_instance_ends() {
    let redis = RedisServer::start().await;
    let leases = instance(&redis.url(), PATIENT).await;
    let keys: Vec<LeaseKey> = (0..3000_u128).map(|n| LeaseKey(n.to_be_bytes())).collect();
    assert!(join_all(keys.iter().map(|key| leases.take(*key, 1))).await.iter().all(|answer| *answer == Ok(true)));
    keys.iter().for_each(|key| leases.give_back(*key));
    leases.settle().await;
    assert_eq!(redis.run::<u32>(&["DBSIZE"]).expect("answers"), 0);
    redis.halt();
    leases.give_back(KEY);
    // whoever ends does not wait for a Redis that is away
    leases.settle().await;
    redis.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures what renewals cost Redis; docs/scaling.md has the figure"]
async fn renewals_of_fifty_thousand_subjects_cost_redis_so_much() {
    const SUBJECTS: u32 = 50_000;
    let redis = RedisServer::start().await;
    let leases = instance(&redis.url(), LeaseSettings { lease: Duration::from_secs(20), ..PATIENT }).await;
    let keys: Vec<LeaseKey> = (0..SUBJECTS).map(|n| LeaseKey(u128::from(n).to_be_bytes())).collect();
    for some in keys.chunks(10_000) {
        assert!(join_all(some.iter().map(|key| leases.take(*key, 1))).await.iter().all(|answer| *answer == Ok(true)));
    }
    let number = |section: &str, name: &str| {
        let info: String = redis.run(&["INFO", section]).expect("answers");
        let line = info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}: {info}"));
        line.split(',').next().and_then(|text| text.parse::<f64>().ok()).expect("a number")
    };
    let calls = || number("commandstats", "cmdstat_evalsha:calls=");
    let cpu = || number("cpu", "used_cpu_user:") + number("cpu", "used_cpu_sys:");
    let (began, calls_before, cpu_before) = (Instant::now(), calls(), cpu());
    let renewed = eventually("renewed", async || {
        let renewed = calls() - calls_before;
        if renewed >= f64::from(SUBJECTS) { Ok(renewed) } else { Err(renewed.to_string()) }
    })
    .await;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu() - cpu_before);
    println!(
        "{SUBJECTS} subjects: {renewed} renewals in {seconds:.1} s, {:.0} a second; Redis used {cpu:.2} s of a core",
        renewed / seconds
    );
}
