//! Where settings come from: a flag wins over a variable, a variable over the file, the file over the default.
//!
//! Each value is held against its definition where it stands, so that a fault names the flag, the variable or the line that is to be changed; all
//! faults are found, not the first alone. What is left is parsed as one command line, by the definitions of [`Config`].

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::{Args as _, Command, FromArgMatches as _};

use super::{Config, fault::Fault, file, secret_file, setting::Setting};

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "CHAINCAST_CONFIG";
/// The file that is read when none is named, if it is there: where the process stands, so that it is found by looking.
pub const FILE: &str = "chaincast.toml";
/// What is said of a variable that should name a file.
const EMPTY: &str = "is empty: name a file, or unset it";
/// A file, and what names it.
pub type NamedFile = (String, PathBuf);
/// The largest file of settings, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What flags say: values by a setting's id.
pub type Flags = BTreeMap<String, Vec<OsString>>;
/// What the environment says.
pub type Variables = BTreeMap<String, OsString>;

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    #[default]
    Default,
    /// The file, in this line.
    File(PathBuf, usize),
    /// A variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "file {}:{line}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// A setting as it was said.
#[derive(Clone)]
pub struct Said {
    /// The setting.
    pub setting: Setting,
    /// Its texts, several for a list; none when there is no default either.
    pub texts: Vec<OsString>,
    /// Where they come from.
    pub source: Source,
}

/// Every setting, and where it comes from.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// What the service runs with.
    pub config: Config,
    /// The file, if one was read.
    pub file: Option<PathBuf>,
    /// Each setting.
    pub said: Vec<Said>,
    /// What is allowed and unwise.
    pub warnings: Vec<String>,
}

impl Layers {
    /// Reads all layers.
    ///
    /// # Errors
    /// Every [`Fault`] of what was said.
    pub fn read(flags: &Flags, variables: &Variables, file: Option<NamedFile>) -> Result<Self, Vec<Fault>> {
        let (layers, faults) = Self::read_what_can_be(flags, variables, file);
        if faults.is_empty() { Ok(layers) } else { Err(faults) }
    }

    /// Reads all layers; a setting at fault is as if nobody had said it there.
    pub(crate) fn read_what_can_be(flags: &Flags, variables: &Variables, file: Option<NamedFile>) -> (Self, Vec<Fault>) {
        let settings = Setting::all();
        let mut faults = Vec::new();
        let mut layers = Self::default();
        let mut in_file = file.map(|file| layers.read_file(&settings, file, &mut faults)).unwrap_or_default();
        for setting in settings {
            let given = match flags.get(setting.id()) {
                Some(texts) => Some((texts.clone(), Source::Flag(setting.flag().to_owned()))),
                None => variable(&setting, variables, &mut layers.warnings, &mut faults),
            };
            let given = given.or_else(|| in_file.remove(setting.id()));
            let given = given.or_else(|| setting.default().map(|text| (vec![text.into()], Source::Default)));
            let (texts, source) = given.unwrap_or_default();
            layers.said.push(Said { setting, texts, source });
        }
        layers.warn_of_flags();
        match layers.parsed() {
            Ok(config) => layers.config = config,
            Err(fault) => faults.push(fault),
        }
        (layers, faults)
    }

