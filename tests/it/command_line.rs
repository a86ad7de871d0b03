//! The binary as people call it: settings in their layers, tokens, migrations, and what it prints where.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    access::Issuer,
    http::Http,
    process::{Service, Settings},
    store::{Store, for_each_store},
};

const DEFAULT_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml");
/// What must be shown nowhere.
const MARK: &str = "SECRETMARK";

/// The binary in a directory and an environment of its own.
pub(crate) fn binary(home: &Path, words: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaincast"));
    command.current_dir(home).env_clear().envs(variables.iter().copied()).args(words).stdin(Stdio::null());
    command
}

/// The code that it ends with, what it prints, and what it says besides.
pub(crate) fn run(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("no signal"), text(stdout), text(stderr))
}

pub(crate) fn home() -> TempDir {
    TempDir::new().expect("a temporary directory")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_starts_from_the_documented_file_as_it_is() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store).with("CHAINCAST_CONFIG", DEFAULT_FILE)).await;
    let said = service.output();
    assert!(said.iter().any(|line| line.contains("settings were read from a file") && line.contains(DEFAULT_FILE)), "{said:?}");
    assert_eq!(Http::new(service.addr()).get("/health/ready").await.status, 200);
}

#[test]
fn the_file_where_the_process_stands_is_read_and_faults_are_told_by_line() {
    let home = home();
    fs::write(home.path().join("chaincast.toml"), "[hub]\nring_events = 7\n").expect("written");
    let (code, out, _) = run(binary(home.path(), &["config", "show", "--changed"], &[("CHAINCAST_WORKERS", "2")]));
    let shown: Vec<String> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = ["[server]", "workers = 2 # variable CHAINCAST_WORKERS", "", "[hub]", "ring_events = 7 # file chaincast.toml:2"];
    assert_eq!((code, shown), (0, expected.map(str::to_owned).into()));
    fs::write(home.path().join("chaincast.toml"), "[hub]\nring_event = 7\nring_bytes = \"much\"\n").expect("written");
    let misspelt = [("CHAINCAST_LSITEN", "127.0.0.1:1")];
    // a start says the same
    for words in [&["config", "check"][..], &["serve"], &["migrate"]] {
        let (code, out, err) = run(binary(home.path(), words, &misspelt));
        let lines: Vec<_> = err.lines().collect();
        assert_eq!((code, out.as_str(), lines.len()), (1, "", 3), "{err}");
        assert_eq!(lines[0], "chaincast: CHAINCAST_LSITEN is not a setting; did you mean CHAINCAST_LISTEN?");
        assert_eq!(lines[1], "chaincast: chaincast.toml:2: hub.ring_event is not a setting; did you mean ring_events?");
        assert_eq!(lines[2], "chaincast: chaincast.toml:3: hub.ring_bytes: must be a whole number, not a text");
    }
    // and what needs no settings does not mind
    for words in [&["config", "default"][..], &["openapi"], &["completions", "bash"], &["completions", "zsh"], &["completions", "fish"]] {
        let (code, out, err) = run(binary(home.path(), words, &misspelt));
        assert!(code == 0 && out.len() > 1000 && err.is_empty(), "{words:?}: {err}");
    }
}

