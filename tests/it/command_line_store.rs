//! Commands on a store that is not as this version wants it: what they refuse, what they leave alone, and what they say meanwhile.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::Stdio,
};

use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::{
    command_line::{binary, home, run},
    support::store::{Store, for_each_store},
};

/// Of a newer version, which has taken something away.
const NEEDS_NEWER: &str = "
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'needs 9998 drop it', true, '1', 0)";
const OTHER_CHECKSUM: &str = "UPDATE _sqlx_migrations SET checksum = '1' WHERE version = 1";
const NOT_ENDED: &str = "UPDATE _sqlx_migrations SET success = false WHERE version = 5";
/// A store of the version before.
const BEFORE: &str = "DELETE FROM _sqlx_migrations WHERE version = 5; DROP TABLE unfinished_copy";

async fn tamper(store: &Store, sql: &'static str) {
    match store {
        Store::Sqlite(_) => {
            let mut connection = SqliteConnection::connect(&store.url()).await.expect("connects");
            sqlx::raw_sql(sql).execute(&mut connection).await.map(drop).expect(sql);
        }
        Store::Postgres(database) => {
            let mut connection = PgConnection::connect(&database.url()).await.expect("connects");
            sqlx::raw_sql(sql).execute(&mut connection).await.map(drop).expect(sql);
        }
    }
}

fn on(store: &Store, home: &Path, words: &[&str]) -> (i32, String, String) {
    run(binary(home, words, &[("DATABASE_URL", &store.url())]))
}

for_each_store! {
    async fn a_check_refuses_every_schema_that_a_start_refuses(store: Store) {
        let home = home();
        assert_eq!(on(&store, home.path(), &["migrate"]).0, 0);
        for (sql, undo, why) in [
            (NEEDS_NEWER, "DELETE FROM _sqlx_migrations WHERE version = 9999", "knows migration 9998"),
            ("INSERT INTO unfinished_copy VALUES (1, 1)", "DELETE FROM unfinished_copy", "copy"),
            (NOT_ENDED, "UPDATE _sqlx_migrations SET success = true", "migration 0005 was begun"),
            (OTHER_CHECKSUM, "", "migration 0001 is another"),
        ] {
            tamper(&store, sql).await;
            for words in [&["migrate", "--check"][..], &["log", "stats"], &["keys", "list"], &["migrate"]] {
                let (code, out, err) = on(&store, home.path(), words);
                assert!(code == 1 && out.is_empty() && err.contains(why), "{words:?}: {out}{err}");
            }
            // as a start
            let (code, _, err) = on(&store, home.path(), &["serve", "--listen", "127.0.0.1:0"]);
            assert!(code == 1 && err.contains("cannot open the log"), "{err}");
            tamper(&store, undo).await;
        }
    }

    async fn a_command_that_reads_leaves_the_schema_as_it_is(store: Store) {
        let home = home();
        let schema = || on(&store, home.path(), &["migrate", "--check"]).2;
        let reading = [&["log", "stats"][..], &["log", "export"], &["keys", "list"]];
        if let Store::Sqlite(_) = store {
            fs::write(store.sqlite_file(), "").expect("an empty file");
        }
        for words in reading {
            let (code, out, err) = on(&store, home.path(), words);
            assert!(code == 1 && out.is_empty() && err.contains("has no schema") && err.contains("chaincast migrate"), "{words:?}: {err}");
            assert!(schema().contains("has no schema"), "{words:?}");
        }
        assert_eq!(on(&store, home.path(), &["migrate"]).0, 0);
        tamper(&store, BEFORE).await;
        for words in reading {
            let (code, out, err) = on(&store, home.path(), words);
            let told = "has migration 0004, and this version reads migration 0005: run `chaincast migrate` first";
            let told = if matches!(store, Store::Sqlite(_)) { told.replace("0004", "0003") } else { told.to_owned() };
            assert!(code == 1 && out.is_empty() && err.contains(&told), "{words:?}: {err}");
            assert!(schema().contains("to be applied: 0005 copy"), "{words:?}");
        }
        assert_eq!(on(&store, home.path(), &["migrate"]).0, 0);
        for words in [&["log", "stats"][..], &["keys", "list"]] {
            assert_eq!(on(&store, home.path(), words).0, 0, "{words:?}");
        }
    }
}

#[test]
fn a_command_that_waits_for_the_store_says_so() {
    let home = home();
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let url = format!("postgres://u@{nobody}/d");
    fs::write(home.path().join("none.ndjson"), "").expect("written");
    for words in [&["log", "stats"][..], &["log", "export"], &["log", "import", "none.ndjson"]] {
        let mut command = binary(home.path(), words, &[("DATABASE_URL", &url)]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut line = String::new();
        // it ends by itself when its patience does
        let read = BufReader::new(child.stderr.take().expect("piped")).read_line(&mut line);
        child.kill().expect("its own process");
        child.wait().expect("its own process");
        assert!(read.is_ok() && line.contains("waiting for the store"), "{words:?}: {line}");
    }
}
