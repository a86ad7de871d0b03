//! What operators do, over real HTTP and with the real command line.

use std::{
    process::{Command, Output},
    sync::Arc,
};

use chaincast::{
    domain::LogName,
    log::{EventLog, PostgresLog, SqliteLog, SqliteSettings},
};
use serde_json::{Value, json};

use crate::support::{
    http::{Answer, Http},
    postgres,
    process::{Service, Settings, free_port},
    store::{Store, for_each_store},
    wait::eventually,
};

fn admin_key(name: &str) -> Value {
    json!({"name": name, "kind": "bearer", "rights": {"role": "super_admin"}})
}

fn secret(answer: &Answer) -> String {
    answer.json()["secret"].as_str().unwrap_or_else(|| panic!("no secret: {answer:?}")).to_owned()
}

/// Runs the command line on `store`.
fn chaincast(store: &Store, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaincast"));
    command.env_clear().env("DATABASE_URL", store.url()).env("USER", "tester").args(arguments);
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8").trim_end()
}

for_each_store! {
    async fn after_a_restore_every_log_is_numbered_anew(store: Store) {
        let log: Arc<dyn EventLog> = match &store {
            Store::Sqlite(_) => Arc::new(SqliteLog::open_file(&store.sqlite_file(), SqliteSettings::default()).await.expect("opens")),
            Store::Postgres(_) => Arc::new(PostgresLog::connect(&store.url(), postgres::settings()).await.expect("connects")),
        };
        let mut logs = Vec::new();
        for name in [LogName::DEFAULT, "one", "other"] {
            logs.push(log.open(&LogName::new(name)).await.expect("opens"));
        }
        let done = chaincast(&store, &["log", "new-epoch", "--cause", "restored"]);
        assert!(done.status.success(), "{done:?}");
        assert!(text(&done.stdout).starts_with("3 logs in "), "{done:?}");
        for id in logs {
            assert_eq!(log.epochs(id).await.expect("reads").links().len(), 2);
        }
    }

    async fn a_key_lives_until_it_is_revoked(store: Store) {
        let service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        // open mode ends with the first key
        let made = http.bare("POST", "/admin/keys", None, &admin_key("first").to_string()).await;
        assert_eq!(made.status, 201, "{made:?}");
        let first = secret(&made);
        assert_eq!(http.bare("GET", "/admin/keys", None, "").await.problem(401), "unauthorized");

        let made = http.bare("POST", "/admin/keys", Some(&first), &admin_key("second").to_string()).await;
        let (id, old) = (made.json()["id"].as_str().expect("an id").to_owned(), secret(&made));
        let works = async |key: &str| http.bare("GET", "/admin/audit", Some(key), "").await.status;
        assert_eq!(works(&old).await, 200);
        let rotated = http.bare("POST", &format!("/admin/keys/{id}/rotate"), Some(&first), "").await;
        let new = secret(&rotated);
        assert_eq!((works(&old).await, works(&new).await), (200, 200), "both are taken for a while");

        assert_eq!(http.bare("DELETE", &format!("/admin/keys/{id}"), Some(&first), "").await.status, 204);
        assert_eq!((works(&old).await, works(&new).await, works(&first).await), (401, 401, 200));
        let trail = http.bare("GET", "/admin/audit", Some(&first), "").await.json();
        let actions: Vec<&str> = trail["lines"].as_array().expect("lines").iter().map(|line| line["action"].as_str().expect("an action")).collect();
        assert_eq!(actions, ["key.created", "key.created", "key.rotated", "key.revoked"]);
        assert_eq!(trail["lines"][0]["actor"], "open");
        let listed = http.bare("GET", "/admin/keys", Some(&first), "").await.body;
        assert!(!listed.contains("cck_") && !service.output().iter().any(|line| line.contains("cck_")), "{listed}");
    }

    async fn operators_have_a_listener_of_their_own(store: Store) {
        let operators = format!("127.0.0.1:{}", free_port());
        let mut service = Service::start(Settings::on(&store).with("CHAINCAST_ADMIN_LISTEN", &operators)).await;
        let (main, apart) = (Http::new(service.addr()), Http::new(operators.parse().expect("an address")));
        main.publish_ok(&json!({"type": "a.b", "data": 1})).await;
        for path in ["/metrics", "/admin/keys"] {
            assert_eq!(main.get(path).await.problem(404), "not_found");
            assert_eq!(apart.get(path).await.status, 200, "{path}");
        }
        assert_eq!(apart.get("/events?all=true").await.problem(404), "not_found");
        let metrics = apart.get("/metrics").await;
        assert!(metrics.content_type.starts_with("application/openmetrics-text"), "{metrics:?}");
        assert!(metrics.body.contains("\nchaincast_events_published_total 1\n"), "{}", metrics.body);

        // a credential is needed for changes, but not for numbers
        let made = apart.bare("POST", "/admin/keys", None, &admin_key("first").to_string()).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(apart.get("/admin/keys").await.problem(401), "unauthorized");
        assert_eq!(apart.bare("GET", "/admin/keys", Some(&secret(&made)), "").await.status, 200);
        assert_eq!(apart.get("/metrics").await.status, 200);
        assert!(service.terminate().await.success());
    }

    async fn the_command_line_makes_and_ends_keys(store: Store) {
        let made = chaincast(&store, &["keys", "create", "--name", "ops", "--super-admin", "--expires-in-days", "1"]);
        assert!(made.status.success(), "{made:?}");
        let key = text(&made.stdout).to_owned();
        assert!(key.starts_with("cck_") && !key.contains('\n'), "nothing but the secret: {key}");
        assert!(text(&made.stderr).contains("first key") && !text(&made.stderr).contains(&key));

        let service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        let listed = http.bare("GET", "/admin/keys", Some(&key), "").await;
        assert_eq!(listed.json()["keys"][0]["name"], "ops", "{listed:?}");
        let by = http.bare("GET", "/admin/audit", Some(&key), "").await.json()["lines"][0]["actor"].clone();
        assert_eq!(by, "cli:tester");

        let json = chaincast(&store, &["keys", "list", "--json"]);
        let id = serde_json::from_slice::<Value>(&json.stdout).expect("JSON")[0]["id"].as_str().expect("an id").to_owned();
        let rotated = chaincast(&store, &["keys", "rotate", &id, "--overlap-seconds", "0"]);
        assert!(text(&rotated.stdout).starts_with(&format!("cck_{id}_")), "{rotated:?}");
        assert_eq!(chaincast(&store, &["keys", "revoke", &id]).status.code(), Some(0));
        assert!(text(&chaincast(&store, &["keys", "list"]).stdout).contains("revoked"));
        assert!(!chaincast(&store, &["keys", "revoke", "nothing"]).status.success());
        for bad in [&["--publish-types", "a*"][..], &["--rights", "{\"role\":\"root\"}"], &["--admin", "--tenant", "a b"]] {
            let refused = chaincast(&store, &[&["keys", "create", "--name", "n"], bad].concat());
            assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
        }
        // the instance hears of it at its next look
        eventually("refused", async || match http.bare("GET", "/admin/keys", Some(&key), "").await.status {
            401 => Ok(()),
            other => Err(other.to_string()),
        })
        .await;
    }
}
