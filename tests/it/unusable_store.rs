//! Stores that stay as they are until somebody changes something: a start says so at once, and does not wait for them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::support::{
    postgres::{TestDatabase, is_root},
    store::Store,
};

/// What a command says when it is held to the modes of files, as root is not by itself. It must have failed, and without waiting.
fn refused(database_url: &str, arguments: &[&str]) -> String {
    let binary = env!("CARGO_BIN_EXE_chaincast");
    let mut command = Command::new(if is_root() { "setpriv" } else { binary });
    if is_root() {
        command.args(["--bounding-set=-dac_override,-dac_read_search", binary]);
    }
    command.args(arguments).env_clear().env("DATABASE_URL", database_url).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let Output { status, stdout, stderr } = command.env("CHAINCAST_LISTEN", "127.0.0.1:0").output().expect("it starts");
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(!said.contains("waiting for the store") && !said.contains("listening"), "{said}");
    assert!(!said.contains("error returned from database") && !said.contains("at line"), "{said}");
    said
}

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

#[test]
fn a_file_that_only_can_be_read_is_refused_at_the_start_with_whose_it_is() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("log.db");
    let made = Command::new(env!("CARGO_BIN_EXE_chaincast")).arg("migrate").env_clear().env("DATABASE_URL", url(&path)).output();
    assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{made:?}");
    fs::set_permissions(&path, Permissions::from_mode(0o444)).expect("own file");
    let said = refused(&url(&path), &["serve"]);
    let named = format!("{} cannot be written (Permission denied): it belongs to ", path.display());
    assert!(said.contains(&named) && said.contains("with mode 0444, and this process runs as "), "{said}");

    // nor is one that can be written in a directory that cannot
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("own file");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o555)).expect("own directory");
    let said = refused(&url(&path), &["serve"]);
    assert!(said.contains(&format!("{} cannot be written", dir.path().display())) && said.contains("with mode 0555"), "{said}");
    let said = refused(&url(&dir.path().join("other/log.db")), &["migrate"]);
    assert!(said.contains(&format!("{} cannot be written", dir.path().display())), "{said}");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).expect("own directory");
}

#[test]
fn what_is_no_database_and_cannot_become_one_is_not_waited_for() {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("notes.txt");
    fs::write(&path, "no database, but a text that is longer than the header of one would be: ".repeat(20)).expect("written");
    for command in [&["serve"][..], &["migrate", "--check"]] {
        let said = refused(&url(&path), command);
        assert!(said.contains("notes.txt") && said.contains("not a database") || said.contains("is not a SQLite database"), "{said}");
    }
    assert!(refused(&url(dir.path()), &["serve"]).contains("is a directory"));
    let said = refused("sqlite:///proc/chaincast/log.db", &["serve"]);
    assert!(said.contains(": /proc cannot be written") || said.contains("/proc/chaincast/log.db cannot be made"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_the_user_or_has_no_such_database_is_not_waited_for() {
    let database = TestDatabase::create().await;
    let (server, name) = database.url().rsplit_once('/').map(|(server, name)| (server.to_owned(), name.to_owned())).expect("a url");
    let (scheme, place) = server.split_once("://").expect("a url");
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    for (url, told) in [
        (format!("{server}/no_such_{name}"), format!("{place}/no_such_{name}: database \"no_such_{name}\" does not exist")),
        (format!("{scheme}://nobody_{name}:open-sesame@{place}/{name}"), format!("{place}/{name}: ")),
    ] {
        let said = refused(&url, &["serve"]);
        assert!(said.contains("cannot open the log in postgres://") && said.contains(&told), "{told} in {said}");
        assert!(!said.contains("open-sesame"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_numbering_says_when_a_service_has_the_store_open() {
    use crate::support::process::{Service, Settings};
    for store in [Store::sqlite(), Store::postgres().await] {
        let number = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_chaincast"));
            command.args(["log", "new-epoch", "--cause", "restored"]).env_clear().env("DATABASE_URL", store.url());
            let Output { status, stdout, stderr } = command.output().expect("it starts");
            assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
            String::from_utf8(stdout).expect("UTF-8")
        };
        let mut service = Service::start(Settings::on(&store)).await;
        let said = number();
        assert!(said.contains("1 log in ") && said.contains("in use"), "{said}");
        assert!(service.terminate().await.success());
        let said = number();
        assert!(!said.contains("in use"), "{said}");
    }
}
