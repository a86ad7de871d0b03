//! The command line: what to do, and every setting as a flag where it is of use.
//!
//! Which command takes and shows which settings stands in `definition`, their layers are [`crate::config`]'s. Each command's long help ends with
//! something to paste (`examples`).

mod definition;
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
    tail::{Beginning, Color, Selection, Tail},
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
    #[command(after_long_help = tail::EXAMPLES)]
    Tail(Box<Tail>),
    /// Publish events from a file or another program
    ///
    /// Reads events one by one, so that a file may be larger than memory, and sends them in batches, in order. Every event needs an id: the service
    /// knows by it what it has already, so that the same command can be run again after any interruption.
    #[command(after_long_help = publish::EXAMPLES)]
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
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    /// Without the variables of whoever runs the tests.
    fn try_parse(texts: &[&str]) -> Result<Cli, String> {
        Cli::read([&["chaincast"], texts].concat(), &Variables::new(), None).map_err(|refusal| match refusal {
            Refusal::Words(error) => error.to_string(),
            Refusal::Settings(faults) => format!("{faults:?}"),
        })
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
    fn what_the_service_is_set_to_is_refused_where_it_would_not_count() {
        let refusal = try_parse(&["--ring-events", "7", "openapi"]).expect_err("refused");
        assert!(refusal.contains("--ring-events is a setting of the service, and `openapi` takes none"), "{refusal}");
        assert!(try_parse(&["openapi", "--ring-events", "7"]).is_err());
        assert!(try_parse(&["--config", "x.toml", "openapi"]).is_err());
    }

    #[test]
    fn a_variable_counts_where_it_is_read_alone() {
        let variables = |name: &str, value: &str| Variables::from([(name.to_owned(), value.into())]);
        let read = |command: &str, variables| Cli::read(["chaincast", command], &variables, None);
        assert_eq!(read("serve", variables("CHAINCAST_RING_EVENTS", "7")).expect("valid").config.hub.ring_events, 7);
        for (name, value) in [("CHAINCAST_RING_EVENTS", "none"), ("CHAINCAST_RING_EVENT", "7")] {
            assert!(matches!(read("serve", variables(name, value)), Err(Refusal::Settings(faults)) if faults.len() == 1), "{name}");
            assert!(read("openapi", variables(name, value)).is_ok(), "{name}");
        }
    }

    #[test]
    fn help_shows_what_a_command_uses() {
        let help = |path: &[&str], long: bool| {
            let mut command = Cli::definition();
            command.build();
            let found = path.iter().fold(&mut command, |command, name| command.find_subcommand_mut(name).expect("there"));
            if long { found.render_long_help().to_string() } else { found.render_help().to_string() }
        };
        let all = ["--ring-events", "--jwt-secret", "CHAINCAST_JWT_SECRET_FILE", "--config", "Subscriptions:", "Several instances:"];
        for path in [&[][..], &["serve"]] {
            all.iter().for_each(|word| assert!(help(path, true).contains(word), "{path:?} has no {word}"));
            let short = help(path, false);
            assert!(short.contains("--listen") && !short.contains("--ring-events") && short.lines().count() < 50, "{short}");
        }
        for path in [&["keys", "create"][..], &["log", "copy"]] {
            assert!(help(path, true).contains("--database-url") && !help(path, true).contains("--ring-events"), "{path:?}");
        }
        assert!(!help(&["openapi"], true).contains("--config"));
    }

    /// The words of an example, up to where a shell would do something else with it; none where it is not one of ours.
    fn example(line: &str) -> Vec<String> {
        let line = line.split("   ").next().unwrap_or_default().trim_end_matches(')');
        let Some(at) = line.find("chaincast ").filter(|at| *at == 0 || line[..*at].ends_with(['(', ' '])) else { return Vec::new() };
        let quoted = line[at..].split('\'').enumerate().flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        quoted.take_while(|word| !["|", ">", "<", "&&"].contains(&word.as_str())).collect()
    }

    #[test]
    fn every_command_has_examples_that_are_understood() {
        let definition = Cli::definition();
        let mut understood = 0;
        for command in std::iter::once(&definition).chain(definition.get_subcommands()) {
            let name = command.get_name();
            let text = command.get_after_long_help().unwrap_or_else(|| panic!("{name} has no examples")).to_string();
            assert!(text.starts_with("Examples:\n"), "{name}");
            for words in text.lines().map(example).filter(|words| !words.is_empty() && !words.contains(&"COMMAND".to_owned())) {
                // what a variable of the same line says is not read here
                let refused = definition
                    .clone()
                    .try_get_matches_from(&words)
                    .err()
                    .filter(|error| error.kind() != ErrorKind::MissingRequiredArgument);
                assert!(refused.is_none(), "{words:?}: {refused:?}");
                understood += 1;
            }
        }
        assert!(understood > 10, "{understood}");
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
        let asked: Result<NewKey, String> = order(&["--publish-types", "a.*,b", "--source", "s", "--admin", "--expires-in-days", "9"]);
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
        let message = try_parse(&texts).expect_err("no workers");
        assert!(!message.contains("secret"), "{message}");
    }
}
