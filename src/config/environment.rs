//! Finds misspelt variables: every `CHAINCAST_*` must be a setting.
//!
//! What settings there are is asked of the command line's definition, so there is no second list.

use super::{layers::FILE_VARIABLE, setting::Setting};

/// What every variable of the service starts with, but for those that are everyone's, such as `DATABASE_URL`.
pub const PREFIX: &str = "CHAINCAST_";
/// What variables of the tests start with: they stand in the environment of whoever develops, and are none of the service's business.
const TESTS: &str = "CHAINCAST_TEST_";

/// A variable that is no setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not a setting{}", .suggestion.as_ref().map(|known| format!("; did you mean {known}?")).unwrap_or_default())]
pub struct UnknownVariable {
    /// The variable.
    pub name: String,
    /// The setting that is spelt most like it, if any is.
    pub suggestion: Option<String>,
}

/// Checks the names of variables against those that `command` and the settings read.
#[must_use]
pub fn check<'a>(names: impl IntoIterator<Item = &'a str>, command: &clap::Command) -> Vec<UnknownVariable> {
    let known = variables(command);
    let unknown =
        names.into_iter().filter(|name| name.starts_with(PREFIX) && !name.starts_with(TESTS) && !known.iter().any(|known| known == name));
    unknown.map(|name| UnknownVariable { suggestion: meant(name, &known), name: name.to_owned() }).collect()
}

/// The variables of the settings, and those that `command` and the commands below it read.
#[must_use]
pub fn variables(command: &clap::Command) -> Vec<String> {
    let settings = Setting::all();
    let of_settings = settings.iter().flat_map(|setting| [Some(setting.variable()), setting.file_variable()]).flatten();
    let mut all: Vec<String> = of_settings.chain([FILE_VARIABLE.to_owned()]).collect();
    add_variables(command, &mut all);
    all
}

fn add_variables(command: &clap::Command, all: &mut Vec<String>) {
    all.extend(command.get_arguments().filter_map(clap::Arg::get_env).map(|name| name.to_string_lossy().into_owned()));
    command.get_subcommands().for_each(|below| add_variables(below, all));
}

fn meant(name: &str, known: &[String]) -> Option<String> {
    let own: Vec<&str> = known.iter().map(|known| known.strip_prefix(PREFIX).unwrap_or(known)).collect();
    let meant = closest(&name[PREFIX.len()..], &own)?;
    known.iter().find(|known| known.strip_prefix(PREFIX).unwrap_or(known) == meant).cloned()
}

/// The candidate that is spelt most like `name`, if any is.
pub(super) fn closest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let distance = |candidate: &&str| strsim::damerau_levenshtein(name, candidate);
    // beyond a third of the name it is another word
    candidates.iter().copied().min_by_key(distance).filter(|best| distance(best) * 3 <= name.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    fn check_one(name: &str) -> Result<(), UnknownVariable> {
        check([name], &Cli::definition()).pop().map_or(Ok(()), Err)
    }

    #[test]
    fn a_misspelt_variable_is_refused_with_the_one_that_was_meant() {
        let refusal = check_one("CHAINCAST_RETENTION_DAY").expect_err("unknown");
        assert_eq!(refusal.suggestion.as_deref(), Some("CHAINCAST_RETENTION_DAYS"));
        assert_eq!(refusal.to_string(), "CHAINCAST_RETENTION_DAY is not a setting; did you mean CHAINCAST_RETENTION_DAYS?");
        assert_eq!(check_one("CHAINCAST_LSITEN").expect_err("unknown").suggestion.as_deref(), Some("CHAINCAST_LISTEN"));
        assert_eq!(check_one("CHAINCAST_XYZZY").expect_err("unknown").suggestion, None);
    }

    #[test]
    fn settings_and_other_peoples_variables_pass() {
        for name in [
            "CHAINCAST_LISTEN",
            "CHAINCAST_LOG",
            "CHAINCAST_COPY_TO",
            "CHAINCAST_CONFIG",
            "CHAINCAST_SECRET_FILE",
            "DATABASE_URL",
            "PATH",
            "chaincast_listen",
        ] {
            assert_eq!(check_one(name), Ok(()), "{name}");
        }
    }
}
