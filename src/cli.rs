//! The command line: what to do (`command`), and every setting as a flag where it is of use.
//!
//! Which command takes and shows which settings stands in `definition`, their layers are [`crate::config`]'s. Each command's long help ends with
//! something to paste (`examples`).

mod command;
mod definition;
mod duration;
mod examples;
mod keys;
mod log;
mod publish;
mod service;
mod tail;
mod token;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

pub use self::{
    command::{Command, ConfigCommand, LogCommand},
    keys::{KeysCommand, NewKey},
    log::{Export, Import, Stats},
    publish::{OnConflict, Publish},
    service::Service,
    tail::{Beginning, Color, Selection, Tail},
    token::{NewToken, TokenCommand},
};
use crate::config::{self, Config, FILE, FILE_VARIABLE, Fault, Layers, Variables, unknown};

/// What the words of a command line say besides settings, which [`definition`] adds.
#[derive(Parser, Debug)]
#[command(name = "chaincast", version, about = "Real-time blockchain events over Server-Sent Events", after_long_help = examples::ROOT)]
struct Words {
    /// What to do.
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do, and with which settings.
#[derive(Clone, Debug)]
pub struct Cli {
    command: Command,
    /// With which settings; the defaults for a command that takes none.
    pub config: Config,
    /// Where they come from.
    pub layers: Layers,
}

impl Cli {
    /// The definition: every command with the settings that it takes.
    #[must_use]
    pub fn definition() -> clap::Command {
        definition::with_settings(Words::command())
    }

    /// Reads the command line, the environment of this process and the settings file; ends the process, with a message, when they cannot be read.
    /// The message has all that is `further` wrong with the settings that could be, so that they can be mended at once.
    #[must_use]
    pub fn from_process(further: impl FnOnce(&Config) -> Vec<String>) -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        let found = Path::new(FILE).exists().then(|| PathBuf::from(FILE));
        Self::read_whole(std::env::args_os(), &variables, found, further).unwrap_or_else(|refusal| refusal.exit())
    }

    /// Reads a command line, an environment, and the settings file that they name, else the one that was `found`.
    ///
    /// # Errors
    /// [`Refusal`]: everything that is wrong with them; or a command line that asks for help.
    pub fn read(
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        variables: &Variables,
        found: Option<PathBuf>,
    ) -> Result<Self, Refusal> {
        Self::read_whole(words, variables, found, |_| Vec::new())
    }

    fn read_whole(
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        variables: &Variables,
        found: Option<PathBuf>,
        further: impl FnOnce(&Config) -> Vec<String>,
    ) -> Result<Self, Refusal> {
        let definition = Self::definition();
        let matches = definition.clone().try_get_matches_from(words)?;
        let command = Words::from_arg_matches(&matches)?.command.unwrap_or_default();
        let mut faults = Vec::new();
        if definition::reads_variables(&definition, &matches) {
            faults.extend(unknown(variables, &definition));
        }
        let mut layers = Layers::default();
        if let Some((flags, named)) = definition::flags(&definition, &matches)? {
            let by_variable = || variables.get(FILE_VARIABLE).map(|path| (FILE_VARIABLE.to_owned(), path.into()));
            let by_flag = named.map(|path| ("--config".to_owned(), path));
            let file = by_flag.or_else(by_variable).or_else(|| found.map(|path| ("found".to_owned(), path)));
            let found;
            (layers, found) = Layers::read_what_can_be(&flags, variables, file);
            faults.extend(found);
            // what else there is, a start finds itself, and other commands do not mind it
            if !faults.is_empty() && matches!(command, Command::Serve | Command::Config { command: ConfigCommand::Check }) {
                let more = config::further(&faults, || further(&layers.config));
                faults.extend(more);
            }
        }
        if faults.is_empty() { Ok(Self { command, config: layers.config.clone(), layers }) } else { Err(Refusal::Settings(faults)) }
    }

    /// What to do.
    #[must_use]
    pub fn command_or_serve(&self) -> Command {
        self.command.clone()
    }
}

/// Why a command line is not followed.
#[derive(Debug)]
pub enum Refusal {
    /// It cannot be read, or asks for help.
    Words(Box<clap::Error>),
    /// Settings are wrong.
    Settings(Vec<Fault>),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Self::Words(Box::new(error))
    }
}

impl Refusal {
    /// Says it, and ends the process.
    fn exit(self) -> ! {
        match self {
            Self::Words(error) => error.exit(),
            Self::Settings(faults) => {
                faults.iter().for_each(|fault| eprintln!("chaincast: {fault}"));
                std::process::exit(1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
