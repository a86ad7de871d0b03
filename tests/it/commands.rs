//! The commands that people type: `tail`, `publish`, `log export`, `import` and `stats`, by the real binary against the real service.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::support::{
    fault_proxy::{FaultProxy, Mode},
    http::Http,
    process::{Service, Settings},
    publisher::EventMaker,
    store::{Store, for_each_store},
    wait::eventually,
};

fn command(variable: (&str, &str), args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaincast"));
    command.env_clear().env(variable.0, variable.1).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn to(service: &Service) -> String {
    format!("http://{}", service.addr())
}

/// Runs a command to its end.
async fn run(variable: (&str, &str), args: &[&str], input: &str) -> Output {
    let mut command = command(variable, args);
    let input = input.to_owned();
    let run = move || {
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("piped");
        // a command that stops early does not read to the end
        let writing = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().expect("own child");
        writing.join().expect("no panic");
        output
    };
    spawn_blocking(run).await.expect("no panic")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn ndjson(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

/// A command that goes on; killed when dropped.
struct Running {
    child: Child,
    out: Arc<Mutex<Vec<String>>>,
    err: Arc<Mutex<Vec<String>>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let (out, err) = (collect(child.stdout.take().expect("piped")), collect(child.stderr.take().expect("piped")));
        Self { child, out, err }
    }

    async fn until(&self, what: &str, enough: impl Fn(&[String], &[String]) -> bool) {
        eventually(what, async || {
            let (out, err) = (self.out.lock().expect("no panic"), self.err.lock().expect("no panic"));
            if enough(&out, &err) { Ok(()) } else { Err(format!("{} lines, {err:?}", out.len())) }
        })
        .await;
    }

    async fn said(&self, words: &str) {
        self.until(words, |_, err| err.iter().any(|line| line.contains(words))).await;
    }

    async fn interrupted(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("own child");
        self.ended().await
    }

    async fn ended(&mut self) -> Option<i32> {
        let child = &mut self.child;
        eventually("ended", async || child.try_wait().expect("own child").ok_or_else(|| "still running".to_owned())).await.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // both fail only when it has ended
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&lines);
    thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| kept.lock().expect("no panic").push(line)));
    lines
}

