//! What `deploy/`, the image and the compose file say of the service is true of it: settings, probes, patience, rights.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use chaincast::{app::STOP_ENDS_WITHIN, cli::Cli, config::environment};

use crate::support::{
    http::Http,
    process::{Service, Settings},
    proxy,
    store::Store,
    wait::eventually,
};

const DEPLOYMENT: &str = "deploy/kubernetes/deployment.yaml";
const CONFIG_MAP: &str = "deploy/kubernetes/configmap.yaml";
const COMPOSE: &str = "docker-compose.yml";

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What follows `key:` on each line that has it, without quotes and comments.
fn values(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix(key)?.strip_prefix(": "));
    lines.map(|value| value.split(" #").next().unwrap_or_default().trim().trim_matches('"').to_owned()).collect()
}

/// The first of them.
fn value(path: &str, key: &str) -> String {
    values(&read(path), key).into_iter().next().unwrap_or_else(|| panic!("no {key} in {path}"))
}

fn seconds(path: &str, key: &str) -> Duration {
    let text = value(path, key);
    Duration::from_secs(text.trim_end_matches('s').parse().unwrap_or_else(|_| panic!("{key} in {path}: {text}")))
}

/// Every file that somebody deploys with, by its path.
fn deployed() -> BTreeMap<String, String> {
    let mut files: Vec<_> = ["Dockerfile", ".dockerignore", ".env.example", COMPOSE, "docs/scaling.md"].map(str::to_owned).into();
    for folder in fs::read_dir(at("deploy")).expect("readable") {
        let folder = folder.expect("readable").path();
        for file in fs::read_dir(&folder).expect("a folder of files") {
            let path = file.expect("readable").path();
            files.push(path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below it").to_str().expect("UTF-8").to_owned());
        }
    }
    files.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

/// What is spelt like a variable of the service.
fn variables(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with(environment::PREFIX) || matches!(*word, "DATABASE_URL" | "REDIS_URL")).collect()
}

#[test]
fn every_setting_that_is_named_exists() {
    let known = environment::variables(&Cli::definition());
    let is_known = |name: &str| known.iter().any(|known| known == name || name.ends_with('_') && known.starts_with(name));
    let mut named = 0;
    for (path, text) in deployed() {
        for name in variables(&text) {
            named += 1;
            assert!(is_known(name), "{path} names {name}, which is no setting");
        }
    }
    assert!(named > 30, "the files are read: {named}");
}

#[test]
fn what_ends_the_process_is_more_patient_than_a_stop_takes() {
    for (patience, settings, patient) in
        [(COMPOSE, COMPOSE, "stop_grace_period"), (DEPLOYMENT, CONFIG_MAP, "terminationGracePeriodSeconds")]
    {
        let takes = seconds(settings, "CHAINCAST_DRAIN_DELAY_SECONDS") + seconds(settings, "CHAINCAST_DRAIN_SECONDS") + STOP_ENDS_WITHIN;
        assert!(seconds(patience, patient) > takes, "{patient} in {patience} is less than {takes:?}");
    }
    assert!(STOP_ENDS_WITHIN <= Duration::from_secs(30), "PRODUCTION_CHECKLIST.md and docs/scaling.md say half a minute");
}

#[tokio::test]
async fn probes_ask_what_is_served() {
    let store = Store::sqlite();
    let service = Service::start(Settings::on(&store)).await;
    let http = Http::new(service.addr());
    let text = read(DEPLOYMENT);
    let paths = values(&text, "path");
    assert_eq!(paths, ["/health/ready", "/health/ready", "/health/live"], "startup, readiness, liveness");
    assert!(text.find("livenessProbe").expect("there") > text.find("readinessProbe").expect("there"), "in this order");
    let caddy = read("deploy/caddy/Caddyfile");
    let asked_by_caddy = caddy.lines().find_map(|line| line.trim().strip_prefix("health_uri ")).expect("there").to_owned();
    for path in paths.into_iter().chain([asked_by_caddy]) {
        assert_eq!(http.get(&path).await.status, 200, "{path}");
    }
    assert!(Cli::definition().find_subcommand("healthcheck").is_some() && read("Dockerfile").contains(r#"chaincast", "healthcheck"]"#));
}

#[test]
fn an_image_runs_as_nobody_and_is_stopped_as_the_service_wants_it() {
    let dockerfile = read("Dockerfile");
    let last =
        |word: &str| dockerfile.lines().filter_map(|line| line.strip_prefix(word)).next_back().unwrap_or_else(|| panic!("no {word}"));
    let user = last("USER ").split(':').next().expect("a user");
    assert!(user.parse::<u32>().is_ok_and(|uid| uid > 0), "{user}: a number, so that Kubernetes can tell that it is not root");
    assert_eq!(value(DEPLOYMENT, "runAsUser"), user);
    assert_eq!(value(DEPLOYMENT, "runAsNonRoot"), "true");
    assert_eq!(value(DEPLOYMENT, "readOnlyRootFilesystem"), "true");
    assert_eq!(last("STOPSIGNAL "), "SIGTERM");
    let builder = dockerfile.lines().find_map(|line| line.strip_prefix("FROM rust:")).expect("a builder");
    let minor = |version: &str| version.split(['.', '-', '"']).nth(1).and_then(|minor| minor.parse::<u32>().ok()).expect("a version");
    let wanted = read("Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = \"").map(minor)).expect("a version");
    assert!(minor(builder) >= wanted, "{builder} cannot build what wants 1.{wanted}");
}

#[test]
fn what_the_image_is_made_of_is_what_the_context_lets_in() {
    let ignore = read(".dockerignore");
    let allowed: Vec<_> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignore.lines().any(|line| line == "*"), "everything else is left out");
    let dockerfile = read("Dockerfile");
    let copies = dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"));
    let sources: Vec<_> =
        copies.flat_map(|line| line.split(' ').collect::<Vec<_>>().split_last().expect("a destination").1.to_vec()).collect();
    assert!(sources.contains(&"Cargo.lock"));
    for source in &sources {
        // of `folder/*.js`, the folder
        let there = source.split_once('*').map_or(*source, |(folder, _)| folder);
        assert!(allowed.contains(source) && at(there).exists(), "{source}");
    }
    assert_eq!(sources.len(), allowed.len(), "{allowed:?}: nothing more than that");
}

#[tokio::test]
async fn no_secret_has_a_value_that_works_before_it_is_set() {
    let example = read(".env.example");
    let set: Vec<_> = example.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect();
    let compose = read(COMPOSE);
    for (name, value) in &set {
        assert!(value.is_empty(), "{name}");
        assert!(compose.contains(&format!("${{{name}:?")), "compose starts without {name}");
    }
    assert_eq!(set.len(), 4);
    let store = Store::sqlite();
    let secrets = read("deploy/kubernetes/secret.example.yaml");
    for (name, value) in
        secrets.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": ")).filter(|(name, _)| !variables(name).is_empty())
    {
        let value = value.split(" #").next().expect("a value");
        assert_eq!(value, "CHANGE", "{name}");
        let home = tempfile::TempDir::new().expect("a temporary directory");
        let mut command = Settings::on(&store).with(name, value).command();
        let child =
            command.env("CHAINCAST_LISTEN", "127.0.0.1:0").current_dir(home.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the binary starts");
        let ended =
            eventually("refused", async || child.try_wait().expect("own child").ok_or_else(|| format!("serves with {name}=CHANGE"))).await;
        assert!(!ended.success(), "{name}");
    }
}

