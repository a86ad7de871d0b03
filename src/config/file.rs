//! The settings file: TOML with a table for each concern, read into texts that flags could have had.
//!
//! Nothing is ignored: a key that is no setting is a fault with the line where it stands and what was probably meant. Of values, faults show what the
//! setting's own definition does: **never a secret** (`no_fault_shows_a_secret_and_others_say_what_is_wrong`), and which item of a list is wrong.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{
    environment::closest,
    setting::{Kind, Setting},
};

/// How many faults are told of a file that is no TOML.
const SYNTAX_FAULTS: usize = 3;

/// What is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {what}", path.display())]
pub struct FileFault {
    /// The file.
    pub path: PathBuf,
    /// Where in it, from 1 on.
    pub line: usize,
    /// What it is.
    pub what: String,
    /// The variable of the setting that it keeps from being known.
    pub about: Option<String>,
    /// Whether nothing in the file is known because of it.
    pub hides_all: bool,
}

/// The values of one setting; not `Debug`, since they may be secrets.
pub(super) struct Entry {
    /// The setting's id.
    pub(super) id: String,
    pub(super) line: usize,
    pub(super) values: Vec<String>,
}

/// Reads a file that has been read.
pub(super) fn parse(path: &Path, text: &str, settings: &[Setting]) -> (Vec<Entry>, Vec<FileFault>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reading = Reading { path, text, settings, entries: Vec::new(), faults: Vec::new() };
    for error in errors {
        reading.fault(error.span().map_or(0, |span| span.start), error.message().to_owned(), None);
    }
    // one thing out of place has all that follows it misread
    reading.faults.dedup_by_key(|fault| fault.line);
    reading.faults.truncate(SYNTAX_FAULTS);
    reading.faults.iter_mut().for_each(|fault| fault.hides_all = true);
    // what stands behind a fault may mean something else
    if reading.faults.is_empty() {
        reading.document(document.get_ref());
    }
    reading.faults.sort_by_key(|fault| fault.line);
    (reading.entries, reading.faults)
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    settings: &'a [Setting],
    entries: Vec<Entry>,
    faults: Vec<FileFault>,
}

impl<'a> Reading<'a> {
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn fault(&mut self, at: usize, what: String, about: Option<&Setting>) {
        let about = about.map(Setting::variable);
        self.faults.push(FileFault { path: self.path.to_owned(), line: self.line(at), what, about, hides_all: false });
    }

    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            let (at, table_name) = (name.span().start, name.get_ref().as_ref());
            match value.get_ref() {
                DeValue::Table(table) if self.settings.iter().any(|setting| setting.table() == table_name) => self.table(table_name, table),
                DeValue::Table(_) => {
                    let hint = self.table_meant(table_name);
                    self.fault(at, format!("[{table_name}] is not a table of settings{hint}"), None);
                }
                _ => {
                    let meant = self.meant("", table_name);
                    self.fault(at, format!("{table_name} stands in no table{}", hint("", meant)), meant);
                }
            }
        }
    }

    fn table(&mut self, table_name: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let (at, key) = (name.span().start, name.get_ref().as_ref());
            let Some(setting) = self.settings.iter().find(|setting| setting.table() == table_name && setting.key() == key) else {
                let meant = self.meant(table_name, key);
                self.fault(at, format!("{table_name}.{key} is not a setting{}", hint(table_name, meant)), meant);
                continue;
            };
            match texts(setting, value.get_ref()) {
                Ok(values) => {
                    let wrong = values.iter().find_map(|value| setting.check(value.as_ref()).err());
                    match wrong {
                        Some(why) => self.fault(at, format!("{table_name}.{key}: {why}"), Some(setting)),
                        None => self.entries.push(Entry { id: setting.id().to_owned(), line: self.line(at), values }),
                    }
                }
                Err(why) => self.fault(at, format!("{table_name}.{key}: {why}"), Some(setting)),
            }
        }
    }

    /// What was probably meant by a table: one that is spelt much like it, or whose heading is; else which there are.
    fn table_meant(&self, name: &str) -> String {
        let as_key = |heading: &str| heading.to_ascii_lowercase().replace(' ', "_");
        let mut names: Vec<(String, &str)> = self.settings.iter().map(|setting| (setting.table().to_owned(), setting.table())).collect();
        names.extend(self.settings.iter().map(|setting| (as_key(setting.heading()), setting.table())));
        let spelt: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        let meant = closest(&as_key(name), &spelt).and_then(|meant| names.iter().find(|(name, _)| name == meant));
        if let Some((_, table)) = meant {
            return format!("; did you mean [{table}]?");
        }
        let mut tables: Vec<String> = self.settings.iter().map(|setting| format!("[{}]", setting.table())).collect();
        tables.dedup();
        format!("; those are {}", tables.join(", "))
    }

    /// What was probably meant by a key: one of its table, or one of another that goes by the name.
    fn meant(&self, table: &str, key: &str) -> Option<&'a Setting> {
        let by_name = self.settings.iter().find(|setting| [setting.key(), setting.id()].contains(&key));
        let near = || {
            let keys: Vec<&str> = self.settings.iter().filter(|setting| setting.table() == table).map(Setting::key).collect();
            let meant = closest(key, &keys)?;
            self.settings.iter().find(|setting| setting.table() == table && setting.key() == meant)
        };
        let far = || {
            let keys: Vec<&str> = self.settings.iter().map(Setting::key).collect();
            let meant = closest(key, &keys)?;
            self.settings.iter().find(|setting| setting.key() == meant)
        };
        by_name.or_else(near).or_else(far)
    }
}

