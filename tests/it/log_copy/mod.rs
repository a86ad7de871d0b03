//! Moving an installation from one store to another: `chaincast log copy`, by the real binary.

mod installation;
mod interrupted;
mod lossy;
mod refused;

use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
};

use chaincast::log::{PostgresLog, SqliteLog, SqliteSettings, transfer::copied_columns};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::support::{postgres, store::Store};

/// The command that copies from one url to another.
fn copy_command(from: &str, to: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaincast"));
    command.env_clear().env("DATABASE_URL", from).env("CHAINCAST_COPY_TO", to).args(["log", "copy"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end. What it says never holds what stands between a url's scheme and its path.
async fn copy(from: &str, to: &str) -> Output {
    let mut command = copy_command(from, to);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("the binary starts");
    for url in [from, to].iter().filter(|url| url.starts_with("postgres")) {
        let (_, behind) = url.split_once("://").expect("a url");
        let authority = &behind[..behind.find('/').expect("a database")];
        for said in [&output.stdout, &output.stderr] {
            assert!(!text(said).contains(authority), "a url is shown: {output:?}");
        }
    }
    output
}

/// Runs it, and it must succeed.
async fn copy_ok(from: &Store, to: &Store) {
    let said = copy_of(&from.url(), to).await;
    assert!(!said.contains("numbered anew"), "{said}");
}

/// Runs it, and it must succeed; what it says at the end.
async fn copy_of(from: &str, to: &Store) -> String {
    let output = copy(from, &to.url()).await;
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("both read alike") && text(&output.stdout).contains("Next: set DATABASE_URL"), "{output:?}");
    text(&output.stdout).to_owned()
}

/// Runs it, and it must fail and say this.
async fn copy_fails(from: &str, to: &str, why: &str) {
    let output = copy(from, to).await;
    assert!(!output.status.success() && output.stdout.is_empty() && text(&output.stderr).contains(why), "not {why:?}: {output:?}");
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[tokio::test]
async fn every_table_and_column_of_either_store_is_copied() {
    const OF_SQLITE: &str = "
        SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table' ORDER BY 1, c.cid";
    const OF_POSTGRES: &str = "
        SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position";
    let (sqlite, database) = (Store::sqlite(), Store::postgres().await);
    SqliteLog::open_file(&sqlite.sqlite_file(), SqliteSettings::default()).await.expect("opens");
    PostgresLog::connect(&database.url(), postgres::settings()).await.expect("connects");
    let mut file = SqliteConnection::connect(&sqlite.url()).await.expect("opens");
    let mut server = PgConnection::connect(&database.url()).await.expect("connects");
    let schemas: [Vec<(String, String)>; 2] = [
        sqlx::query_as(OF_SQLITE).fetch_all(&mut file).await.expect("reads"),
        sqlx::query_as(OF_POSTGRES).fetch_all(&mut server).await.expect("reads"),
    ];
    let copied: BTreeMap<String, Vec<&str>> = copied_columns().map(|(table, columns)| (table.to_owned(), columns)).collect();
    for schema in schemas {
        let mut tables = BTreeMap::<String, Vec<&str>>::new();
        for (table, column) in &schema {
            // what was migrated and whether a copy is whole is a store's own, and so is which store it is
            let own = matches!(table.as_str(), "_sqlx_migrations" | "unfinished_copy") || (table == "logs" && column == "store");
            if !own {
                tables.entry(table.clone()).or_default().push(column);
            }
        }
        assert_eq!(tables, copied);
    }
}