#[test]
fn check_tells_every_fault_on_a_line_and_warns_of_what_is_unwise() {
    let home = home();
    let (code, out, err) = run(binary(home.path(), &["config", "check"], &[]));
    assert_eq!((code, out.lines().count(), err.as_str()), (0, 1, ""), "{out}");
    assert!(out.starts_with("OK: no settings file, 0 variables, 0 flags"), "{out}");
    let faulty = [
        ("CHAINCAST_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("CHAINCAST_JWT_PUBLIC_KEYS", "missing.pem"),
        ("CHAINCAST_BACKPLANE", "redis"),
        ("CHAINCAST_RETENTION_DAYS", "90"),
    ];
    let (code, out, err) = run(binary(home.path(), &["config", "check", "--event-bytes", "9999999999"], &faulty));
    assert_eq!((code, out.as_str()), (1, ""));
    for told in ["0.0.0.0/0", "missing.pem", "REDIS_URL is not set", "CHAINCAST_EVENT_BYTES", "warning: CHAINCAST_DEDUPE_DAYS"] {
        assert_eq!(err.lines().filter(|line| line.contains(told)).count(), 1, "{told} in {err}");
    }
    assert!(err.lines().all(|line| line.starts_with("chaincast: ")), "{err}");
    let open = [("CHAINCAST_LISTEN", "0.0.0.0:0")];
    let (code, _, err) = run(binary(home.path(), &["config", "check"], &open));
    assert!(code == 0 && err.contains("unless there is a key in the store"), "{err}");
    let (code, _, err) = run(binary(home.path(), &["serve"], &[("CHAINCAST_ALLOWED_ORIGINS", "https://a.example,foo")]));
    assert!(code == 1 && err.contains("CHAINCAST_ALLOWED_ORIGINS: `foo` must be an origin"), "{err}");
}

#[test]
fn no_command_shows_a_secret_wherever_it_stands() {
    let home = home();
    let secret = format!("{MARK}-0123456789-0123456789-0123456789");
    let key_file = home.path().join("secret");
    fs::write(&key_file, &secret).expect("written");
    let file = home.path().join("c.toml");
    fs::write(
        &file,
        format!("[jwt]\nsecret = \"{secret}\"\n[log]\ndatabase_url = \"postgres://u:{MARK}@127.0.0.1:1/d?password={MARK}\"\n"),
    )
    .expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("own file");
    let broken = home.path().join("broken.toml");
    fs::write(&broken, format!("[jwt]\nsecret = {MARK}\n[credentials]\nsecret = ['{MARK}']\n{MARK}")).expect("written");
    let redis = format!("redis://u:{MARK}@127.0.0.1:1");
    let variables = [("CHAINCAST_SECRET_FILE", key_file.to_str().expect("UTF-8")), ("REDIS_URL", &redis)];
    let mut told = String::new();
    for path in [&file, &broken] {
        let path = path.to_str().expect("UTF-8");
        for words in [
            &["config", "show"][..],
            &["config", "check"],
            &["healthcheck"],
            &["token", "--rights", "{}x"],
            &["--help"],
            &["serve", "--workers", "0"],
        ] {
            let (_, out, err) = run(binary(home.path(), &[&["--config", path][..], words].concat(), &variables));
            let said = format!("{out}{err}");
            assert!(!said.is_empty() && !said.contains(MARK), "{words:?}: {said}");
            told += &said;
        }
    }
    for part in
        ["postgres://…@127.0.0.1:1/d?…", "redis://…@127.0.0.1:1", "variable CHAINCAST_SECRET_FILE", "chmod o-rwx", "broken.toml:2: "]
    {
        assert!(told.contains(part), "no {part} in {told}");
    }
    let (_, out, err) = run(binary(home.path(), &["config", "show", "--jwt-secret", &secret], &[]));
    assert!(!out.contains(MARK) && !err.contains(MARK), "{out}{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_it_makes_is_taken_by_the_service_and_allows_what_was_asked_for() {
    let store = Store::sqlite();
    let settings = Issuer::new().trusted_by(Settings::on(&store));
    let service = Service::start(settings.clone()).await;
    let token = |words: &[&str]| {
        let mut command = settings.command();
        command.arg("token").args(words).stdin(Stdio::null());
        let (code, out, err) = run(command);
        assert_eq!((code, err.as_str(), out.lines().count()), (0, "", 1), "the token alone");
        out.trim_end().to_owned()
    };
    let http = Http::new(service.addr());
    let indexer = http.with_token(&token(&["--publish-types", "a.*"]));
    assert_eq!(indexer.publish(&json!({"type": "a.b", "users": ["ann"]})).await.status, 201);
    assert_eq!(indexer.publish(&json!({"type": "c.d", "users": ["ann"]})).await.status, 403);
    let ann = http.with_token(&token(&["--sub", "ann", "--users", "self", "--expires-in", "5m"]));
    assert_eq!(ann.get("/events?users=ann").await.status, 200);
    assert_eq!(ann.get("/events?users=bob").await.status, 403);
    assert_eq!(http.with_token(&token(&["--all", "--tenant", "acme"])).get("/events?all=true").await.status, 200);
    assert_eq!(http.get("/events?users=ann").await.status, 401);
}

#[test]
fn a_token_that_nobody_here_can_sign_is_refused_and_any_can_be_shown() {
    let home = home();
    let (code, out, err) = run(binary(home.path(), &["token", "--all"], &[("CHAINCAST_JWT_PUBLIC_KEYS", "a.pem")]));
    assert!(code == 1 && out.is_empty() && err.contains("CHAINCAST_JWT_SECRET is not set"), "{err}");
    let token = Issuer::new().token(&json!({"sub": "ann"}));
    let (code, out, _) = run(binary(home.path(), &["token", "show", &token], &[]));
    assert!(code == 0 && out.contains("\"sub\": \"ann\""), "{out}");
    let (code, out, err) = run(binary(home.path(), &["token", "show", MARK], &[]));
    assert!(code == 1 && out.is_empty() && !err.contains(MARK), "{err}");
}

for_each_store! {
    async fn a_migration_says_from_where_to_where_and_a_check_changes_nothing(store: Store) {
        let home = home();
        let url = store.url();
        let migrate = |words: &[&str]| run(binary(home.path(), &[&["migrate"], words].concat(), &[("DATABASE_URL", &url)]));
        for _ in 0..2 {
            let (code, out, err) = migrate(&["--check"]);
            assert!(code == 1 && out.is_empty() && err.contains("has no schema; to be applied: 0001 log, "), "{err}");
        }
        let (code, out, err) = migrate(&[]);
        assert!(code == 0 && out.contains("from no schema to migration 0005; applied: 0001 log, "), "{out}{err}");
        let (code, out, _) = migrate(&["--check"]);
        assert!(code == 0 && out.contains("is at migration 0005, as this version wants it"), "{out}");
        assert_eq!(migrate(&[]).0, 0);
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let home = home();
    let mut command = binary(home.path(), &["config", "default"], &[]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let (code, _, err) = {
        let Output { status, stdout: _, stderr } = command.stdout(writer).output().expect("the binary starts");
        (status.code(), (), String::from_utf8_lossy(&stderr).into_owned())
    };
    assert_eq!((code, err.as_str()), (Some(0), ""));
}