/// What was meant, for whoever stands in `table`.
fn hint(table: &str, meant: Option<&Setting>) -> String {
    match meant {
        Some(meant) if meant.table() == table => format!("; did you mean {}?", meant.key()),
        Some(meant) => format!("; did you mean {} in [{}]?", meant.key(), meant.table()),
        None => String::new(),
    }
}

/// A value as flags would have it, or why it is none.
fn texts(setting: &Setting, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let one = |text: &str| Ok(vec![text.to_owned()]);
    let wanted = |wanted: &str| format!("must be {wanted}, not {}", type_of(value));
    match (setting.kind(), value) {
        (Kind::Boolean, DeValue::Boolean(value)) => one(&value.to_string()),
        (Kind::Boolean, _) => Err(wanted("true or false")),
        (Kind::Number, DeValue::Integer(number)) => {
            number_text(number.as_str(), number.radix()).map(|text| vec![text]).ok_or_else(|| wanted("a smaller whole number"))
        }
        (Kind::Number, _) => Err(wanted("a whole number")),
        (Kind::List, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            let texts = texts.collect::<Option<Vec<_>>>().ok_or_else(|| wanted("a list of texts"))?;
            // flags and variables separate items by it, so it would be two
            match texts.iter().any(|text| text.contains(',')) {
                true => Err("must have no comma within a text: give each item quotes of its own".to_owned()),
                false => Ok(texts),
            }
        }
        (Kind::List, _) => Err(wanted("a list of texts")),
        (Kind::Json, DeValue::Table(_)) => one(&json(value).ok_or_else(|| wanted("JSON, without dates"))?.to_string()),
        (Kind::Json | Kind::Text, DeValue::String(text)) => one(text),
        (Kind::Json, _) => Err(wanted("a text with JSON, or a table")),
        (Kind::Text, _) => Err(wanted("a text in quotes")),
    }
}

/// A number without what TOML allows besides digits.
fn number_text(text: &str, radix: u32) -> Option<String> {
    i128::from_str_radix(text, radix).ok().map(|number| number.to_string())
}

