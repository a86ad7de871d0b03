//! Where settings come from: a flag wins over a variable, a variable over the file, the file over the default.
//!
//! Each value is held against its definition where it stands, so that a fault names the flag, the variable or the line that is to be changed; all
//! faults are found, not the first alone. What is left is parsed as one command line, by the definitions of [`Config`].

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use clap::{Args as _, Command, FromArgMatches as _};

use super::{
    Config,
    environment::{self, UnknownVariable},
    file::{self, FileFault},
    setting::Setting,
};

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "CHAINCAST_CONFIG";
/// The file that is read when none is named, if it is there: where the process stands, so that it is found by looking.
pub const FILE: &str = "chaincast.toml";
/// A file, and what names it.
pub type NamedFile = (String, PathBuf);
/// The largest file of settings or with a secret, in bytes.
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

/// What is wrong with what was said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A misspelt variable.
    #[error(transparent)]
    Unknown(#[from] UnknownVariable),
    /// Something in the file.
    #[error(transparent)]
    InFile(#[from] FileFault),
    /// A value that is not taken.
    #[error("{0}: {1}")]
    Value(String, String),
    /// A file that cannot be read.
    #[error("{by}: cannot read {}: {why}", path.display())]
    Unreadable {
        /// What named it.
        by: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Whoever set both believes in one of them.
    #[error("{0} and {1} are both set: unset one of them")]
    Twice(String, String),
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
        let settings = Setting::all();
        let mut faults = Vec::new();
        let mut layers = Self::default();
        let mut in_file = file.map(|file| layers.read_file(&settings, file, &mut faults)).unwrap_or_default();
        for setting in settings {
            let given = match flags.get(setting.id()) {
                Some(texts) => Some((texts.clone(), Source::Flag(setting.flag().to_owned()))),
                None => variable(&setting, variables, &mut faults),
            };
            let given = given.or_else(|| in_file.remove(setting.id()));
            let given = given.or_else(|| setting.default().map(|text| (vec![text.into()], Source::Default)));
            let (texts, source) = given.unwrap_or_default();
            layers.said.push(Said { setting, texts, source });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        layers.warn_of_flags();
        layers.config = layers.parsed().map_err(|fault| vec![fault])?;
        Ok(layers)
    }

    /// The file's values by id.
    fn read_file(
        &mut self,
        settings: &[Setting],
        (by, path): NamedFile,
        faults: &mut Vec<Fault>,
    ) -> BTreeMap<String, (Vec<OsString>, Source)> {
        let text = match read(&path) {
            Ok(text) => text,
            Err(why) => {
                faults.push(Fault::Unreadable { by, path, why });
                return BTreeMap::new();
            }
        };
        let (entries, wrong) = file::parse(&path, &text, settings);
        faults.extend(wrong.into_iter().map(Fault::from));
        let has_secret = entries.iter().any(|entry| settings.iter().any(|setting| setting.id() == entry.id && setting.is_secret()));
        let is_for_all = fs::metadata(&path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0);
        if has_secret && is_for_all {
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
fn variable(setting: &Setting, variables: &Variables, faults: &mut Vec<Fault>) -> Option<(Vec<OsString>, Source)> {
    let name = setting.variable();
    // files of variables leave open what nobody filled in
    let in_file = setting.file_variable().and_then(|name| Some((variables.get(&name).filter(|path| !path.is_empty())?, name)));
    let (value, name) = match (variables.get(&name).filter(|value| in_file.is_none() || !value.is_empty()), in_file) {
        (Some(_), Some((_, file_name))) => {
            faults.push(Fault::Twice(name, file_name));
            return None;
        }
        (Some(value), None) => (value.clone(), name),
        (None, Some((path, name))) => match read(Path::new(path)) {
            // editors end files with a line's end, which is no part of a secret
            Ok(text) => (OsString::from(text.trim_end_matches(['\r', '\n'])), name),
            Err(why) => {
                faults.push(Fault::Unreadable { by: name, path: path.into(), why });
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

fn read(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("it has more than {MAX_FILE_BYTES} bytes"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Finds misspelt variables of the service among all.
#[must_use]
pub fn unknown(variables: &Variables, command: &Command) -> Vec<Fault> {
    environment::check(variables.keys().map(String::as_str), command).into_iter().map(Fault::from).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::*;

    /// A file of this text with these rights, in a directory that lives as long as the first of both.
    fn file(text: &str, mode: u32) -> (tempfile::TempDir, NamedFile) {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let path = dir.path().join("c.toml");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path).expect("writable");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("written");
        (dir, ("--config".to_owned(), path))
    }

    fn variables(variables: &[(&str, &str)]) -> Variables {
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect()
    }

    fn flags(id: &str, value: &str) -> Flags {
        Flags::from([(id.to_owned(), vec![value.into()])])
    }

    fn source(layers: &Layers, id: &str) -> String {
        layers.said.iter().find(|said| said.setting.id() == id).expect("a setting").source.to_string()
    }

    #[test]
    fn a_flag_wins_over_a_variable_a_variable_over_the_file_and_the_file_over_the_default() {
        let (_dir, named) = file("[hub]\nring_events = 3\nring_bytes = 30\nmax_tenants = 300", 0o600);
        let said = variables(&[("CHAINCAST_RING_EVENTS", "4"), ("CHAINCAST_RING_BYTES", "40")]);
        let layers = Layers::read(&flags("ring_events", "5"), &said, Some(named.clone())).expect("valid");
        let hub = &layers.config.hub;
        assert_eq!((hub.ring_events, hub.ring_bytes, hub.max_tenants), (5, 40, 300));
        assert_eq!(hub.max_connections, Config::default().hub.max_connections);
        let sources = ["ring_events", "ring_bytes", "max_tenants", "max_connections"].map(|id| source(&layers, id));
        let line = format!("file {}:4", named.1.display());
        assert_eq!(sources, ["flag --ring-events", "variable CHAINCAST_RING_BYTES", line.as_str(), "default"]);
        assert_eq!(layers.file, Some(named.1));
    }

    #[test]
    fn what_a_file_turns_on_a_variable_turns_off() {
        let (_dir, named) = file("[access]\ninsecure_open = true\nallowed_hosts = [\"a\", \"b\"]", 0o600);
        let read = |said: &[(&str, &str)]| Layers::read(&Flags::new(), &variables(said), Some(named.clone())).expect("valid").config.access;
        let access = read(&[]);
        assert!(access.insecure_open);
        assert_eq!(access.hosts(), ["a", "b"]);
        assert!(!read(&[("CHAINCAST_INSECURE_OPEN", "no")]).insecure_open);
        assert_eq!(read(&[("CHAINCAST_ALLOWED_HOSTS", "c,d")]).hosts(), ["c", "d"]);
    }

    #[test]
    fn every_fault_of_every_layer_is_told_with_its_place_and_without_a_value() {
        let (_dir, named) = file("[hub]\nring_events = 0\nring_byte = 1", 0o600);
        let said = variables(&[("CHAINCAST_WORKERS", "hunter2"), ("CHAINCAST_SECRET_FILE", "/nonexistent/hunter")]);
        let faults = Layers::read(&Flags::new(), &said, Some(named)).expect_err("refused");
        let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let parts =
            ["c.toml:2: hub.ring_events", "c.toml:3: hub.ring_byte is", "CHAINCAST_WORKERS: must be", "CHAINCAST_SECRET_FILE: cannot read"];
        assert_eq!(told.len(), parts.len(), "{told:?}");
        assert!(told.iter().zip(parts).all(|(told, part)| told.contains(part)), "{told:?}");
        assert!(!told.concat().contains("hunter2"), "{told:?}");
        let nowhere = Layers::read(&Flags::new(), &Variables::new(), Some(("CHAINCAST_CONFIG".to_owned(), "/nonexistent/c".into())));
        assert!(nowhere.expect_err("refused")[0].to_string().starts_with("CHAINCAST_CONFIG: cannot read /nonexistent/c"));
    }

    #[test]
    fn a_secret_may_stand_in_a_file_that_a_variable_names() {
        let (_dir, (_, path)) = file("open sesame\n", 0o600);
        let path = path.to_str().expect("UTF-8");
        let read = |said: &[(&str, &str)]| Layers::read(&Flags::new(), &variables(said), None);
        let layers = read(&[("CHAINCAST_SECRET_FILE", path), ("DATABASE_URL_FILE", "")]).expect("valid");
        assert_eq!(layers.config.credentials.secret.as_ref().map(super::super::Secret::expose), Some("open sesame"));
        assert_eq!(source(&layers, "secret"), "variable CHAINCAST_SECRET_FILE");
        assert!(read(&[("CHAINCAST_SECRET_FILE", path), ("CHAINCAST_SECRET", "")]).is_ok(), "left open");
        let twice = read(&[("CHAINCAST_SECRET_FILE", path), ("CHAINCAST_SECRET", "x")]).expect_err("refused");
        assert_eq!(twice, [Fault::Twice("CHAINCAST_SECRET".into(), "CHAINCAST_SECRET_FILE".into())]);
    }

    #[test]
    fn who_may_read_a_secret_is_warned_of() {
        let warnings = |text: &str, mode| {
            let (_dir, named) = file(text, mode);
            Layers::read(&Flags::new(), &Variables::new(), Some(named)).expect("valid").warnings
        };
        let secret = "[credentials]\nsecret = \"hunter2\"";
        let told = warnings(secret, 0o644);
        assert!(told.len() == 1 && told[0].contains("chmod o-rwx") && !told[0].contains("hunter2"), "{told:?}");
        assert_eq!(warnings(secret, 0o640), [""; 0]);
        assert_eq!(warnings("[hub]\nring_events = 7", 0o644), [""; 0]);
        let flag = |id: &str, value: &str| Layers::read(&flags(id, value), &Variables::new(), None).expect("valid").warnings;
        assert!(flag("jwt_secret", "hunter2")[0].contains("CHAINCAST_JWT_SECRET_FILE"));
        assert_eq!(flag("database_url", "sqlite://x.db"), [""; 0]);
    }
}