    /// The file's values by id.
    fn read_file(
        &mut self,
        settings: &[Setting],
        (by, path): NamedFile,
        faults: &mut Vec<Fault>,
    ) -> BTreeMap<String, (Vec<OsString>, Source)> {
        if path.as_os_str().is_empty() {
            faults.push(Fault::Value(by, EMPTY.to_owned()));
            return BTreeMap::new();
        }
        let text = match read(&path, MAX_FILE_BYTES) {
            Ok(text) => text,
            Err(why) => {
                faults.push(Fault::Unreadable { by, path, why });
                return BTreeMap::new();
            }
        };
        let (entries, wrong) = file::parse(&path, &text, settings);
        faults.extend(wrong.into_iter().map(Fault::from));
        let has_secret = entries.iter().any(|entry| settings.iter().any(|setting| setting.id() == entry.id && setting.is_secret()));
        if has_secret && secret_file::may_all_read(&path) {
            self.warnings.push(format!("{0} holds secrets, and every user of this machine may read it: chmod o-rwx {0}", path.display()));
        }
        let entry = |entry: file::Entry| {
            let texts = entry.values.into_iter().map(OsString::from).collect();
            (entry.id, (texts, Source::File(path.clone(), entry.line)))
        };
        let values = entries.into_iter().map(entry).collect();
        self.file = Some(path);
        values
    }

    /// Other users of the machine see the words that a process was started with.
    fn warn_of_flags(&mut self) {
        for said in self.said.iter().filter(|said| said.is_masked()) {
            if let Source::Flag(flag) = &said.source {
                let (name, file) = (said.setting.variable(), said.setting.file_variable().unwrap_or_default());
                self.warnings
                    .push(format!("--{flag} holds a secret, and every user of this machine sees flags: set {name} or {file} instead"));
            }
        }
    }

    /// What was said, as its definitions read it.
    fn parsed(&self) -> Result<Config, Fault> {
        let command = Command::new("settings").no_binary_name(true).disable_help_flag(true).disable_version_flag(true);
        let command = Config::augment_args(command).mut_args(|arg| {
            let with_value = self.said.iter().find(|said| said.setting.id() == arg.get_id()).map(|said| said.setting.with_value());
            with_value.unwrap_or(arg)
        });
        let given = self.said.iter().filter(|said| said.source != Source::Default);
        let words = given.flat_map(|said| said.texts.iter().map(|text| said.setting.word(text)));
        let parsed = command.try_get_matches_from(words).and_then(|matches| Config::from_arg_matches(&matches));
        // each has been held against its definition, so this is a fault of the definitions; clap's own words could show a value
        parsed.map_err(|error| Fault::Value("settings".to_owned(), error.kind().to_string()))
    }
}

/// What a variable says, or the file that it names.
fn variable(
    setting: &Setting,
    variables: &Variables,
    warnings: &mut Vec<String>,
    faults: &mut Vec<Fault>,
) -> Option<(Vec<OsString>, Source)> {
    let name = setting.variable();
    let in_file = setting.file_variable().and_then(|name| Some((variables.get(&name)?, name)));
    // files of variables leave open what nobody filled in
    let (value, name) = match (variables.get(&name).filter(|value| in_file.is_none() || !value.is_empty()), in_file) {
        (Some(_), Some((_, file_name))) => {
            faults.push(Fault::Twice(name, file_name));
            return None;
        }
        (Some(value), None) => (value.clone(), name),
        // whoever wants a secret and has named none would otherwise be served openly
        (None, Some((path, name))) if path.is_empty() => {
            faults.push(Fault::Value(name, EMPTY.to_owned()));
            return None;
        }
        (None, Some((path, name))) => match secret_file::read(Path::new(path)) {
            Ok(text) => {
                if secret_file::is_for_all(Path::new(path)) {
                    warnings.push(format!(
                        "the file that {name} names holds a secret, and every user of this machine may read it: chmod o-rwx"
                    ));
                }
                // editors end files with a line's end, which is no part of a secret
                (OsString::from(text.trim_end_matches(['\r', '\n'])), name)
            }
            Err(why) => {
                faults.push(Fault::SecretFile(name, why));
                return None;
            }
        },
        (None, None) => return None,
    };
    match setting.check(&value) {
        Ok(()) => Some((vec![value], Source::Variable(name))),
        Err(why) => {
            faults.push(Fault::Value(name, why));
            None
        }
    }
}

/// A file of at most this many bytes, whatever it says its size is.
pub(super) fn read(path: &Path, most: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("it has more than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests;
