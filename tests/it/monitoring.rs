//! What `deploy/prometheus`, `deploy/grafana` and docs/monitoring.md say of metrics is true of what a running instance offers, and Prometheus' own
//! tool takes all of it.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::support::{
    http::Http,
    process::{Service, Settings},
    proxy::program,
    sse_client::SseClient,
    store::Store,
};

const ALERTS: &str = "deploy/prometheus/alerts.yml";
const ALERT_TESTS: &str = "deploy/prometheus/alerts.test.yml";
const CONFIG: &str = "deploy/prometheus/prometheus.yml";
const DASHBOARD: &str = "deploy/grafana/chaincast.json";
const GUIDE: &str = "docs/monitoring.md";

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn promtool(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(program("promtool"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// Asserts that the tool has no objection.
fn takes(arguments: &[&str], input: &str) {
    let Output { status, stdout, stderr } = promtool(arguments, input);
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "promtool {arguments:?}: {said}");
}

/// The older text format of an instance on SQLite, which has every metric that there is.
async fn scraped() -> String {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store)).await;
    let request = reqwest::Client::new().get(format!("http://{}/metrics", service.addr())).header("accept", "text/plain");
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.expect("text")
}

/// Families by name and kind.
fn families(text: &str) -> Vec<(&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// What is spelt like a metric of this service.
fn named(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with("chaincast_") || word.starts_with("process_")).collect()
}

#[tokio::test]
async fn every_metric_that_is_named_is_offered_and_every_one_that_is_offered_is_told_of() {
    let text = scraped().await;
    let families = families(&text);
    let series: BTreeSet<String> = families
        .iter()
        .flat_map(|(name, kind)| match *kind {
            "histogram" => ["", "_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")).to_vec(),
            _ => vec![(*name).to_owned()],
        })
        .collect();
    for path in [ALERTS, ALERT_TESTS, CONFIG, DASHBOARD, GUIDE] {
        let unknown: Vec<_> = named(&read(path)).into_iter().filter(|name| !series.contains(*name)).map(str::to_owned).collect();
        assert!(unknown.is_empty(), "{path} names what is not offered: {unknown:?}");
    }
    let guide = read(GUIDE);
    let told = named(&guide);
    let untold: Vec<_> = families.iter().map(|(name, _)| name).filter(|name| !told.contains(*name)).collect();
    assert!(untold.is_empty(), "{GUIDE} says nothing of {untold:?}");
    assert!(families.len() > 80, "all of it was read: {}", families.len());
}

#[tokio::test]
async fn prometheus_finds_nothing_to_object_to_in_names_and_text() {
    takes(&["check", "metrics"], &scraped().await);
    let refused = promtool(&["check", "metrics"], "# HELP bad_total A gauge.\n# TYPE bad_total gauge\nbad_total 1\n");
    assert!(!refused.status.success(), "a bad name would be found");
}

#[test]
fn rules_and_configuration_are_good_and_each_alert_fires_when_it_should_and_only_then() {
    takes(&["check", "config", at(CONFIG).to_str().expect("UTF-8")], "");
    takes(&["check", "rules", at(ALERTS).to_str().expect("UTF-8")], "");
    takes(&["test", "rules", at(ALERT_TESTS).to_str().expect("UTF-8")], "");
}

#[tokio::test]
async fn what_is_read_anew_and_what_is_missing_is_counted() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store).with("CHAINCAST_RING_EVENTS", 2)).await;
    let http = Http::new(service.addr());
    let events: Vec<Value> = (0..10).map(|n| json!({"id": n.to_string(), "type": "a.b", "data": n})).collect();
    http.publish_ok(&json!(events)).await;
    let mut all = SseClient::connect(service.addr(), "all=true&last_event_id=earliest", None).await;
    all.next_events(10).await;
    http.until_stat("/replay/events", |events| events >= 8).await;
    http.until_stat("/replay/pages", |pages| pages >= 1).await;
    let _lost = SseClient::connect(service.addr(), "all=true&last_event_id=00000001-5", None).await;
    http.until_stat("/connections/gaps/rewound", |gaps| gaps == 1).await;
    let found = http.get("/metrics").await.body;
    for line in [
        "chaincast_gaps_total{reason=\"rewound\",moment=\"connect\"} 1",
        "chaincast_gaps_total{reason=\"rewound\",moment=\"live\"} 0",
        "chaincast_streams_begun_total 2",
        "chaincast_http_requests_total{route=\"/events\",method=\"POST\",status=\"2xx\"} 1",
        "chaincast_http_requests_total{route=\"/events/subscribe\",method=\"GET\",status=\"2xx\"} 2",
        "chaincast_publish_latency_seconds_count 1",
        "chaincast_commit_group_requests_sum 1.0",
    ] {
        assert!(found.lines().any(|found| found == line), "no {line} in\n{found}");
    }
    let of_publishing = http.stats().await["latency"]["recentPublishMicroseconds"]["p99"].clone();
    assert!(of_publishing.as_u64().is_some_and(|micros| micros > 0), "{of_publishing}");
}

