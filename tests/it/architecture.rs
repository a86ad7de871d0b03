//! Holds the modules to what their doors say: dependencies point down (`src/lib.rs`), and every promise names its test.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const DOMAIN: &[&str] = &[];
const LOG: &[&str] = &["domain"];
const AUTH: &[&str] = &["domain", "log", "outbound"];
const BACKPLANE: &[&str] = &["domain", "log", "trace"];
const INGEST: &[&str] = &["domain", "log", "backplane", "histogram", "trace"];
const HUB: &[&str] = &["domain", "log", "backplane", "histogram", "trace", "vital"];
const SSE: &[&str] = &["domain", "hub"];
const CONFIG: &[&str] = &["domain", "log", "auth", "ingest", "trace"];
const CLIENT: &[&str] = &["outbound"];
const CLI: &[&str] = &["client", "config", "domain"];
const COMMANDS: &[&str] = &["cli", "client", "domain", "ingest"];
const TELEMETRY: &[&str] = &["config", "outbound", "trace"];
const HTTP: &[&str] = &["domain", "log", "auth", "backplane", "histogram", "ingest", "hub", "sse", "trace"];
const APP: &[&str] = &[
    "auth",
    "backplane",
    "cli",
    "commands",
    "config",
    "domain",
    "histogram",
    "http",
    "hub",
    "ingest",
    "log",
    "sse",
    "telemetry",
    "trace",
    "vital",
];

const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", DOMAIN),
    ("log", LOG),
    ("auth", AUTH),
    ("backplane", BACKPLANE),
    ("ingest", INGEST),
    ("hub", HUB),
    ("sse", SSE),
    ("config", CONFIG),
    ("client", CLIENT),
    ("cli", CLI),
    ("commands", COMMANDS),
    ("telemetry", TELEMETRY),
    ("shutdown", &[]),
    ("histogram", &[]),
    ("outbound", &[]),
    ("vital", &[]),
    ("trace", &[]),
    ("http", HTTP),
    ("app", APP),
];

/// Which modules, or folders of them, may name a crate that must not spread.
const CRATES: &[(&str, &[&str])] = &[
    ("sqlx", &["log", "backplane/postgres"]),
    ("redis", &["backplane/redis"]),
    ("postcard", &["backplane"]),
    ("jsonwebtoken", &["auth"]),
    ("ureq", &["auth", "app", "client", "outbound", "telemetry"]),
    ("rustls", &["client", "outbound"]),
    ("rustls_native_certs", &["outbound"]),
    ("actix_web", &["http", "sse", "app"]),
    ("actix_http", &["app", "http"]),
    ("actix_server", &["app"]),
    ("tokio", &["commands", "log", "auth", "backplane", "ingest", "hub", "sse", "shutdown", "app", "http"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn module_of(path: &Path) -> String {
    let below = path.strip_prefix("src").expect("below src");
    let first = below.components().next().expect("a file").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that `text` names behind `crate::`, one by one or in braces.
fn named(text: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut start = true;
            for (position, character) in list.char_indices() {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => start = true,
                    c if start && depth == 1 && c.is_ascii_alphabetic() => {
                        modules.insert(word(&list[position..]));
                        start = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            modules.insert(word(rest));
        }
    }
    modules
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// What ships: neither comments nor what stands behind the first test module of a file.
fn shipped(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn dependencies_point_down() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut faults = Vec::new();
    for path in files {
        let module = module_of(&path);
        let for_tests = path
            .components()
            .any(|part| ["tests.rs", "tests", "simulation", "bench.rs", "fake.rs"].iter().any(|name| part.as_os_str() == *name));
        if matches!(module.as_str(), "lib" | "main") || for_tests {
            continue;
        }
        let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{module} is not in the table"));
        let code = shipped(&fs::read_to_string(&path).expect("readable"));
        for used in named(&code) {
            if used != module && !allowed.contains(&used.as_str()) {
                faults.push(format!("{} uses {used}", path.display()));
            }
        }
        for (name, at_home) in CRATES {
            // a module may be called like the crate
            let named = code.replace(&format!("self::{name}::"), "").contains(&format!("{name}::"));
            if named && !at_home.iter().any(|home| path.starts_with(Path::new("src").join(home)) || module == *home) {
                faults.push(format!("{} uses the crate {name}", path.display()));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// The promises of the design, each bold in the `//!` of a module that keeps it, with the name of a test that shows it.
const PROMISES: [&str; 11] = [
    "Append before deliver",
    "Acknowledged is durable",
    "Exactly the matching events, once each, in order",
    "No silent gap",
    "Publishing does not wait for subscribers",
    "Every queue, ring and list is bounded",
    "The backplane can vanish",
    "The database can vanish",
    "A publish is idempotent",
    "Authorisation holds for a stream's whole life",
    "Drain, don't drop",
];

#[test]
fn every_promise_names_a_test_that_exists() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    sources(Path::new("tests"), &mut files);
    let texts: Vec<String> = files.iter().map(|path| fs::read_to_string(path).expect("readable")).collect();
    let exists = |test: &str| texts.iter().any(|text| text.contains(&format!("fn {test}")));
    let mut kept = BTreeSet::new();
    for text in &texts {
        let door: String = text.lines().filter_map(|line| line.strip_prefix("//!")).collect();
        for (at, _) in door.match_indices("**") {
            let promised = door[at + 2..].to_lowercase();
            let Some(promise) = PROMISES.iter().find(|promise| promised.starts_with(&promise.to_lowercase())) else { continue };
            let behind = door[at + 2 + promise.len()..].trim_start_matches('*').trim_start();
            let Some(named) = behind.strip_prefix("(`") else { continue };
            let test = word(named);
            assert!(exists(&test), "{promise}: there is no test {test}");
            kept.insert(*promise);
        }
    }
    assert_eq!(kept, BTreeSet::from(PROMISES), "a promise without a test");
}

#[test]
fn what_security_md_is_shown_by_exists() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    sources(Path::new("tests"), &mut files);
    let texts: Vec<String> = files.iter().map(|path| fs::read_to_string(path).expect("readable")).collect();
    let page = fs::read_to_string("SECURITY.md").expect("readable");
    let mut missing = Vec::new();
    let mut shown = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = row.trim_end_matches('|').split(" | ").collect();
        let Some([_, _, shown_by]) = cells.first_chunk() else { continue };
        for name in shown_by.split('`').skip(1).step_by(2).filter(|name| !name.contains(['/', '.'])) {
            shown += 1;
            if !texts.iter().any(|text| text.contains(&format!("fn {name}"))) {
                missing.push(name.to_owned());
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(shown > 30, "only {shown} names were found: the page has another form");
}

#[test]
fn names_behind_crate_are_found_in_every_spelling() {
    let text = "use crate::domain::Seq;\nuse crate::{log::{A, B}, hub, sse::X};\nlet x: crate::ingest::Y;";
    let expected = ["domain", "hub", "ingest", "log", "sse"].map(str::to_owned);
    assert_eq!(named(text), BTreeSet::from(expected));
}