fn json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok()?.into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect::<Option<Vec<_>>>()?.into(),
        DeValue::Table(table) => {
            let members = table.iter().map(|(name, value)| Some((name.get_ref().to_string(), json(value.get_ref())?)));
            serde_json::Value::Object(members.collect::<Option<_>>()?)
        }
        DeValue::Float(_) | DeValue::Datetime(_) => return None,
    })
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "such a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Entry>, Vec<String>) {
        let (entries, faults) = parse(Path::new("c.toml"), text, &Setting::all());
        (entries, faults.iter().map(ToString::to_string).collect())
    }

    fn fault(text: &str) -> String {
        let (entries, faults) = read(text);
        assert_eq!((entries.len(), faults.len()), (0, 1), "{faults:?}");
        faults.into_iter().next().expect("one")
    }

    #[test]
    fn values_become_what_flags_would_have() {
        let text = "[hub]\nring_events = 8_192\n\n[server]\nlisten = \"127.0.0.1:1\"\n[access]\ninsecure_open = false\nallowed_hosts = [\"a\", \"b\"]\n\
            [credentials.anonymous_rights]\nsubscribe = { topics = [\"market.**\"], all = true }\n";
        let (mut entries, faults) = read(text);
        assert_eq!(faults, [""; 0]);
        entries.sort_by_key(|entry| entry.line);
        let found: Vec<_> = entries.iter().map(|entry| (entry.id.as_str(), entry.line, entry.values.join("|"))).collect();
        let rights = r#"{"subscribe":{"all":true,"topics":["market.**"]}}"#.to_owned();
        assert_eq!(
            found,
            [
                ("ring_events", 2, "8192".to_owned()),
                ("listen", 5, "127.0.0.1:1".to_owned()),
                ("insecure_open", 7, "false".to_owned()),
                ("allowed_hosts", 8, "a|b".to_owned()),
                ("anonymous_rights", 9, rights),
            ]
        );
    }

    #[test]
    fn what_is_no_setting_is_a_fault_with_its_line_and_what_was_meant() {
        assert_eq!(fault("\n[serve]\nlisten = 1"), "c.toml:2: [serve] is not a table of settings; did you mean [server]?");
        assert_eq!(fault("[hub]\nring_event = 1"), "c.toml:2: hub.ring_event is not a setting; did you mean ring_events?");
        assert_eq!(fault("[server]\nring_events = 1"), "c.toml:2: server.ring_events is not a setting; did you mean ring_events in [hub]?");
        assert_eq!(fault("[jwt]\njwt_secret = \"x\""), "c.toml:2: jwt.jwt_secret is not a setting; did you mean secret?");
        assert_eq!(fault("listen = \"x\""), "c.toml:1: listen stands in no table; did you mean listen in [server]?");
        for (heading, table) in
            [("json_web_tokens", "jwt"), ("subscriptions", "hub"), ("\"Several instances\"", "backplane"), ("Publishing", "ingest")]
        {
            let told = fault(&format!("[{heading}]"));
            assert!(told.ends_with(&format!("is not a table of settings; did you mean [{table}]?")), "{told}");
        }
        let told = fault("[xyzzy]");
        assert!(told.starts_with("c.toml:1: [xyzzy] is not a table of settings; those are [server], [access], [jwt], "), "{told}");
        assert_eq!(fault("[hub]\nxyzzy = 1"), "c.toml:2: hub.xyzzy is not a setting");
    }

    #[test]
    fn a_value_that_is_not_taken_says_what_is() {
        assert_eq!(fault("[hub]\nring_events = \"7\""), "c.toml:2: hub.ring_events: must be a whole number, not a text");
        assert_eq!(fault("[hub]\nring_events = 0"), "c.toml:2: hub.ring_events: must be at least 1");
        assert_eq!(fault("[server]\nlisten = 3001"), "c.toml:2: server.listen: must be a text in quotes, not a whole number");
        assert_eq!(fault("[access]\nallowed_hosts = \"a\""), "c.toml:2: access.allowed_hosts: must be a list of texts, not a text");
        assert_eq!(fault("[access]\nallowed_hosts = [1]"), "c.toml:2: access.allowed_hosts: must be a list of texts, not such a list");
        let split = fault("[access]\nallowed_hosts = [\"a, b\"]");
        assert_eq!(split, "c.toml:2: access.allowed_hosts: must have no comma within a text: give each item quotes of its own");
        assert_eq!(fault("[access]\ninsecure_open = 1"), "c.toml:2: access.insecure_open: must be true or false, not a whole number");
        assert!(fault("[telemetry]\nlog_format = \"jsn\"").ends_with("did you mean json?"));
    }

    #[test]
    fn every_fault_is_told_and_what_is_no_setting_is_not_repeated() {
        let (_, faults) = read("[credentials]\nsecret = 5550100\n[hub]\nring_events = \"5550100\"\n[jwt]\nsecrte = \"5550100\"");
        assert_eq!(faults.len(), 3, "{faults:?}");
        let (_, broken) = read("[credentials]\nsecret = 'unclosed-5550100\n[hub]\n");
        assert!(broken[0].starts_with("c.toml:2: "), "{broken:?}");
        assert!(!format!("{faults:?}{broken:?}").contains("5550100"), "{faults:?} {broken:?}");
    }
}
