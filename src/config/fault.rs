//! What is wrong with what was said, in words that name the flag, the variable or the line to change. What they show of values is the definitions' to
//! say, and none shows a secret.

use std::path::PathBuf;

use clap::Command;

use super::{
    environment::{self, UnknownVariable},
    file::FileFault,
    layers::Variables,
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
    /// Whoever set both believes in one of them.
    #[error("{0} and {1} are both set: unset one of them")]
    Twice(String, String),
}

/// Finds misspelt variables of the service among all.
#[must_use]
pub fn unknown(variables: &Variables, command: &Command) -> Vec<Fault> {
    environment::check(variables.keys().map(String::as_str), command).into_iter().map(Fault::from).collect()
}
