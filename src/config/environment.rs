//! Finds misspelt variables: every `CHAINCAST_*` must be a setting.
//!
//! What settings there are is asked of the command line's definition, so there is no second list.

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

/// Checks the names of variables against those that `command` reads.
///
/// # Errors
/// The first [`UnknownVariable`].
pub fn check(names: impl IntoIterator<Item = String>, command: &clap::Command) -> Result<(), UnknownVariable> {
    let known = variables(command);
    match names.into_iter().find(|name| name.starts_with(PREFIX) && !name.starts_with(TESTS) && !known.contains(name)) {
        Some(name) => Err(UnknownVariable { suggestion: closest(&name, &known), name }),
        None => Ok(()),
    }
}

/// The variables that `command` and the commands below it read.
#[must_use]
pub fn variables(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(clap::Arg::get_env).map(|name| name.to_string_lossy().into_owned());
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

fn closest(name: &str, known: &[String]) -> Option<String> {
    let distance = |candidate: &&String| strsim::levenshtein(&name[PREFIX.len()..], candidate.strip_prefix(PREFIX).unwrap_or(candidate));
    // beyond a third of the name it is another word
    known.iter().min_by_key(distance).filter(|best| distance(best) * 3 <= name.len() - PREFIX.len()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    fn check_one(name: &str) -> Result<(), UnknownVariable> {
        check([name.to_owned()], &Cli::definition())
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
        for name in ["CHAINCAST_LISTEN", "CHAINCAST_LOG", "CHAINCAST_COPY_TO", "DATABASE_URL", "PATH", "chaincast_listen"] {
            assert_eq!(check_one(name), Ok(()), "{name}");
        }
    }
}
