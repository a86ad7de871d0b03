//! The documented settings file: every setting with what it is for, its default, its flag and its variable, made from their definitions.
//!
//! `config/default.toml` is what this makes; `chaincast config default` prints it. All of it is commented out, so that a service that is started from
//! it unchanged runs with the defaults of its own version and not with those of the one that wrote the file.

use std::fmt::Write as _;

use super::{
    layers::{FILE, FILE_VARIABLE},
    setting::{Kind, Setting},
};

/// The width that documentation is broken at.
const WIDTH: usize = 118;

/// The file.
#[must_use]
pub fn default_file() -> String {
    let mut text = format!(
        "# The settings of chaincast, each as it is when nothing is said: take the # from a line, and change it.\n\
         # A flag wins over a variable, a variable over this file, this file over the default; what is no setting is an error.\n\
         # The service reads the file that --config or {FILE_VARIABLE} names, else {FILE} where it stands, and says so at start.\n\
         # `chaincast config check` says what is wrong, `chaincast config show` what is in force and from where.\n"
    );
    let mut table = "";
    let settings = Setting::all();
    for setting in &settings {
        if setting.table() != table {
            table = setting.table();
            let heading = setting.heading();
            let _ = write!(text, "\n\n# {heading}\n[{table}]\n");
        }
        let _ = write!(text, "\n{}", entry(setting));
    }
    text
}

fn entry(setting: &Setting) -> String {
    let mut text = String::new();
    wrapped(&setting.documentation(), &mut text);
    let choices = setting.choices();
    if !choices.is_empty() {
        wrapped(&format!("One of {}", choices.join(", ")), &mut text);
    }
    let file = setting.file_variable().map_or_else(String::new, |name| format!(", or {name} with a file's path"));
    let unset = if setting.default().is_some() || setting.kind() == Kind::List { "" } else { "; not set by default" };
    wrapped(&format!("--{}, {}{file}{unset}", setting.flag(), setting.variable()), &mut text);
    let value = match setting.default() {
        Some(default) => toml(setting.kind(), &[default]),
        None if setting.kind() == Kind::List => "[]".to_owned(),
        None if setting.kind() == Kind::Number => setting.value_name().to_owned(),
        None => quoted(setting.value_name()),
    };
    let _ = writeln!(text, "#{} = {value}", setting.key());
    text
}

/// A value as a file has it.
pub(super) fn toml(kind: Kind, texts: &[String]) -> String {
    match (kind, texts) {
        (Kind::List, _) => {
            let items: Vec<_> =
                texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|item| !item.is_empty()).map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
        (Kind::Number, [text, ..]) => text.clone(),
        (Kind::Boolean, [text, ..]) => ["true", "1", "y", "yes", "t", "on"].contains(&text.to_ascii_lowercase().as_str()).to_string(),
        _ => quoted(texts.first().map_or("", String::as_str)),
    }
}

/// A text in quotes: JSON's escapes are TOML's too.
fn quoted(text: &str) -> String {
    // the one control character that JSON lets stand
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn wrapped(paragraph: &str, into: &mut String) {
    let mut line = String::from("#");
    for word in paragraph.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            into.push_str(&line);
            into.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    into.push_str(&line);
    into.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Flags, Layers, Source, Variables};

    fn read(text: &str) -> Layers {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).expect("writable");
        Layers::read(&Flags::new(), &Variables::new(), Some(("test".to_owned(), path))).expect("valid")
    }

    #[test]
    fn the_file_in_the_repository_is_the_one_that_is_printed() {
        let kept = include_str!("../../config/default.toml");
        assert!(kept == default_file(), "generate it: cargo run -- config default > config/default.toml");
    }

    #[test]
    fn unchanged_it_says_nothing() {
        let layers = read(&default_file());
        assert_eq!(layers.config, Config::default());
        assert!(layers.said.iter().all(|said| said.source == Source::Default));
    }

    #[test]
    fn every_default_that_it_states_is_the_one_in_force() {
        let settings = Setting::all();
        let has_default = |line: &str| -> Option<String> {
            let stated = line.strip_prefix('#')?;
            let (key, _) = stated.split_once(" = ")?;
            settings.iter().any(|setting| setting.key() == key && setting.default().is_some()).then(|| stated.to_owned())
        };
        let text: Vec<_> = default_file().lines().map(|line| has_default(line).unwrap_or_else(|| line.to_owned())).collect();
        let layers = read(&text.join("\n"));
        assert_eq!(layers.config, Config::default());
        let stated = layers.said.iter().filter(|said| matches!(said.source, Source::File(..))).count();
        let defaults = settings.iter().filter(|setting| setting.default().is_some()).count();
        assert_eq!(stated, defaults);
    }

    #[test]
    fn quotes_hold_whatever_is_in_a_text() {
        for text in ["", "a \"b\" \\ c\nd\te", "\u{1}\u{7f}", "€"] {
            let document = format!("[access]\nallowed_hosts = [{}]", quoted(text));
            let (table, errors) = toml::de::DeTable::parse_recoverable(&document);
            assert!(errors.is_empty(), "{document}: {errors:?}");
            let access = table.get_ref().get("access").and_then(|access| access.get_ref().get("allowed_hosts")).expect("there");
            assert_eq!(access.get_ref().get(0).and_then(|item| item.get_ref().as_str()), Some(text));
        }
    }
}
