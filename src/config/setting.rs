//! What a setting is called in each place that it may stand in, and what it takes: read off the definitions of [`Config`], so that flags, variables,
//! the file, its documentation and `chaincast config show` cannot differ.

use std::{
    any::TypeId,
    error::Error as _,
    ffi::{OsStr, OsString},
    fmt,
};

use clap::{
    Arg, ArgAction, Args as _, Command,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::Config;

/// One setting.
#[derive(Clone)]
pub struct Setting {
    arg: Arg,
    table: String,
    key: String,
}

/// What a setting takes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Number,
    /// Several texts.
    List,
    /// JSON as a text, or a table that says the same.
    Json,
    /// A text.
    Text,
}

impl Setting {
    /// All of them, in the order in which they are documented.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let command = Config::augment_args(Command::new("settings"));
        let named = command.get_groups().flat_map(|group| {
            let table = group.get_id().as_str().to_ascii_lowercase();
            group.get_args().filter_map(|id| command.get_arguments().find(|arg| arg.get_id() == id)).map(move |arg| Self::new(arg, &table))
        });
        named.collect()
    }

    fn new(arg: &Arg, table: &str) -> Self {
        let flag = arg.get_long().unwrap_or(arg.get_id().as_str()).replace('-', "_");
        // `jwt.secret` is `--jwt-secret`, and what is called as its table says which kind of it there is
        let key = match flag.strip_prefix(table) {
            Some("") => "kind",
            Some(rest) => rest.strip_prefix('_').unwrap_or(&flag),
            None => &flag,
        };
        Self { arg: arg.clone(), table: table.to_owned(), key: key.to_owned() }
    }

    /// Its definition, for a command that takes it.
    #[must_use]
    pub fn arg(&self) -> &Arg {
        &self.arg
    }

    /// By which name its definition goes.
    #[must_use]
    pub fn id(&self) -> &str {
        self.arg.get_id().as_str()
    }

    /// Its table in a file.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What its table is about, without the table's name, which help has behind it.
    pub(super) fn heading(&self) -> &str {
        let heading = self.arg.get_help_heading().unwrap_or(&self.table);
        heading.split(" [").next().unwrap_or(heading)
    }

    /// Its key there.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its flag, without dashes.
    #[must_use]
    pub fn flag(&self) -> &str {
        self.arg.get_long().unwrap_or_default()
    }

    /// Its variable.
    #[must_use]
    pub fn variable(&self) -> String {
        self.arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The variable that names a file with its value: secrets have one, because containers are handed theirs in files.
    #[must_use]
    pub fn file_variable(&self) -> Option<String> {
        self.is_secret().then(|| self.variable() + "_FILE")
    }

    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.arg.is_hide_env_values_set()
    }

    /// What it is for.
    #[must_use]
    pub fn documentation(&self) -> String {
        self.arg.get_help().map(ToString::to_string).unwrap_or_default()
    }

    /// What its value looks like, such as `ADDRESS:PORT`.
    #[must_use]
    pub fn value_name(&self) -> &str {
        self.arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str())
    }

    /// Its value when nothing is said.
    #[must_use]
    pub fn default(&self) -> Option<String> {
        let values = self.arg.get_default_values();
        values.first().map(|value| value.to_string_lossy().into_owned()).or_else(|| self.is_switch().then(|| "false".to_owned()))
    }

    /// What it takes in a file.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let of = self.arg.get_value_parser().type_id();
        let numbers = [TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()];
        if of == TypeId::of::<bool>() {
            Kind::Boolean
        } else if numbers.iter().any(|number| of == *number) {
            Kind::Number
        } else if self.arg.get_value_delimiter().is_some() {
            Kind::List
        } else if self.value_name() == "JSON" {
            Kind::Json
        } else {
            Kind::Text
        }
    }

    /// The values that it takes, where they are few.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        // what is true is also `yes` and `on`, which a file has no use for
        let few = if self.kind() == Kind::Boolean { Vec::new() } else { self.arg.get_possible_values() };
        few.iter().map(|value| value.get_name().to_owned()).collect()
    }

    /// Whether its flag has no value.
    fn is_switch(&self) -> bool {
        matches!(self.arg.get_action(), ArgAction::SetTrue)
    }

    /// The definition for a value that may come from anywhere.
    pub(super) fn with_value(&self) -> Arg {
        let arg = self.arg.clone().env(Resettable::Reset);
        if self.is_switch() { arg.action(ArgAction::Set).num_args(1).default_value("false") } else { arg }
    }

    /// The words of a command line that give it `value`.
    pub(super) fn word(&self, value: &OsStr) -> OsString {
        let mut word = OsString::from(format!("--{}=", self.flag()));
        word.push(value);
        word
    }

    /// Whether it takes `value`.
    ///
    /// # Errors
    /// Why not, in words that say what it takes. Never says the value of a secret.
    pub fn check(&self, value: &OsStr) -> Result<(), String> {
        let alone = Command::new("setting").no_binary_name(true).disable_help_flag(true).disable_version_flag(true);
        match alone.arg(self.with_value()).try_get_matches_from([self.word(value)]) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.words(&error)),
        }
    }

    fn words(&self, error: &clap::Error) -> String {
        let choices = self.choices();
        if error.kind() == ErrorKind::InvalidUtf8 {
            return "must be UTF-8".to_owned();
        }
        if !choices.is_empty() {
            let meant = match error.get(ContextKind::SuggestedValue) {
                Some(ContextValue::String(meant)) => format!("; did you mean {meant}?"),
                _ => String::new(),
            };
            return format!("must be one of {}{meant}", choices.join(", "));
        }
        match (self.kind(), error.source()) {
            (Kind::Boolean, _) => "must be true or false".to_owned(),
            (Kind::Number, Some(why)) if why.is::<std::num::ParseIntError>() => "must be a whole number".to_owned(),
            (_, Some(why)) if why.to_string().contains("must") => why.to_string(),
            (_, Some(why)) => format!("{why} ({} is wanted)", self.value_name()),
            (_, None) => format!("must not be empty ({} is wanted)", self.value_name()),
        }
    }
}

