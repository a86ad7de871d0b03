//! What is in force, and where it comes from, as a settings file without its secrets.

use std::fmt::{self, Write as _};

use super::{
    document::toml,
    layers::{Layers, Said, Source},
    setting::Kind,
};

/// The column at which it is said where a value comes from.
const COLUMN: usize = 52;

impl Layers {
    /// What is in force, a line each; with `changed`, only what is not the default.
    #[must_use]
    pub fn show(&self, changed: bool) -> String {
        let mut text = String::new();
        let mut table = "";
        for said in self.said.iter().filter(|said| !changed || said.source != Source::Default) {
            if said.setting.table() != table {
                table = said.setting.table();
                let _ = writeln!(text, "{}[{table}]", if text.is_empty() { "" } else { "\n" });
            }
            let _ = writeln!(text, "{:<COLUMN$} # {}", line(said), said.source);
        }
        text
    }
}

fn line(said: &Said) -> String {
    let (setting, texts) = (&said.setting, said.shown());
    if texts.is_empty() && setting.kind() != Kind::List {
        return format!("# {} is not set", setting.key());
    }
    let value = toml(setting.kind(), &texts);
    // a file that is made of this must not have a masked value for one
    format!("{}{} = {value}", if said.is_masked() { "# " } else { "" }, setting.key())
}

impl Said {
    /// Its texts, without what is secret.
    fn shown(&self) -> Vec<String> {
        let texts = self.texts.iter().map(|text| text.to_string_lossy());
        match (self.setting.is_secret(), self.setting.value_name()) {
            (false, _) => texts.map(String::from).collect(),
            (true, "URL") => texts.map(|text| masked(&text)).collect(),
            (true, _) => texts.map(|text| if text.is_empty() { String::new() } else { "…".to_owned() }).collect(),
        }
    }

    /// Whether something of it is not shown.
    pub(super) fn is_masked(&self) -> bool {
        self.setting.is_secret() && self.shown().iter().zip(&self.texts).any(|(shown, text)| shown.as_str() != text.as_os_str())
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said").field("setting", &self.setting).field("texts", &self.shown()).field("source", &self.source).finish()
    }
}

/// A URL without user, password and query. In doubt, more is left out: what cannot be read could be anything.
pub(super) fn masked(url: &str) -> String {
    if url.is_empty() || url.starts_with("sqlite://") {
        return url.to_owned();
    }
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    // with an @ behind what begins a query, what follows may be the end of a password, in the query or before
    if rest.rsplit_once('@').is_some_and(|(before, _)| before.contains(['?', '#'])) {
        return format!("{scheme}://…");
    }
    let (user, place) = rest.rsplit_once('@').map_or(("", rest), |(_, place)| ("…@", place));
    let authority = place.split(['/', '?', '#']).next().unwrap_or_default();
    let has_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_place = authority.starts_with('[') || authority.split_once(':').is_none_or(|(_, port)| has_port(port));
    if !is_place || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return "…".to_owned();
    }
    let end = place.find(['?', '#']);
    let query = if end.is_some() { "?…" } else { "" };
    format!("{scheme}://{user}{}{query}", &place[..end.unwrap_or(place.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Variables};

    fn layers(variables: &[(&str, &str)]) -> Layers {
        let variables: Variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        let flags = Flags::from([("ring_events".to_owned(), vec!["7".into()])]);
        Layers::read(&flags, &variables, None).expect("valid")
    }

    #[test]
    fn what_is_shown_says_where_it_comes_from_and_can_be_read_again() {
        let layers =
            layers(&[("CHAINCAST_ALLOWED_HOSTS", "a, b"), ("CHAINCAST_SECRET", "open-sesame"), ("CHAINCAST_INSECURE_OPEN", "yes")]);
        let shown = layers.show(false);
        for line in [
            "listen = \"127.0.0.1:3001\" # default",
            "# admin_listen is not set # default",
            "ring_events = 7 # flag --ring-events",
            "allowed_hosts = [\"a\", \"b\"] # variable CHAINCAST_ALLOWED_HOSTS",
            "insecure_open = true # variable CHAINCAST_INSECURE_OPEN",
            "# secret = \"…\" # variable CHAINCAST_SECRET",
            "database_url = \"sqlite://data/chaincast.db\" # default",
        ] {
            let found = shown.lines().any(|shown| shown.split_whitespace().eq(line.split_whitespace()));
            assert!(found, "{line} is not in\n{shown}");
        }
        let changed = layers.show(true);
        assert_eq!(changed.lines().filter(|line| line.contains(" # ")).count(), 4, "{changed}");
        let (_, faults) = crate::config::file::parse("shown".as_ref(), &shown, &crate::config::Setting::all());
        assert_eq!(faults, []);
    }

    #[test]
    fn no_password_is_left_in_a_url() {
        for (url, shown) in [
            ("postgres://u:hunter2@h:5432/d?sslmode=require&password=hunter2", "postgres://…@h:5432/d?…"),
            ("postgres://u:hunter2@/@?hunter2@h/d", "postgres://…"),
            ("redis://:hunter2@a:1,redis://:hunter2@b:2", "redis://…@b:2"),
            ("redis://a:1/0", "redis://a:1/0"),
            ("postgres://u:hunter2", "…"),
            ("postgres:/u:hunter2@h", "…"),
            ("postgres://h/d?password=a@hunter2", "postgres://…"),
            ("hunter2", "…"),
            ("https://h/jwks.json#hunter2", "https://h/jwks.json?…"),
            ("postgres:///d?host=/run&password=hunter2", "postgres:///d?…"),
            ("", ""),
        ] {
            assert_eq!(masked(url), shown);
        }
        let secrets = [("DATABASE_URL", "postgres://u:hunter2@h/d"), ("REDIS_URL", "hunter2"), ("CHAINCAST_JWT_SECRET", "https://hunter2")];
        let shown = layers(&secrets).show(false);
        assert!(!shown.contains("hunter2") && shown.contains("postgres://…@h/d"), "{shown}");
    }
}
