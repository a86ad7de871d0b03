//! Which layer wins, and what is said of what is wrong in each.

use std::os::unix::fs::OpenOptionsExt as _;

use super::*;

/// A file of this text with these rights, in a directory that lives as long as the first of both.
fn file(text: &str, mode: u32) -> (tempfile::TempDir, NamedFile) {
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let path = dir.path().join("c.toml");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path).expect("writable");
    std::io::Write::write_all(&mut file, text.as_bytes()).expect("written");
    (dir, ("--config".to_owned(), path))
}

fn variables(variables: &[(&str, &str)]) -> Variables {
    variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect()
}

fn flags(id: &str, value: &str) -> Flags {
    Flags::from([(id.to_owned(), vec![value.into()])])
}

fn source(layers: &Layers, id: &str) -> String {
    layers.said.iter().find(|said| said.setting.id() == id).expect("a setting").source.to_string()
}

#[test]
fn a_flag_wins_over_a_variable_a_variable_over_the_file_and_the_file_over_the_default() {
    let (_dir, named) = file("[hub]\nring_events = 3\nring_bytes = 30\nmax_tenants = 300", 0o600);
    let said = variables(&[("CHAINCAST_RING_EVENTS", "4"), ("CHAINCAST_RING_BYTES", "40")]);
    let layers = Layers::read(&flags("ring_events", "5"), &said, Some(named.clone())).expect("valid");
    let hub = &layers.config.hub;
    assert_eq!((hub.ring_events, hub.ring_bytes, hub.max_tenants), (5, 40, 300));
    assert_eq!(hub.max_connections, Config::default().hub.max_connections);
    let sources = ["ring_events", "ring_bytes", "max_tenants", "max_connections"].map(|id| source(&layers, id));
    let line = format!("file {}:4", named.1.display());
    assert_eq!(sources, ["flag --ring-events", "variable CHAINCAST_RING_BYTES", line.as_str(), "default"]);
    assert_eq!(layers.file, Some(named.1));
}

#[test]
fn what_a_file_turns_on_a_variable_turns_off() {
    let (_dir, named) = file("[access]\ninsecure_open = true\nallowed_hosts = [\"a\", \"b\"]", 0o600);
    let read = |said: &[(&str, &str)]| Layers::read(&Flags::new(), &variables(said), Some(named.clone())).expect("valid").config.access;
    let access = read(&[]);
    assert!(access.insecure_open);
    assert_eq!(access.hosts(), ["a", "b"]);
    assert!(!read(&[("CHAINCAST_INSECURE_OPEN", "no")]).insecure_open);
    assert_eq!(read(&[("CHAINCAST_ALLOWED_HOSTS", "c,d")]).hosts(), ["c", "d"]);
}

#[test]
fn every_fault_of_every_layer_is_told_with_its_place() {
    let (_dir, named) = file("[hub]\nring_events = 0\nring_byte = 1", 0o600);
    let said = variables(&[("CHAINCAST_WORKERS", "hunter2"), ("CHAINCAST_SECRET_FILE", "hunter2-itself")]);
    let faults = Layers::read(&Flags::new(), &said, Some(named)).expect_err("refused");
    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let parts = [
        "c.toml:2: hub.ring_events",
        "c.toml:3: hub.ring_byte is",
        "CHAINCAST_WORKERS: must be",
        "CHAINCAST_SECRET_FILE: cannot read the file",
    ];
    assert_eq!(told.len(), parts.len(), "{told:?}");
    assert!(told.iter().zip(parts).all(|(told, part)| told.contains(part)), "{told:?}");
    assert!(!told.concat().contains("hunter2"), "{told:?}");
    let nowhere = Layers::read(&Flags::new(), &Variables::new(), Some(("CHAINCAST_CONFIG".to_owned(), "/nonexistent/c".into())));
    assert!(nowhere.expect_err("refused")[0].to_string().starts_with("CHAINCAST_CONFIG: cannot read /nonexistent/c"));
}

#[test]
fn a_secret_may_stand_in_a_file_that_a_variable_names() {
    let (_dir, (_, path)) = file("open sesame\n", 0o600);
    let path = path.to_str().expect("UTF-8");
    let read = |said: &[(&str, &str)]| Layers::read(&Flags::new(), &variables(said), None);
    let layers = read(&[("CHAINCAST_SECRET_FILE", path)]).expect("valid");
    assert_eq!(layers.config.credentials.secret.as_ref().map(crate::config::Secret::expose), Some("open sesame"));
    assert_eq!(source(&layers, "secret"), "variable CHAINCAST_SECRET_FILE");
    assert!(read(&[("CHAINCAST_SECRET_FILE", path), ("CHAINCAST_SECRET", "")]).is_ok(), "left open");
    let twice = read(&[("CHAINCAST_SECRET_FILE", path), ("CHAINCAST_SECRET", "x")]).expect_err("refused");
    assert_eq!(twice, [Fault::Twice("CHAINCAST_SECRET".into(), "CHAINCAST_SECRET_FILE".into())]);
}

#[test]
fn a_file_that_is_named_by_nothing_is_a_fault_and_no_default() {
    for name in ["CHAINCAST_JWT_SECRET_FILE", "DATABASE_URL_FILE"] {
        let faults = Layers::read(&Flags::new(), &variables(&[(name, "")]), None).expect_err("refused");
        assert_eq!(faults, [Fault::Value(name.to_owned(), EMPTY.to_owned())]);
    }
    let settings = crate::cli::Cli::read(["chaincast"], &variables(&[("CHAINCAST_CONFIG", "")]), None);
    assert!(format!("{settings:?}").contains("CHAINCAST_CONFIG\", \"is empty"), "{settings:?}");
}

#[test]
fn who_may_read_a_secret_is_warned_of() {
    let warnings = |text: &str, mode| {
        let (_dir, named) = file(text, mode);
        Layers::read(&Flags::new(), &Variables::new(), Some(named)).expect("valid").warnings
    };
    let secret = "[credentials]\nsecret = \"hunter2\"";
    let told = warnings(secret, 0o644);
    assert!(told.len() == 1 && told[0].contains("chmod o-rwx") && !told[0].contains("hunter2"), "{told:?}");
    assert_eq!(warnings(secret, 0o640), [""; 0]);
    assert_eq!(warnings("[hub]\nring_events = 7", 0o644), [""; 0]);
    let flag = |id: &str, value: &str| Layers::read(&flags(id, value), &Variables::new(), None).expect("valid").warnings;
    assert!(flag("jwt_secret", "hunter2")[0].contains("CHAINCAST_JWT_SECRET_FILE"));
    assert_eq!(flag("database_url", "sqlite://x.db"), [""; 0]);
    let (_dir, (_, path)) = file("hunter2", 0o644);
    let said = variables(&[("CHAINCAST_JWT_SECRET_FILE", path.to_str().expect("UTF-8"))]);
    let of_file = || Layers::read(&Flags::new(), &said, None).expect("valid").warnings;
    // where temporary files are in memory, there is nothing to tell
    let told = of_file();
    assert_eq!(told.len(), usize::from(secret_file::is_for_all(&path)), "{told:?}");
    assert!(told.iter().all(|told| told.contains("CHAINCAST_JWT_SECRET_FILE") && !told.contains("hunter2")), "{told:?}");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("own file");
    assert_eq!(of_file(), [""; 0]);
}
