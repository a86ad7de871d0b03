//! What there is to do: every command, and what its help says of it.

use clap::Subcommand;

use super::{Export, Import, KeysCommand, NewToken, Publish, Stats, Tail, TokenCommand, examples};
use crate::config::DatabaseUrl;

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
        /// Change nothing; end with 1 when there is something to do, or this version would not start on the store
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
