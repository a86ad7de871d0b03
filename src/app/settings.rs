//! `chaincast config check`: what a start would find wrong before it asks the store or the network.

use crate::{
    auth,
    config::{Config, Layers, Source},
    telemetry::otlp,
};

use super::{backplane, words::words};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What keeps the service from starting, a line each.
    pub faults: Vec<String>,
    /// What is allowed and unwise, a line each.
    pub warnings: Vec<String>,
    /// What was read.
    pub read: String,
}

/// Checks the settings, and the files that they name.
#[must_use]
pub fn check(layers: &Layers) -> Findings {
    let config = &layers.config;
    let mut warnings = layers.warnings.clone();
    warnings.extend(config.warnings());
    warnings.extend(openness(config));
    let in_lines = |texts: Vec<String>| texts.iter().map(|text| text.replace('\n', " ")).collect();
    Findings { faults: in_lines(faults(config)), warnings: in_lines(warnings), read: read(layers) }
}

/// What of settings keeps the service from starting, a text each.
#[must_use]
pub fn faults(config: &Config) -> Vec<String> {
    let mut faults: Vec<String> = config.faults().iter().map(ToString::to_string).collect();
    let tokens = config.jwt.settings();
    if tokens.check().is_ok() {
        faults.extend(auth::Jwt::new(&tokens).err().map(|error| error.to_string()));
    }
    faults.extend(otlp::faults(&config.telemetry).iter().map(ToString::to_string));
    // what `faults` has found already says the same
    let found = backplane::choose(config).err().map(|error| words(&error));
    faults.extend(found.filter(|found| !faults.contains(found) && !faults.iter().any(|fault| fault.ends_with(found.as_str()))));
    faults
}

/// Whether there is a key is known to the store alone.
fn openness(config: &Config) -> Option<String> {
    let tokens = config.jwt.settings();
    let has_tokens = tokens.secret.is_some() || !tokens.public_keys.is_empty() || tokens.jwks.is_some();
    if has_tokens {
        return config.check_openness(false).err().map(|error| error.to_string());
    }
    let refused = config.check_openness(true).err()?;
    Some(format!("unless there is a key in the store, a start will be refused: {refused}"))
}

fn read(layers: &Layers) -> String {
    let count = |of: fn(&Source) -> bool| layers.said.iter().filter(|said| of(&said.source)).count();
    let some = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let file = match &layers.file {
        Some(path) => format!("{} from {}", some(count(|source| matches!(source, Source::File(..))), "setting"), path.display()),
        None => "no settings file".to_owned(),
    };
    let variables = some(count(|source| matches!(source, Source::Variable(_))), "variable");
    let flags = some(count(|source| matches!(source, Source::Flag(_))), "flag");
    format!("{file}, {variables}, {flags}; everything else is as `chaincast config default` says")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{Cli, Refusal},
        config::{Flags, Setting, Variables},
    };

    /// All that is said of these settings.
    fn said_of(words: &[&str], variables: &[(&str, &str)], file: Option<&std::path::Path>) -> String {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        match Cli::read([&["chaincast"], words].concat(), &variables, file.map(Into::into)) {
            Ok(cli) => format!("{:?}", check(&cli.layers)),
            Err(Refusal::Words(error)) => format!("{error} {error:?}"),
            Err(Refusal::Settings(faults)) => faults.iter().map(|fault| format!("{fault} {fault:?}\n")).collect(),
        }
    }

    #[test]
    fn no_fault_shows_a_secret_and_others_say_what_is_wrong() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let file = dir.path().join("c.toml");
        let secrets = Setting::all().into_iter().filter(Setting::is_secret);
        let forms = [
            "hunter2",
            "postgres://u:hunter2@",
            "mysql://u:hunter2@h",
            "http://u:hunter2@h/?a=hunter2",
            "a=b,hunter2",
            "hunter2\u{e9} \u{1}",
        ];
        for (setting, value) in secrets.flat_map(|setting| forms.map(|form| (setting.clone(), form))) {
            let (named, by_file) = (setting.variable(), setting.file_variable().expect("it is secret"));
            let other = (setting.flag() != "otlp-endpoint").then_some(("CHAINCAST_OTLP_ENDPOINT", "http://h"));
            let others: Vec<_> = other.into_iter().collect();
            let with = |name: &str| said_of(&[], &[&[(name, value)], &others[..]].concat(), None);
            let mut told = vec![with(&named), with(&by_file), said_of(&[&format!("--{}={value}", setting.flag())], &others, None)];
            let quoted = serde_json::json!(value);
            for text in [format!("{quoted}"), format!("[{quoted}]"), format!("{{ {quoted} = 1 }}"), quoted.to_string().replace('"', "")] {
                std::fs::write(&file, format!("[{}]\n{} = {text}\n", setting.table(), setting.key())).expect("written");
                told.push(said_of(&[], &others, Some(&file)));
            }
            assert!(!told.concat().contains("hunter2"), "{setting:?}: {told:#?}");
        }
        for (name, value, why) in [
            ("CHAINCAST_ALLOWED_ORIGINS", "https://a.example,b.example", "`b.example` must be an origin"),
            ("CHAINCAST_ALLOWED_HOSTS", "a.example,b.example:1", "`b.example:1` must be a host's name"),
            ("CHAINCAST_ANONYMOUS_RIGHTS", r#"{"subscribes":{}}"#, "unknown field `subscribes`"),
            ("CHAINCAST_JWT_PUBLIC_KEYS", "missing.pem", "missing.pem"),
        ] {
            let told = said_of(&[], &[(name, value)], None);
            assert!(told.contains(name) && told.contains(why), "{told}");
        }
    }

    #[test]
    fn what_a_start_refuses_of_a_collector_is_found() {
        let found = |variables: &[(&str, &str)]| {
            let variables: Variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
            check(&Layers::read(&Flags::new(), &variables, None).expect("each is taken alone")).faults
        };
        let good = ("CHAINCAST_OTLP_ENDPOINT", "http://h:4318");
        let bad = [("CHAINCAST_OTLP_HEADERS", "hunter2"), ("OTEL_RESOURCE_ATTRIBUTES", "hunter2")];
        assert_eq!(found(&[good]), [""; 0]);
        assert_eq!(found(&bad), [""; 0], "no collector, nothing to start");
        let address = found(&[("CHAINCAST_OTLP_ENDPOINT", "http://u:hunter2@h")]);
        assert!(address.len() == 1 && address[0].starts_with("CHAINCAST_OTLP_ENDPOINT"), "{address:?}");
        let all = found(&[good, bad[0], bad[1]]);
        assert!(all.len() == 2 && all[0].starts_with("CHAINCAST_OTLP_HEADERS") && all[1].starts_with("OTEL_RESOURCE"), "{all:?}");
        assert!(!format!("{address:?}{all:?}").contains("hunter2"));
    }
}
