//! `chaincast config check`: what a start would find wrong before it asks the store or the network.

use crate::{
    auth,
    config::{Config, Layers, Source},
};

use super::backplane;

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

fn faults(config: &Config) -> Vec<String> {
    let mut faults: Vec<String> = config.faults().iter().map(ToString::to_string).collect();
    let tokens = config.jwt.settings();
    if tokens.check().is_ok() {
        faults.extend(auth::Jwt::new(&tokens).err().map(|error| error.to_string()));
    }
    // what `faults` has found already says the same
    let found = backplane::choose(config).err().map(|error| format!("{error:#}"));
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
