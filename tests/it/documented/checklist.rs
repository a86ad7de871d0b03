//! PRODUCTION_CHECKLIST.md: the commands that verify its lines are run, against a closed service on PostgreSQL with a listener for operators, or,
//! where the line says so, an open one. What a command `prints` is compared; of others it is enough that they end with 0.

use std::{path::Path, process::Command};

use super::{read, sandbox};
use crate::support::{
    postgres::TestDatabase,
    process::{Service, Settings, free_port},
    store::Store,
};

/// What begins a command that can be run.
const PROGRAMS: [&str; 11] = ["chaincast", "curl", "df", "grep", "ls", "promtool", "psql", "redis-cli", "ss", "sysctl", "tr"];

/// Commands that want what is not here, by how they begin, and why.
const NOT_HERE: [(&str, &str); 7] = [
    ("curl -sI https://", "a proxy with a certificate"),
    ("curl -s -o /dev/null -w '%{http_code}\\n' https://", "the same"),
    ("curl -si -H \"Authorization: Bearer $TOKEN\"", "an identity provider"),
    ("curl -N", "does not end"),
    ("redis-cli", "a Redis"),
    ("chaincast tail", "a publisher"),
    ("promtool", "run by the tests of the alerts"),
];

/// A command of a line, and what stands between it and the next.
struct Check {
    line: String,
    command: String,
    says: String,
    open: bool,
}

/// The commands of the last column of every table.
fn checks(document: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    for line in document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| setting")) {
        // a bar within a command is escaped
        let cells = line.replace("\\|", "\u{1}");
        let cell = cells.trim_matches('|').split('|').nth(2).unwrap_or_else(|| panic!("three columns: {line}")).replace('\u{1}', "|");
        let parts: Vec<&str> = cell.split('`').collect();
        for at in (1..parts.len()).step_by(2) {
            let command = parts[at].to_owned();
            if !PROGRAMS.iter().any(|program| command.strip_prefix(program).is_some_and(|rest| rest.starts_with(' '))) {
                continue;
            }
            let says = parts[at + 1..].join("`");
            checks.push(Check { line: line.chars().take(80).collect(), command, says, open: parts[at - 1].trim_end().ends_with("open:") });
        }
    }
    checks
}

fn is_not_here(check: &Check) -> bool {
    NOT_HERE.iter().any(|(begins, _)| check.command.starts_with(begins))
}

/// What is to be printed, when that is a number or nothing.
fn expected(says: &str) -> Option<&str> {
    let word = says.trim_start().strip_prefix("prints ")?.split([' ', '.', ',', ';']).next()?;
    if word == "nothing" { Some("") } else { word.parse::<u32>().is_ok().then_some(word) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_verifies_a_line_of_the_production_checklist_runs_and_prints_what_it_says() {
    let database = TestDatabase::create().await;
    let operators = free_port();
    let closed = Settings::at(&database.url())
        .with("CHAINCAST_ADMIN_LISTEN", format!("127.0.0.1:{operators}"))
        .with("CHAINCAST_SECRET", "0123456789abcdef0123456789abcdef")
        .with("CHAINCAST_TOKEN_PARAMETER", "false");
    let key =
        closed.command().args(["keys", "create", "--name", "operator", "--super-admin", "--subscribe-all"]).output().expect("the binary");
    let key = String::from_utf8(key.stdout).expect("UTF-8").trim().to_owned();
    let closed = Service::start(closed).await;
    let store = Store::sqlite();
    let open = Service::start(Settings::on(&store)).await;

    let home = sandbox();
    std::fs::create_dir(home.path().join("data")).expect("an empty directory");
    let (mut run, mut faults) = (0, Vec::new());
    let all = checks(&read(Path::new("PRODUCTION_CHECKLIST.md")));
    for check in all.iter().filter(|check| !is_not_here(check)) {
        let service = if check.open { &open } else { &closed };
        let pidof = format!("#!/bin/sh\necho {}\n", service.pid());
        std::fs::write(home.path().join(".shims/pidof"), pidof).expect("a temporary directory");
        Command::new("chmod").arg("+x").arg(home.path().join(".shims/pidof")).status().expect("chmod");
        let path = format!("{}:{}", home.path().join(".shims").display(), std::env::var("PATH").expect("a PATH"));
        let mut command = Command::new("bash");
        command.args(["-c", &check.command]).env_clear().current_dir(home.path()).env("PATH", path).env("HOME", home.path());
        command.env("URL", format!("http://{}", service.addr())).env("OPS", format!("http://127.0.0.1:{operators}")).env("ADMIN", &key);
        command.env("DATABASE_URL", database.url()).env("CHAINCAST_LISTEN", service.addr().to_string());
        let output = command.output().expect("bash");
        let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let holds = expected(&check.says).map_or(output.status.success(), |word| said.trim() == word);
        if !holds {
            faults.push(format!("{}…\n{}\n{}\n{said}{failed}", check.line, check.command, output.status));
        }
        run += 1;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(run >= 30, "{run} of {}", all.len());
}

#[test]
fn what_is_not_run_is_there() {
    let all = checks(&read(Path::new("PRODUCTION_CHECKLIST.md")));
    for (begins, why) in NOT_HERE {
        assert!(all.iter().any(|check| check.command.starts_with(begins)), "{begins} ({why})");
    }
}
