//! The command line: what to do, and every setting as a flag. Flags win over variables, variables over defaults.

mod keys;
mod log;
mod publish;
mod service;
mod tail;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use self::{
    keys::{KeysCommand, NewKey},
    log::{Export, Import, Stats},
    publish::{OnConflict, Publish},
    service::Service,
    tail::{Color, From, Selection, Tail},
};
use crate::config::{Config, DatabaseUrl, environment};

/// Real-time blockchain events over Server-Sent Events
#[derive(Parser, Clone, Debug, PartialEq, Eq)]
#[command(name = "chaincast", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Option<Command>,
    /// With which settings.
    #[command(flatten)]
    pub config: Config,
}

/// What to do.
#[derive(Subcommand, Clone, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// Serve; the default
    #[default]
    Serve,
    /// Print the OpenAPI document
    Openapi,
    /// Ask the instance with the same settings whether it is ready; ends with 0 if it is, with 1 if not
    ///
    /// For health checks of containers that have no other client. It asks at CHAINCAST_LISTEN, or on loopback where that is every address of this
    /// machine, prints the answer, and waits for it for three seconds at most.
    Healthcheck {
        /// Ask only whether the process answers: what restarts it must not ask for more
        #[arg(long)]
        live: bool,
    },
    /// Look after keys: who may publish, follow and administer
    Keys {
        /// What to do with them.
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Follow events, on a terminal or in a pipe
    ///
    /// Shows events as they happen, or from any place in the log, and goes on by itself where it was when the connection is lost or the service
    /// restarts: each event is shown once. What of it can be chosen by streams, users, topics and types, as for any subscription.
    #[command(after_long_help = tail::EXAMPLES)]
    Tail(Box<Tail>),
    /// Publish events from a file or another program
    ///
    /// Reads events one by one, so that a file may be larger than memory, and sends them in batches, in order. Every event needs an id: the service
    /// knows by it what it has already, so that the same command can be run again after any interruption.
    #[command(after_long_help = publish::EXAMPLES)]
    Publish(Box<Publish>),
    /// Look after the log
    Log {
        /// What to do with it.
        #[command(subcommand)]
        command: LogCommand,
    },
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
    #[command(after_long_help = log::EXPORT_EXAMPLES)]
    Export(Export),
    /// Take in events that `log export` has written
    ///
    /// Writes into the store that DATABASE_URL names, while the service runs or not; whoever follows it sees the events as new ones.
    #[command(after_long_help = log::IMPORT_EXAMPLES)]
    Import(Import),
    /// Say what is in the logs: numbers, times, sizes
    #[command(after_long_help = log::STATS_EXAMPLES)]
    Stats(Stats),
}

impl Cli {
    /// The definition, with every setting taken before and behind a command.
    #[must_use]
    pub fn definition() -> clap::Command {
        Self::command().mut_args(|setting| setting.global(true))
    }

    /// Reads the command line and the environment of this process; ends it, with a message, when they cannot be read.
    #[must_use]
    pub fn from_process() -> Self {
        let command = Self::definition();
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        if let Err(unknown) = environment::check(names, &command) {
            Self::definition().error(clap::error::ErrorKind::InvalidValue, unknown).exit();
        }
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// What to do.
    #[must_use]
    pub fn command_or_serve(&self) -> Command {
        self.command.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use clap::builder::Resettable;

    use super::*;

    /// Without the variables of whoever runs the tests.
    fn try_parse(texts: &[&str]) -> Result<Cli, clap::Error> {
        let definition = Cli::definition().mut_args(|setting| setting.env(Resettable::Reset));
        Cli::from_arg_matches(&definition.try_get_matches_from([&["chaincast"], texts].concat())?)
    }

    fn parse(texts: &[&str]) -> Cli {
        try_parse(texts).expect("valid")
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::definition().debug_assert();
    }

    #[test]
    fn without_flags_it_serves_with_the_documented_defaults() {
        let cli = parse(&[]);
        assert_eq!(cli.command_or_serve(), Command::Serve);
        assert_eq!(cli.config, Config::default());
    }

    #[test]
    fn settings_are_taken_before_and_behind_a_command() {
        for texts in [["--ring-events", "7", "serve"], ["serve", "--ring-events", "7"]] {
            assert_eq!(parse(&texts).config.hub.ring_events, 7, "{texts:?}");
        }
        let cli = parse(&["log", "new-epoch", "--cause", "restored", "--database-url", "sqlite://x"]);
        assert_eq!(cli.command_or_serve(), Command::Log { command: LogCommand::NewEpoch { cause: "restored".into() } });
        assert_eq!(cli.config.log.database_url, "sqlite://x".parse().expect("infallible"));
    }

    #[test]
    fn a_copy_must_say_where_to() {
        let cli = parse(&["log", "copy", "--to", "postgres://u:open-sesame@h/d"]);
        assert_eq!(
            cli.command_or_serve(),
            Command::Log { command: LogCommand::Copy { to: "postgres://u:open-sesame@h/d".parse().expect("infallible") } }
        );
        assert!(!format!("{cli:?}").contains("open-sesame"));
        assert!(try_parse(&["log", "copy"]).is_err());
    }

    #[test]
    fn a_key_is_asked_for_by_what_it_may_do() {
        let order = |texts: &[&str]| match try_parse(&[&["keys", "create", "--name", "n"], texts].concat())?.command_or_serve() {
            Command::Keys { command: KeysCommand::Create(key) } => Ok(*key),
            other => panic!("{other:?}"),
        };
        let asked: Result<NewKey, clap::Error> = order(&["--publish-types", "a.*,b", "--source", "s", "--admin", "--expires-in-days", "9"]);
        let asked = asked.expect("valid");
        assert_eq!(
            (asked.publish_types, asked.source, asked.admin, asked.expires_in_days),
            (vec!["a.*".to_owned(), "b".to_owned()], Some("s".to_owned()), true, Some(9))
        );
        assert_eq!((asked.tenant.as_str(), asked.signing, asked.super_admin), ("default", false, false));
        let bad: [&[&str]; 6] = [
            &[],
            &["--source", "s"],
            &["--subscribe-all", "--publish-topics", "a"],
            &["--admin", "--super-admin"],
            &["--rights", "{}", "--admin"],
            &["--admin", "--expires-in-days", "0"],
        ];
        for texts in bad {
            assert!(order(texts).is_err(), "{texts:?}");
        }
    }

    #[test]
    fn no_message_shows_a_password() {
        let texts = ["--database-url", "mysql://u:secret@h/d", "--workers", "0"];
        let message = try_parse(&texts).expect_err("no workers").to_string();
        assert!(!message.contains("secret"), "{message}");
    }
}
