//! What is wrong with what was said, in words that name the flag, the variable or the line to change. What they show of values is the definitions' to
//! say, and none shows a secret.

use std::path::PathBuf;

use clap::Command;

use super::{
    environment::{self, UnknownVariable},
    file::FileFault,
    layers::{FILE_VARIABLE, Variables},
};

/// What is wrong with what was said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A misspelt variable.
    #[error(transparent)]
    Unknown(#[from] UnknownVariable),
    /// Something in the file.
    #[error(transparent)]
    InFile(#[from] FileFault),
    /// A value that is not taken.
    #[error("{0}: {1}")]
    Value(String, String),
    /// A file with a secret that cannot be read. It is not named: who puts the secret itself there would see it.
    #[error("{0}: cannot read the file that it names: {1}")]
    SecretFile(String, String),
    /// A file that cannot be read.
    #[error("{by}: cannot read {}: {why}", path.display())]
    Unreadable {
        /// What named it.
        by: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Settings that could be read, and do not go together or cannot be used.
    #[error("{0}")]
    Further(String),
    /// Whoever set both believes in one of them.
    #[error("{0} and {1} are both set: unset one of them")]
    Twice(String, String),
}

impl Fault {
    /// The variable of the setting that it keeps from being known.
    fn about(&self) -> Option<&str> {
        match self {
            Self::Unknown(variable) => variable.suggestion.as_deref(),
            Self::InFile(fault) => fault.about.as_deref(),
            Self::Value(name, _) | Self::SecretFile(name, _) | Self::Twice(name, _) => Some(name.strip_suffix("_FILE").unwrap_or(name)),
            Self::Unreadable { .. } | Self::Further(_) => None,
        }
    }

    /// Whether any setting may be other than what was read.
    fn hides_all(&self) -> bool {
        match self {
            Self::Unreadable { .. } => true,
            Self::InFile(fault) => fault.hides_all,
            Self::Value(name, _) => name == FILE_VARIABLE,
            _ => false,
        }
    }
}

/// What was found besides `faults` in the settings that could be read, without what may follow from those that could not.
pub(crate) fn further(faults: &[Fault], found: impl FnOnce() -> Vec<String>) -> Vec<Fault> {
    if faults.iter().any(Fault::hides_all) {
        return Vec::new();
    }
    let follows = |text: &String| faults.iter().filter_map(Fault::about).any(|name| text.contains(name));
    found().into_iter().filter(|text| !follows(text)).map(|text| Fault::Further(text.replace('\n', " "))).collect()
}

/// Finds misspelt variables of the service among all.
#[must_use]
pub fn unknown(variables: &Variables, command: &Command) -> Vec<Fault> {
    environment::check(variables.keys().map(String::as_str), command).into_iter().map(Fault::from).collect()
}