impl fmt::Debug for Setting {
    // a definition has read its variable, and would show what that says
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn named(name: &str) -> Setting {
        let found = Setting::all().into_iter().find(|setting| format!("{}.{}", setting.table, setting.key) == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn every_setting_has_one_place_a_variable_and_a_documentation() {
        let all = Setting::all();
        let places: BTreeSet<_> = all.iter().map(|setting| (setting.table(), setting.key())).collect();
        let defined = Config::augment_args(Command::new("settings")).get_arguments().count();
        assert_eq!((places.len(), all.len()), (all.len(), defined), "each once");
        for setting in &all {
            assert_eq!(setting.arg().get_help_heading(), Some(format!("{} [{}]", setting.heading(), setting.table()).as_str()));
            assert!(!setting.variable().is_empty() && !setting.documentation().is_empty() && !setting.flag().is_empty(), "{setting:?}");
        }
    }

    #[test]
    fn what_its_variable_says_is_not_shown_with_a_setting() {
        let path = std::env::var("PATH").expect("set wherever tests run");
        let setting = Setting::new(&Arg::new("some").long("some").env("PATH"), "of");
        assert!(format!("{:?}", setting.arg()).contains(&path), "the definition does show it");
        assert_eq!(format!("{setting:?}"), "of.some");
    }

    #[test]
    fn names_are_short_where_their_table_says_the_rest() {
        assert_eq!(named("jwt.secret").flag(), "jwt-secret");
        assert_eq!(named("backplane.kind").variable(), "CHAINCAST_BACKPLANE");
        assert_eq!(named("telemetry.log_filter").variable(), "CHAINCAST_LOG");
        assert_eq!(named("credentials.secret").file_variable().as_deref(), Some("CHAINCAST_SECRET_FILE"));
        assert_eq!(named("server.listen").file_variable(), None);
    }

    #[test]
    fn a_kind_is_what_the_parser_makes_of_it() {
        for (name, kind) in [
            ("access.insecure_open", Kind::Boolean),
            ("hub.ring_events", Kind::Number),
            ("limits.trusted_proxies", Kind::List),
            ("credentials.anonymous_rights", Kind::Json),
            ("server.listen", Kind::Text),
        ] {
            assert_eq!(named(name).kind(), kind, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_value_says_what_is_wanted() {
        let wrong = |name: &str, value: &str| named(name).check(OsStr::new(value)).expect_err("refused");
        assert_eq!(wrong("hub.ring_events", "0"), "must be at least 1");
        assert_eq!(wrong("hub.heartbeat_seconds", "soon"), "must be a whole number");
        for bad in ["3001", "localhost:3001", "127.0.0.1:80000", "127.0.0.1"] {
            let wanted = "must be an IP address and a port, such as 127.0.0.1:3001; names are not taken";
            assert_eq!((wrong("server.listen", bad), wrong("server.admin_listen", bad)), (wanted.to_owned(), wanted.to_owned()), "{bad}");
        }
        assert_eq!(wrong("telemetry.log_format", "jsn"), "must be one of pretty, json; did you mean json?");
        assert_eq!(wrong("access.insecure_open", "perhaps"), "must be true or false");
        assert_eq!(wrong("jwt.issuer", ""), "must not be empty (ISSUER is wanted)");
        assert_eq!(named("access.insecure_open").check(OsStr::new("on")), Ok(()));
    }
}