#[test]
fn the_nginx_of_the_compose_file_is_that_of_deploy() {
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n");
    let (whole, compose) = (lines(&read("deploy/nginx/chaincast.conf")), lines(&read("deploy/compose/nginx.conf")));
    let maps = whole.find("# Web pages elsewhere").zip(whole.find("server {\nlisten 80;")).map(|(from, to)| &whole[from..to]);
    assert!(compose.contains(maps.expect("there")), "what stands before the server");
    let rest = whole.find("# the limits of the service").map(|from| &whole[from..]).expect("there");
    assert!(compose.contains(rest), "what the server does");

    let home = tempfile::TempDir::new().expect("a temporary directory");
    let mut text = read("deploy/compose/nginx.conf");
    // newer than the distribution's, and names that only the compose file's network has
    for (there, here) in [
        (" resolve ", " "),
        ("resolver 127.0.0.11 valid=2s;", ""),
        ("server chaincast-", "server 127.0.0."),
        ("/tmp/nginx.pid", "nginx.pid"),
    ] {
        assert!(text.contains(there), "{there}");
        text = text.replace(there, here);
    }
    let text = text.replace("/dev/stderr", "error.log").replace("/dev/stdout", "access.log");
    fs::write(home.path().join("nginx.conf"), text).expect("written");
    let mut nginx = Command::new(proxy::program("nginx"));
    nginx.arg("-t").arg("-p").arg(home.path()).arg("-e").arg(home.path().join("main.log")).arg("-c").arg(home.path().join("nginx.conf"));
    let said = nginx.output().expect("it starts");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}