/// The rules, each from its name to the next one's.
fn alerts(text: &str) -> Vec<(&str, &str)> {
    text.split("- alert: ").skip(1).map(|rule| rule.split_once('\n').expect("more than a name")).collect()
}

/// As GitHub makes it from a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn every_alert_waits_says_what_to_do_leads_to_its_runbook_and_is_tested_both_ways() {
    let (rules, tests, guide) = (read(ALERTS), read(ALERT_TESTS), read(GUIDE));
    let anchors: BTreeSet<String> = guide.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let alerts = alerts(&rules);
    assert!(alerts.len() >= 10, "{}", alerts.len());
    for (name, rule) in alerts {
        for part in ["for: ", "severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part), "{name} has no {part:?}");
        }
        let (_, runbook) = rule.split_once("runbook_url: docs/monitoring.md#").unwrap_or_else(|| panic!("{name} has no runbook"));
        let runbook = runbook.lines().next().expect("a line").trim_end_matches(['"', '\'']);
        assert!(anchors.contains(runbook), "{name} leads to {runbook}, which {GUIDE} has not: {anchors:?}");
        assert_eq!(runbook, name.to_ascii_lowercase(), "a runbook is named as its alert");
        let tested = format!("alertname: {name}\n");
        let cases: Vec<&str> = tests.split(&tested).skip(1).map(|case| case.split("alertname: ").next().expect("something")).collect();
        assert!(cases.iter().any(|case| case.contains("exp_alerts:\n")), "{name} is not tested to fire");
        assert!(cases.iter().any(|case| case.contains("exp_alerts: []")), "{name} is not tested to be silent");
    }
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().expect("panels").iter().collect()
}

#[test]
fn the_dashboard_asks_the_chosen_source_for_the_chosen_instances_in_queries_that_parse() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("JSON");
    let variables: Vec<&str> =
        dashboard["templating"]["list"].as_array().expect("variables").iter().filter_map(|v| v["name"].as_str()).collect();
    assert!(variables.contains(&"datasource") && variables.contains(&"instance"), "{variables:?}");
    let (mut ids, mut titles, mut cells) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")) && titles.insert(title), "{title} twice");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a place"));
        assert!(x + w <= 24, "{title} is beside the page");
        (x..x + w).for_each(|x| (y..y + h).for_each(|y| assert!(cells.insert((x, y)), "{title} lies over another")));
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title} says nothing of what it shows");
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let query = target["expr"].as_str().expect("a query");
            assert_eq!(
                query.matches('{').count(),
                query.matches(r#"instance=~"$instance""#).count(),
                "{title} asks all instances: {query}"
            );
            assert_eq!(query.matches('{').count(), named(query).len(), "{title} asks all instances: {query}");
            let query = query.replace("$__rate_interval", "5m").replace("$instance", ".+");
            rules.push_str(&format!("  - record: a:query:{}\n    expr: {}\n", rules.len(), serde_json::to_string(&query).expect("a text")));
        }
    }
    assert!(ids.len() > 20, "all of it was read: {}", ids.len());
    let mut file = tempfile::NamedTempFile::with_suffix(".yml").expect("a file");
    file.write_all(rules.as_bytes()).expect("written");
    takes(&["check", "rules", file.path().to_str().expect("UTF-8")], "");
}