fn seqs(lines: &[String]) -> Vec<u64> {
    lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64().expect("a seq")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_shows_each_event_once_through_restarts_and_says_where_it_stopped() {
    let store = Store::sqlite();
    let mut service = Service::start(Settings::on(&store)).await;
    let (url, http, mut maker) = (to(&service), Http::new(service.addr()), EventMaker::new("tail"));
    http.publish_ok(&Value::from(maker.events(10))).await;
    let mut tail = Running::start(command(("CHAINCAST_URL", &url), &["tail", "--from", "earliest", "--json"]));
    tail.said("caught up after 10 events").await;
    for round in 2..5_usize {
        if round.is_multiple_of(2) {
            assert!(service.terminate().await.success());
            tail.said("the service is stopping").await;
        } else {
            service.kill_9();
        }
        tail.said("reconnecting in").await;
        service.restart_same_port().await;
        http.publish_ok(&Value::from(maker.events(10))).await;
        tail.until("everything", |out, _| out.len() >= round * 10).await;
    }
    assert_eq!(tail.interrupted().await, Some(130));
    tail.said("stopped at").await;
    assert_eq!(seqs(&tail.out.lock().expect("no panic")), (1..=40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_with_a_cursor_file_goes_on_where_the_last_one_stopped() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store)).await;
    let (url, http, home) = (to(&service), Http::new(service.addr()), TempDir::new().expect("a directory"));
    http.publish_ok(&Value::from(EventMaker::new("file").events(10))).await;
    let file = home.path().join("cursor").display().to_string();
    let args = ["tail", "--json", "--from", "earliest", "--cursor-file", &file, "--no-follow"];
    let first = run(("CHAINCAST_URL", &url), &[&args[..], &["-n", "4"]].concat(), "").await;
    let second = run(("CHAINCAST_URL", &url), &args, "").await;
    let third = run(("CHAINCAST_URL", &url), &args, "").await;
    let seqs = |output: &Output| lines(output).iter().map(|line| line["seq"].as_u64().expect("a seq")).collect::<Vec<_>>();
    assert_eq!((seqs(&first), seqs(&second), seqs(&third)), (vec![1, 2, 3, 4], (5..=10).collect(), vec![]), "{second:?}");
    assert!(first.status.success() && second.status.success() && third.status.success());
    assert_eq!(lines(&first)[3]["cursor"].as_str().map(|cursor| cursor.ends_with("-4")), Some(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_tells_of_a_gap_and_of_a_refusal() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store)).await;
    let url = to(&service);
    let url = ("CHAINCAST_URL", url.as_str());
    let foreign = ["tail", "--quiet", "--until-live", "--from", "0badcafe-7"];
    let told = run(url, &foreign, "").await;
    assert!(told.status.success() && text(&told.stderr).contains("GAP: ") && text(&told.stderr).contains("set back"), "{told:?}");
    let failed = run(url, &[&foreign[..], &["--fail-on-gap"]].concat(), "").await;
    assert!(failed.status.code() == Some(1) && text(&failed.stderr).contains("[status 410, gap"), "{failed:?}");
    let refused = run(url, &["tail", "--topic", "a..b"], "").await;
    assert!(refused.status.code() == Some(1) && text(&refused.stderr).contains("parameter topics"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_that_was_killed_and_is_run_again_stores_each_event_once() {
    const EVENTS: usize = 2000;
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store)).await;
    let (url, http, home) = (to(&service), Http::new(service.addr()), TempDir::new().expect("a directory"));
    let file = home.path().join("events.ndjson").display().to_string();
    // without ids: their lines make them
    let events: String = (1..=EVENTS).map(|n| format!("{{\"type\":\"a.b\",\"data\":{n}}}\n")).collect();
    std::fs::write(&file, events).expect("written");
    let args = ["publish", "--batch", "5", "--id-prefix", "run:", &file];
    let mut killed = Running::start(command(("CHAINCAST_URL", &url), &args));
    let head = async || http.stat("/log/head").await;
    eventually("some are stored", async || if head().await > 20 { Ok(()) } else { Err("few".to_owned()) }).await;
    killed.child.kill().expect("own child");
    killed.ended().await;
    let before = head().await;
    let again = run(("CHAINCAST_URL", &url), &args, "").await;
    assert!(again.status.success() && text(&again.stdout).contains(" 0 conflicts"), "{again:?}");
    assert_eq!(http.until_stat("/log/head", |head| head >= EVENTS as u64).await, EVENTS as u64, "{before} were there");
    let stored = run(("CHAINCAST_URL", &url), &["tail", "--json", "--from", "earliest", "--until-live"], "").await;
    let data: Vec<u64> = lines(&stored).iter().map(|line| line["data"].as_u64().expect("a number")).collect();
    assert_eq!(data, (1..=EVENTS as u64).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_waits_for_a_service_and_for_its_database() {
    let store = Store::postgres().await;
    let proxy = FaultProxy::before(&store.url()).await;
    let settings = Settings::at(&proxy.url()).with("CHAINCAST_DATABASE_DEADLINE_SECONDS", 1);
    let mut service = Service::start(settings).await;
    let (url, http) = (to(&service), Http::new(service.addr()));
    let url = ("CHAINCAST_URL", url.as_str());
    let mut trickle = command(url, &["publish"]);
    trickle.stdin(Stdio::piped());
    let mut publish = Running::start(trickle);
    let mut stdin = publish.child.stdin.take().expect("piped");
    let mut write = |n: u64| writeln!(stdin, "{}", json!({"id": n.to_string(), "type": "a.b", "data": n})).expect("it reads");
    write(1);
    eventually("sent before the end of the input", async || match http.stat("/log/head").await {
        1 => Ok(()),
        head => Err(head.to_string()),
    })
    .await;
    proxy.set(Mode::Refuse);
    write(2);
    publish.said("status 503").await;
    proxy.set(Mode::Pass);
    service.kill_9();
    write(3);
    publish.said("no answer").await;
    service.restart_same_port().await;
    drop(stdin);
    assert_eq!(publish.ended().await, Some(0));
    publish.until("the summary", |out, _| out.iter().any(|line| line.contains(" 0 conflicts"))).await;
    assert_eq!(http.until_stat("/log/head", |head| head >= 3).await, 3);
    service.kill_9();
    let gave_up = run(url, &["publish", "--give-up-after", "1"], "{\"id\":\"4\",\"type\":\"a.b\"}").await;
    assert!(gave_up.status.code() == Some(1) && text(&gave_up.stderr).contains("gave up"), "{gave_up:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_that_is_interrupted_says_how_far_it_came() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store)).await;
    let (url, http) = (to(&service), Http::new(service.addr()));
    for (id, signal) in [(1, Signal::INT), (2, Signal::TERM)] {
        let mut order = command(("CHAINCAST_URL", &url), &["publish"]);
        order.stdin(Stdio::piped());
        let mut publish = Running::start(order);
        let mut stdin = publish.child.stdin.take().expect("piped");
        writeln!(stdin, "{}", json!({"id": id.to_string(), "type": "a.b", "data": null})).expect("it reads");
        eventually("stored", async || if http.stat("/log/head").await == id { Ok(()) } else { Err("not yet".to_owned()) }).await;
        kill_process(Pid::from_child(&publish.child), signal).expect("own child");
        assert_eq!(publish.ended().await, Some(130));
        publish.said("run the same command again; nothing doubles").await;
        publish.until("the summary", |out, _| out.iter().any(|line| line.contains(" 0 conflicts"))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_stops_before_a_faulty_line_or_puts_it_aside() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store).with("CHAINCAST_EVENT_BYTES", 1000)).await;
    let (url, http, home) = (to(&service), Http::new(service.addr()), TempDir::new().expect("a directory"));
    let url = ("CHAINCAST_URL", url.as_str());
    let good = |id: &str| json!({"id": id, "type": "a.b", "data": null});
    // the first fault is found here, the second by the service, the third is in what it has already
    let events = [good("1"), json!({"id": "2", "type": "hub.x"}), json!({"id": "3", "type": "a.b", "data": "x".repeat(2000)}), good("4")];
    let stopped = run(url, &["publish"], &ndjson(&events)).await;
    assert!(stopped.status.code() == Some(1) && text(&stopped.stderr).contains("line 2: /type is reserved"), "{stopped:?}");
    assert_eq!(http.until_stat("/log/head", |head| head >= 1).await, 1, "what stands before is stored, and nothing behind");
    let dry = run(url, &["publish", "--dry-run"], &ndjson(&events)).await;
    assert!(dry.status.code() == Some(1) && text(&dry.stdout).contains("3 events could be published, 1 could not"), "{dry:?}");
    let rejects = home.path().join("rejects").display().to_string();
    let conflict = json!({"id": "1", "type": "other", "data": 1});
    let input = ndjson(&[&events[..], &[conflict, good("5")]].concat());
    let skipped = run(url, &["publish", "--skip-invalid", &rejects], &input).await;
    assert_eq!(skipped.status.code(), Some(2), "{skipped:?}");
    assert!(text(&skipped.stdout).contains("2 stored, 1 duplicates, 0 conflicts, 3 put aside"), "{skipped:?}");
    let kept = std::fs::read_to_string(&rejects).expect("rejects");
    let mut put_aside: Vec<u64> =
        kept.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["line"].as_u64().expect("a line")).collect();
    put_aside.sort_unstable();
    assert_eq!(put_aside, [2, 3, 5]);
    let kept = run(url, &["publish", "--on-conflict", "keep"], &ndjson(&[json!({"id": "1", "type": "other"})])).await;
    assert!(kept.status.code() == Some(2) && text(&kept.stdout).contains("1 conflicts"), "{kept:?}");
    let nameless = run(url, &["publish"], "{\"type\":\"a.b\"}").await;
    assert!(nameless.status.code() == Some(1) && text(&nameless.stderr).contains("--id-prefix"), "{nameless:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_is_interrupted_in_a_page_goes_on_behind_the_last_event_that_it_wrote() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store)).await;
    let (url, http, home) = (to(&service), Http::new(service.addr()), TempDir::new().expect("a directory"));
    let mut maker = EventMaker::new("page");
    for _ in 0..10 {
        http.publish_ok(&Value::from(maker.events(1000))).await;
    }
    let file = home.path().join("cursor");
    let args = ["tail", "--json", "--from", "earliest", "--cursor-file", &file.display().to_string()];
    let mut all = Vec::new();
    for round in 1..=3 {
        let mut tail = command(("CHAINCAST_URL", &url), &args).spawn().expect("the binary starts");
        let (lines, said) = spawn_blocking(move || {
            let mut out = BufReader::new(tail.stdout.take().expect("piped")).lines();
            let mut line = || out.next().map(|line| line.expect("readable"));
            // and no further: a pipe soon holds no more, and the tail waits in the middle of a page
            let mut lines: Vec<String> = (0..300).map_while(|_| line()).collect();
            kill_process(Pid::from_child(&tail), Signal::INT).expect("own child");
            lines.extend(std::iter::from_fn(line));
            let mut said = String::new();
            tail.stderr.take().expect("piped").read_to_string(&mut said).expect("readable");
            assert_eq!(tail.wait().expect("own child").code(), Some(130), "{said}");
            (lines, said)
        })
        .await
        .expect("no panic");
        let kept = std::fs::read_to_string(&file).expect("a cursor").trim_end().to_owned();
        assert!(said.contains(&format!("stopped at {kept};")), "{kept} is kept: {said}");
        assert!(lines.last().expect("some").contains(&format!("\"cursor\":\"{kept}\",")), "{kept} is kept: {:?}", lines.last());
        all.extend(seqs(&lines));
        assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>(), "each once, in order, up to round {round}");
    }
    assert!(all.len() < 10_000, "it was interrupted on the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_whose_store_fails_ends_though_its_input_stays_open() {
    let store = Store::sqlite();
    let made = run(("DATABASE_URL", &store.url()), &["migrate"], "").await;
    assert!(made.status.success(), "{made:?}");
    let mut connection = SqliteConnection::connect(&store.url()).await.expect("connects");
    let fails = "CREATE TRIGGER fails BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no more room'); END";
    sqlx::raw_sql(fails).execute(&mut connection).await.expect("made");
    connection.close().await.expect("closed");
    let mut import = command(("DATABASE_URL", &store.url()), &["log", "import", "-"]);
    import.stdin(Stdio::piped());
    let mut import = Running::start(import);
    let mut stdin = import.child.stdin.take().expect("piped");
    // more than one batch, so that one is stored while more is waited for
    let input = ndjson(&EventMaker::new("open").events(1100));
    stdin.write_all(input.as_bytes()).expect("it reads");
    assert_eq!(import.ended().await, Some(1));
    import.said("stopped: everything before this is stored").await;
    drop(stdin);
}

/// What a line says that is not its store's.
fn of_its_own(mut line: Value) -> Value {
    let members = line.as_object_mut().expect("an object");
    members.remove("receivedAt").expect("it says when");
    line
}

for_each_store! {
    async fn what_a_publisher_sends_again_is_known_where_it_was_imported(store: Store) {
        let mut service = Service::start(Settings::on(&store)).await;
        // not as the log writes it: in another order, without data, with what a parser would write otherwise
        let sent = r#"[{"type":"a.b","id":"one"},{"id":"two","data":{"n":1e400,"\u0061":1},"streams":[],"type":"a.b"}]"#;
        let send = async |service: &Service| {
            let answer = Http::new(service.addr()).post("application/json", sent).await.json();
            let statuses: Vec<_> = answer["events"].as_array().expect("events").iter().map(|item| item["status"].clone()).collect();
            statuses
        };
        assert_eq!(send(&service).await, ["stored", "stored"]);
        assert!(service.terminate().await.success());
        let from = store.url();
        let exported = run(("DATABASE_URL", &from), &["log", "export"], "").await;
        let input = text(&exported.stdout);
        let own = run(("DATABASE_URL", &from), &["log", "import", "-"], input).await;
        assert!(own.status.success() && text(&own.stdout).contains("0 stored, 2 duplicates, 0 conflicts"), "{own:?}");

        let other = match &store {
            Store::Sqlite(_) => Store::sqlite(),
            Store::Postgres(_) => Store::postgres().await,
        };
        let into = other.url();
        let imported = run(("DATABASE_URL", &into), &["log", "import", "-"], input).await;
        assert!(imported.status.success() && text(&imported.stdout).contains("2 stored"), "{imported:?}");
        let broken = input.replacen("\"contentDigest\":\"", "\"contentDigest\":\"x", 1);
        let refused = run(("DATABASE_URL", &into), &["log", "import", "-"], &broken).await;
        assert!(refused.status.code() == Some(1) && text(&refused.stderr).contains("line 1: /contentDigest"), "{refused:?}");
        let service = Service::start(Settings::on(&other)).await;
        assert_eq!(send(&service).await, ["duplicate", "duplicate"]);
        // for a publisher it is no member of an event
        let published = run(("CHAINCAST_URL", &to(&service)), &["publish", "--on-conflict", "keep"], input).await;
        assert!(text(&published.stdout).contains("2 conflicts"), "{published:?}");
    }

    async fn what_is_exported_is_imported_once_with_its_ids_and_sources(store: Store) {
        let mut service = Service::start(Settings::on(&store)).await;
        let http = Http::new(service.addr());
        for _ in 0..3 {
            http.publish_ok(&Value::from(EventMaker::new(&fastrand::u64(..).to_string()).events(800))).await;
        }
        assert!(service.terminate().await.success());
        let from = store.url();
        let exported = run(("DATABASE_URL", &from), &["log", "export"], "").await;
        let all = lines(&exported);
        assert!(exported.status.success() && all.len() == 2400, "{}", text(&exported.stderr));

        let other = match &store {
            Store::Sqlite(_) => Store::sqlite(),
            Store::Postgres(_) => Store::postgres().await,
        };
        let into = other.url();
        // of another source, so that two take turns
        let input: String = text(&exported.stdout).lines().enumerate().map(|(at, line)| match at % 3 {
            0 => format!("{}\n", line.replacen("\"source\":\"default\"", "\"source\":\"indexer\"", 1)),
            _ => format!("{line}\n"),
        }).collect();
        let import = async |input: &str| run(("DATABASE_URL", &into), &["log", "import", "-"], input).await;
        // one that was interrupted
        let half = (0..input.len() / 2).rfind(|at| input.is_char_boundary(*at)).expect("not empty");
        let cut = &input[..half];
        let first = import(&format!("{cut}\n")).await;
        assert!(first.status.code() == Some(1) && text(&first.stderr).contains("line "), "{first:?}");
        let whole = import(&input).await;
        assert!(whole.status.success() && text(&whole.stdout).contains(" 0 conflicts"), "{whole:?}");
        let again = import(&input).await;
        assert!(again.status.success() && text(&again.stdout).contains("0 stored, 2,400 duplicates"), "{again:?}");

        let back = run(("DATABASE_URL", &into), &["log", "export", "--quiet"], "").await;
        let expected: Vec<Value> = input.lines().map(|line| of_its_own(serde_json::from_str(line).expect("JSON"))).collect();
        assert_eq!(lines(&back).into_iter().map(of_its_own).collect::<Vec<_>>(), expected);
        let stats = run(("DATABASE_URL", &into), &["log", "stats", "--json", "--types", "2"], "").await;
        let stats: Value = serde_json::from_slice(&stats.stdout).expect("JSON");
        let log = &stats["logs"][0];
        assert_eq!((log["events"].as_u64(), log["ids"].as_u64(), log["types"].as_array().map(Vec::len)), (Some(2400), Some(2400), Some(3)));
        let nowhere = run(("DATABASE_URL", &into), &["log", "export", "--tenant", "nobody"], "").await;
        assert!(nowhere.status.code() == Some(1) && text(&nowhere.stderr).contains("there are: default"), "{nowhere:?}");
    }
}
