//! Which command takes which settings, and which of them its help shows.
//!
//! A setting is taken before and behind a command that uses the service's settings; one that does not refuses them, so that nobody believes that
//! they count. Variables and the file are not clap's business: [`crate::config::Layers`] reads them, for these commands alone.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgMatches, Command, builder::Resettable, error::ErrorKind, parser::ValueSource};

use crate::config::{FILE, FILE_VARIABLE, Flags, Setting};

/// The id of the flag that names the file.
const FILE_ID: &str = "settings file";
/// What `-h` shows of the service's settings: what is changed first.
const FIRST: &[&str] = &["listen", "database-url", "retention-days", "log-format"];
/// What every command needs that opens the store.
const STORE: &[&str] = &["database-url", "database-deadline-seconds"];

/// The settings that a command takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// It runs without the service's settings.
    None,
    /// All, and its help shows all.
    All,
    /// All, and its help shows these.
    Showing(&'static [&'static str]),
}

/// The one table: a command that is not in it takes none.
fn takes(path: &[&str]) -> Takes {
    match path {
        [] | ["serve"] => Takes::All,
        ["healthcheck"] => Takes::Showing(&["listen"]),
        ["keys", ..] => Takes::Showing(&["database-url", "secret"]),
        ["log", ..] | ["migrate"] => Takes::Showing(STORE),
        ["token"] => Takes::Showing(&["jwt-secret", "jwt-issuer", "jwt-audience"]),
        // what serve takes, and serve's help shows it
        ["config"] | ["config", "check" | "show"] => Takes::Showing(&[]),
        _ => Takes::None,
    }
}

/// A command and those below it, with the settings that they take.
pub(super) fn with_settings(command: Command) -> Command {
    extended(command, &mut Vec::new(), &Setting::all())
}

fn extended(command: Command, path: &mut Vec<String>, settings: &[Setting]) -> Command {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let takes = takes(&names);
    let mut command = command;
    if takes != Takes::None {
        command = command.arg(file_flag()).args(settings.iter().map(|setting| flag(setting, takes)));
    }
    command.mut_subcommands(|below| {
        path.push(below.get_name().to_owned());
        let below = extended(below, path, settings);
        path.pop();
        below
    })
}

fn file_flag() -> Arg {
    let help = format!("A file with settings, TOML; without it {FILE} where the process stands, if it is there [env: {FILE_VARIABLE}]");
    Arg::new(FILE_ID).long("config").value_name("FILE").value_parser(clap::value_parser!(PathBuf)).help(help)
}

fn flag(setting: &Setting, takes: Takes) -> Arg {
    let shown = match takes {
        Takes::None | Takes::All => true,
        Takes::Showing(few) => few.contains(&setting.flag()),
    };
    let in_short = takes != Takes::All || FIRST.contains(&setting.flag());
    let or_file = setting.file_variable().map_or_else(String::new, |name| format!(" or {name}, a file's path"));
    let help = format!("{} [env: {}{or_file}]", setting.documentation(), setting.variable());
    setting.arg().clone().env(Resettable::Reset).help(help).hide(!shown || setting.arg().is_hide_set()).hide_short_help(!in_short)
}

/// The definition of the command that was asked for, and of those above it, each with what was said there.
fn levels<'a>(definition: &'a Command, matches: &'a ArgMatches) -> Vec<(&'a Command, &'a ArgMatches)> {
    let mut levels = vec![(definition, matches)];
    let mut at = (definition, matches);
    while let Some((name, below)) = at.1.subcommand()
        && let Some(command) = at.0.find_subcommand(name)
    {
        at = (command, below);
        levels.push(at);
    }
    levels
}

fn takes_settings(command: &Command) -> bool {
    command.get_arguments().any(|arg| arg.get_id() == FILE_ID)
}

/// Whether the command that was asked for reads variables, so that a misspelt one matters to it.
pub(super) fn reads_variables(definition: &Command, matches: &ArgMatches) -> bool {
    levels(definition, matches)
        .last()
        .is_some_and(|(command, _)| takes_settings(command) || command.get_arguments().any(|arg| arg.get_env().is_some()))
}

/// What the words say of settings, and the file that they name; `None` for a command that takes none.
///
/// # Errors
/// Settings before such a command.
pub(super) fn flags(definition: &Command, matches: &ArgMatches) -> Result<Option<(Flags, Option<PathBuf>)>, clap::Error> {
    let levels = levels(definition, matches);
    let (mut flags, mut file) = (Flags::new(), None);
    for (_, matches) in levels.iter().filter(|(command, _)| takes_settings(command)) {
        let said = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        for setting in Setting::all().iter().filter(|setting| said(setting.id())) {
            let texts: Vec<OsString> = matches.get_raw(setting.id()).into_iter().flatten().map(Into::into).collect();
            flags.insert(setting.id().to_owned(), texts);
        }
        file = matches.get_one::<PathBuf>(FILE_ID).cloned().or(file);
    }
    let Some((asked, _)) = levels.last().filter(|(command, _)| !takes_settings(command)) else { return Ok(Some((flags, file))) };
    let first = Setting::all().into_iter().find(|setting| flags.contains_key(setting.id())).map(|setting| setting.flag().to_owned());
    match first.or(file.map(|_| "config".to_owned())) {
        None => Ok(None),
        Some(flag) => {
            let why = format!("--{flag} is a setting of the service, and `{}` takes none of those", asked.get_name());
            Err(definition.clone().error(ErrorKind::ArgumentConflict, why))
        }
    }
}
