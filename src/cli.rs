//! The command line: what to do, and every setting as a flag where it is of use.
//!
//! Which command takes and shows which settings stands in `definition`, their layers are [`crate::config`]'s. Each command's long help ends with
//! something to paste (`examples`).

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

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use self::{
    keys::{KeysCommand, NewKey},
    log::{Export, Import, Stats},
    publish::{OnConflict, Publish},
    service::Service,
    tail::{Color, From, Selection, Tail},
    token::{NewToken, TokenCommand},
};
use crate::config::{Config, DatabaseUrl, FILE, FILE_VARIABLE, Fault, Layers, Variables, unknown};

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

/// What to do.
#[derive(Subcommand, Clone, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// Serve; the default
    #[default]
    #[command(after_long_help = examples::SERVE)]
    Serve,
    /// Print the OpenAPI document
    #[command(after_long_help = examples::OPENAPI)]
    Openapi,
    /// Print the AsyncAPI document, which describes what comes over a stream
    #[command(after_long_help = examples::ASYNCAPI)]
    Asyncapi,
    /// Ask the instance with the same settings whether it is ready; ends with 0 if it is, with 1 if not
    ///
    /// For health checks of containers that have no other client. It asks at CHAINCAST_LISTEN, or on loopback where that is every address of this
    /// machine, prints the answer, and waits for it for three seconds at most.
    #[command(after_long_help = examples::HEALTHCHECK)]
    Healthcheck {
        /// Ask only whether the process answers: what restarts it must not ask for more
        #[arg(long)]
        live: bool,
    },
    /// Print a shell's completions of commands and flags
    #[command(after_long_help = examples::COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Check, show and document settings
    #[command(after_long_help = examples::CONFIG)]
    Config {
        /// What to do with them.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Look after keys: who may publish, follow and administer
    #[command(after_long_help = examples::KEYS)]
    Keys {
        /// What to do with them.
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Make a token for development and tests, signed with CHAINCAST_JWT_SECRET
    ///
    /// Prints the token alone. Issuer, audience and the names of claims are as the service's own settings want them, and no token is printed that the
    /// service would refuse. Where CHAINCAST_JWT_SECRET is not set, tokens are the identity provider's to make.
    #[command(after_long_help = examples::TOKEN, args_conflicts_with_subcommands = true)]
    Token {
        /// What it may do.
        #[command(flatten)]
        wanted: Box<NewToken>,
        /// Something else.
        #[command(subcommand)]
        command: Option<TokenCommand>,
    },
    /// Bring the store's schema up to this version's, as a start does
    ///
    /// For deployments that change the database in a step of its own: instances of the version before go on meanwhile. Says from which migration to
    /// which; makes the store when there is none.
    #[command(after_long_help = examples::MIGRATE)]
    Migrate {
        /// Change nothing; end with 1 when there is something to do
        #[arg(long)]
        check: bool,
    },
    /// Follow events, on a terminal or in a pipe
    ///
    /// Shows events as they happen, or from any place in the log, and goes on by itself where it was when the connection is lost or the service
    /// restarts: each event is shown once. What of it can be chosen by streams, users, topics and types, as for any subscription.
    #[command(after_long_help = examples::TAIL)]
    Tail(Box<Tail>),
    /// Publish events from a file or another program
    ///
    /// Reads events one by one, so that a file may be larger than memory, and sends them in batches, in order. Every event needs an id: the service
    /// knows by it what it has already, so that the same command can be run again after any interruption.
    #[command(after_long_help = examples::PUBLISH)]
    Publish(Box<Publish>),
    /// Look after the log
    #[command(after_long_help = examples::LOG)]
    Log {
        /// What to do with it.
        #[command(subcommand)]
        command: LogCommand,
    },
}

/// What to do with settings.
#[derive(Subcommand, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigCommand {
    /// Say what is wrong with the settings, all of it; ends with 1 if anything is
    ///
    /// Reads flags, variables and the file as `chaincast serve` would, and every file that they name, and asks neither the store nor the network.
    Check,
    /// Show what is in force and where it comes from; no secret, and no password in a URL
    ///
    /// What is printed is a settings file, without the secrets.
    Show {
        /// Only what is not the default
        #[arg(long)]
        changed: bool,
    },
    /// Print a settings file with everything that can be set, documented
    Default,
}

/// What to do with the log.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum LogCommand {
    /// Start a new numbering of every log: part of every restore from a backup
    NewEpoch {
        /// Why, for whoever reads the chain of epochs later
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        cause: String,
    },
    /// Copy everything into an empty store: from SQLite to PostgreSQL, or from any store to any other
    ///
    /// Copies all logs, and who may use them, from the store that DATABASE_URL names. Afterwards a service on the new store goes on exactly where the
    /// old one stopped: cursors, ids, keys, tickets and revocations hold. Stop the service first. Copies all or nothing, and compares before it says
    /// so; one that was interrupted is simply run again.
    Copy {
        /// The store to copy to, which must be empty: postgres://… or sqlite://path. In the variable a password stays out of the list of processes
        #[arg(long, env = "CHAINCAST_COPY_TO", value_name = "URL", hide_env_values = true)]
        to: DatabaseUrl,
    },
    /// Write the events of a log to standard output, one a line
    ///
    /// Reads the store that DATABASE_URL names, page by page, while the service runs or not. Each line is an event as clients see it.
    #[command(after_long_help = examples::LOG_EXPORT)]
    Export(Export),
    /// Take in events that `log export` has written
    ///
    /// Writes into the store that DATABASE_URL names, while the service runs or not; whoever follows it sees the events as new ones.
    #[command(after_long_help = examples::LOG_IMPORT)]
    Import(Import),
    /// Say what is in the logs: numbers, times, sizes
    #[command(after_long_help = examples::LOG_STATS)]
    Stats(Stats),
}

impl Command {
    /// Whether it works on the store itself, so that it has occurrences to tell of: that it waits for the store, for one.
    #[must_use]
    pub fn opens_the_store(&self) -> bool {
        matches!(self, Self::Serve | Self::Keys { .. } | Self::Migrate { .. } | Self::Log { .. })
    }
}

impl Cli {
    /// The definition: every command with the settings that it takes.
    #[must_use]
    pub fn definition() -> clap::Command {
        definition::with_settings(Words::command())
    }

    /// Reads the command line, the environment of this process and the settings file; ends the process, with a message, when they cannot be read.
    #[must_use]
    pub fn from_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        let found = Path::new(FILE).exists().then(|| PathBuf::from(FILE));
        Self::read(std::env::args_os(), &variables, found).unwrap_or_else(|refusal| refusal.exit())
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
        let definition = Self::definition();
        let matches = definition.clone().try_get_matches_from(words)?;
        let command = Words::from_arg_matches(&matches)?.command.unwrap_or_default();
        let mut faults = Vec::new();
        if definition::reads_variables(&definition, &matches) {
            faults.extend(unknown(variables, &definition));
        }
        let mut layers = Layers::default();
        if let Some((flags, named)) = definition::flags(&definition, &matches)? {
            let by_variable =
                || variables.get(FILE_VARIABLE).filter(|path| !path.is_empty()).map(|path| (FILE_VARIABLE.to_owned(), path.into()));
            let by_flag = named.map(|path| ("--config".to_owned(), path));
            let file = by_flag.or_else(by_variable).or_else(|| found.map(|path| ("found".to_owned(), path)));
            match Layers::read(&flags, variables, file) {
                Ok(read) => layers = read,
                Err(found) => faults.extend(found),
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

impl std::convert::From<clap::Error> for Refusal {
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
