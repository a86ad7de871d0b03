//! Copies that must not be made: everything stays as it was.

use serde_json::json;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::{copy_fails, copy_ok};
use crate::support::{
    http::Http,
    process::{Service, Settings},
    publisher::EventMaker,
    store::{Store, for_each_store},
};

async fn lived_in(store: &Store, prefix: &str) -> Vec<String> {
    let mut service = Service::start(Settings::on(store)).await;
    let http = Http::new(service.addr());
    http.publish_ok(&json!(EventMaker::new(prefix).events(10))).await;
    let history = http.whole_history("all=true", "earliest").await;
    service.terminate().await;
    history
}

for_each_store! {
    async fn a_store_that_is_not_empty_is_not_copied_into(store: Store) {
        let from = Store::sqlite();
        lived_in(&from, "from").await;
        let history = lived_in(&store, "there").await;
        copy_fails(&from.url(), &store.url(), "is not empty").await;
        let service = Service::start(Settings::on(&store)).await;
        assert_eq!(Http::new(service.addr()).whole_history("all=true", "earliest").await, history);
    }

    async fn a_store_that_is_in_use_is_not_copied(store: Store) {
        let (service, to) = (Service::start(Settings::on(&store)).await, Store::sqlite());
        let http = Http::new(service.addr());
        http.publish_ok(&json!(EventMaker::new("before").events(10))).await;
        copy_fails(&store.url(), &to.url(), "is in use").await;
        assert!(!to.sqlite_file().exists(), "the other store was not touched");
        http.publish_ok(&json!(EventMaker::new("after").events(10))).await;
    }

    async fn a_store_that_is_there_and_has_nothing_in_it_is_copied_into(store: Store) {
        let from = Store::sqlite();
        let history = lived_in(&from, "from").await;
        match &store {
            Store::Sqlite(_) => drop(chaincast::log::SqliteLog::open_file(&store.sqlite_file(), Default::default()).await.expect("opens")),
            Store::Postgres(_) => {
                drop(chaincast::log::PostgresLog::connect(&store.url(), crate::support::postgres::settings()).await.expect("connects"));
            }
        }
        copy_ok(&from, &store).await;
        let service = Service::start(Settings::on(&store)).await;
        assert_eq!(Http::new(service.addr()).whole_history("all=true", "earliest").await, history);
    }

    async fn what_a_newer_version_has_added_to_is_not_copied_without_it(store: Store) {
        const NEWER: &str = "
            INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9000, 'add a table', true, '1', 0)";
        let to = Store::sqlite();
        lived_in(&store, "there").await;
        match &store {
            Store::Sqlite(_) => {
                let mut file = SqliteConnection::connect(&store.url()).await.expect("opens");
                sqlx::raw_sql(NEWER).execute(&mut file).await.expect("noted");
                file.close().await.expect("closes");
            }
            Store::Postgres(_) => {
                let mut server = PgConnection::connect(&store.url()).await.expect("connects");
                sqlx::raw_sql(NEWER).execute(&mut server).await.expect("noted");
            }
        }
        copy_fails(&store.url(), &to.url(), "of a newer version").await;
        assert!(!to.sqlite_file().exists(), "the other store was not touched");
    }

    async fn a_store_is_not_copied_to_itself(store: Store) {
        lived_in(&store, "there").await;
        copy_fails(&store.url(), &store.url(), "--to names the store that is to be copied").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_older_than_the_copy_keeps_the_schema_that_it_runs_on() {
    let (store, to) = (Store::postgres().await, Store::sqlite());
    let _service = Service::start(Settings::on(&store)).await;
    let mut server = PgConnection::connect(&store.url()).await.expect("connects");
    // as a version left it that knew nothing of copies
    let older = "DROP TABLE unfinished_copy; DELETE FROM _sqlx_migrations WHERE version = 5";
    sqlx::raw_sql(older).execute(&mut server).await.expect("undone");
    copy_fails(&store.url(), &to.url(), "is in use").await;
    let applied: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut server).await.expect("counted");
    assert_eq!(applied, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_there_is_not_made_to_be_copied() {
    let (from, to) = (Store::sqlite(), Store::sqlite());
    copy_fails(&from.url(), &to.url(), "there is no log at").await;
    assert!(!from.sqlite_file().exists() && !to.sqlite_file().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_somebody_else_that_has_the_name_of_ours_is_left_as_it_is() {
    let (from, to) = (Store::sqlite(), Store::postgres().await);
    lived_in(&from, "from").await;
    let mut other = PgConnection::connect(&to.url()).await.expect("connects");
    sqlx::raw_sql("CREATE TABLE events AS SELECT 1 AS theirs").execute(&mut other).await.expect("made");
    copy_fails(&from.url(), &to.url(), "`events`").await;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        .fetch_one(&mut other)
        .await
        .expect("counted");
    assert_eq!(tables, 1, "not even ours were made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_url_is_told_without_its_password() {
    let from = Store::sqlite();
    lived_in(&from, "from").await;
    for (to, why) in [
        ("postgres://user:open-sesame@127.0.0.1:1/nowhere", "cannot copy to postgres://…@127.0.0.1:1/nowhere: "),
        ("mysql://user:open-sesame@127.0.0.1:1/nowhere", "must start with postgres:// or sqlite://"),
        ("postgres://user:open-sesame@127.0.0.1:notaport/nowhere", "cannot copy to postgres://…"),
    ] {
        let output = super::copy(&from.url(), to).await;
        let said = super::text(&output.stderr);
        assert!(!output.status.success() && said.contains(why) && !said.contains("open-sesame"), "{said}");
    }
}
