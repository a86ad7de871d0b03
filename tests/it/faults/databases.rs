//! Postgres goes away for everyone, or is there and has no time.

use sqlx::{Connection as _, PgConnection};
use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};

use super::{
    scene::{LOOK, Scene},
    setup::Setup,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgres_is_waited_out() {
    let scene = Scene::start_with_server(Setup::of(40, "Postgres is stopped and started")).await;
    block_in_place(|| scene.server().stop());
    scene.stops_publishing().await;
    scene.lasts().await;
    block_in_place(|| scene.server().start_again());
    scene.verdict(Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_killed_under_load_loses_nothing_that_was_acknowledged() {
    let scene = Scene::start_with_server(Setup::of(50, "Postgres is killed (`kill -9`, fsync on) and recovers")).await;
    block_in_place(|| scene.server().kill_9());
    scene.stops_publishing().await;
    scene.lasts().await;
    block_in_place(|| scene.server().start_again());
    scene.verdict(Instant::now()).await;
}

/// Takes every connection that the server gives, the service's own included.
async fn take_all_connections(url: &str) -> Vec<PgConnection> {
    let mut admin = PgConnection::connect(url).await.expect("the server is there");
    let mut taken = Vec::new();
    let mut pids = vec![pid_of(&mut admin).await];
    loop {
        while let Ok(mut connection) = PgConnection::connect(url).await {
            pids.push(pid_of(&mut connection).await);
            taken.push(connection);
        }
        let ended =
            sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> ALL($1)")
                .bind(&pids)
                .fetch_all(&mut admin)
                .await
                .expect("a superuser may");
        if ended.is_empty() {
            taken.push(admin);
            return taken;
        }
        sleep(LOOK).await;
    }
}

async fn pid_of(connection: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await.expect("a session has a process")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_others_hold_every_connection_of_postgres_publishing_is_refused_until_they_let_go() {
    let scene = Scene::start_with_server(Setup::of(100, "all connections of Postgres are taken by others")).await;
    let taken = take_all_connections(&scene.home.url()).await;
    scene.stops_publishing().await;
    scene.lasts().await;
    let healed = Instant::now();
    drop(taken);
    scene.verdict(healed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_wait_for_a_lock_until_every_session_is_taken_are_given_up_and_store_nothing_twice() {
    let setup = Setup::of(101, "every statement waits for a lock: all sessions are taken").with("CHAINCAST_RING_EVENTS", 64);
    let scene = Scene::start_with_server(setup).await;
    let mut holder = PgConnection::connect(&scene.home.url()).await.expect("the server is there");
    sqlx::raw_sql("BEGIN; LOCK TABLE logs, events, ids, postings IN ACCESS EXCLUSIVE MODE")
        .execute(&mut holder)
        .await
        .expect("a superuser may");
    scene.stops_publishing().await;
    scene.lasts().await;
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.expect("its own transaction");
    // what was given up may still be under way in the server, and commit
    scene.verdict(Instant::now()).await;
}
