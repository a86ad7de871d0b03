//! An event that is not taken, and why.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::json;

use super::super::visible;

/// How many reasons are told of one event.
const TOLD: usize = 5;

/// An event that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reject {
    pub(super) line: u64,
    pub(super) json: String,
    pub(super) whys: Vec<Why>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Why {
    /// Where in the event, as a JSON Pointer; empty for all of it.
    pub(super) pointer: String,
    pub(super) detail: String,
}

impl Why {
    pub(super) fn all(detail: impl Into<String>) -> Self {
        Self { pointer: String::new(), detail: detail.into() }
    }

    /// A pointer into a batch as one into its event.
    pub(super) fn within(pointer: &str) -> &str {
        let behind = pointer.strip_prefix('/').unwrap_or(pointer);
        behind.find('/').map_or("", |at| &behind[at..])
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // a sentence where the reason has no subject of its own
        let of_line =
            self.whys.first().is_some_and(|why| why.pointer.is_empty() && ["is ", "has "].iter().any(|verb| why.detail.starts_with(verb)));
        write!(f, "line {}{}", self.line, if of_line { "" } else { ":" })?;
        for (at, why) in self.whys.iter().take(TOLD).enumerate() {
            f.write_str(if at > 0 { "; " } else { " " })?;
            if !why.pointer.is_empty() {
                write!(f, "{} ", visible(&why.pointer))?;
            }
            f.write_str(&visible(&why.detail))?;
        }
        if self.whys.len() > TOLD {
            write!(f, "; and {} more", self.whys.len() - TOLD)?;
        }
        Ok(())
    }
}

/// Where rejects are kept for whoever corrects them: one a line, with its line and the reasons. The file is made for the first of them, and nothing that
/// is there already is lost.
pub(super) struct Rejects {
    path: PathBuf,
    file: Option<File>,
}

impl Rejects {
    /// Those of events that are read from `input`.
    pub(super) fn new(path: &Path, input: &Path) -> anyhow::Result<Self> {
        let named = || format!("--skip-invalid: {}", path.display());
        match fs::metadata(path) {
            Ok(there) => {
                let is_input = fs::metadata(input).is_ok_and(|input| (input.dev(), input.ino()) == (there.dev(), there.ino()));
                anyhow::ensure!(!is_input, "{} is what is published: name another file", named());
                anyhow::ensure!(!there.is_dir(), "{} is a directory", named());
                anyhow::ensure!(
                    !there.is_file() || there.len() == 0,
                    "{} is there and not empty: name another file, or remove it",
                    named()
                );
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
                anyhow::ensure!(directory.is_dir(), "{}: {} is no directory", named(), directory.display());
            }
            Err(error) => return Err(error).with_context(named),
        }
        Ok(Self { path: path.to_owned(), file: None })
    }

    fn file(&mut self) -> anyhow::Result<&mut File> {
        let Self { path, file } = self;
        Ok(match file {
            Some(file) => file,
            None => {
                let named = || format!("--skip-invalid: {}", path.display());
                let opened = OpenOptions::new().append(true).create(true).open(&*path).with_context(named)?;
                let about = opened.metadata().with_context(named)?;
                // looked at again: another run may have begun to write to it
                anyhow::ensure!(!about.is_file() || about.len() == 0, "{} is not empty any more: name another file", named());
                file.insert(opened)
            }
        })
    }

    pub(super) fn add(&mut self, reject: &Reject) -> anyhow::Result<()> {
        let errors: Vec<_> = reject.whys.iter().map(|why| json!({"pointer": why.pointer, "detail": why.detail})).collect();
        let line = json!({"line": reject.line, "errors": errors, "event": reject.json});
        writeln!(self.file()?, "{line}").context("--skip-invalid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_take_no_file_that_holds_something() {
        let home = tempfile::TempDir::new().expect("a directory");
        let at = |name: &str| home.path().join(name);
        let (input, earlier, nowhere) = (at("input"), at("earlier"), at("no/where"));
        fs::write(&input, "{}\n").expect("written");
        fs::write(&earlier, "{\"line\":1}\n").expect("written");
        fs::hard_link(&input, at("link")).expect("linked");
        for (path, says) in [
            (&input, "is what is published"),
            (&at("link"), "is what is published"),
            (&earlier, "is there and not empty"),
            (&nowhere, "no directory"),
        ] {
            let refused = Rejects::new(path, &input).err().expect("refused").to_string();
            assert!(refused.contains(says), "{refused}");
        }
        assert_eq!(fs::read_to_string(&input).expect("there"), "{}\n");
        assert_eq!(fs::read_to_string(&earlier).expect("there"), "{\"line\":1}\n");
    }

    #[test]
    fn a_file_for_rejects_is_made_for_the_first_one() {
        let home = tempfile::TempDir::new().expect("a directory");
        let path = home.path().join("rejects");
        let mut rejects = Rejects::new(&path, Path::new("-")).expect("a place for it");
        assert!(!path.exists());
        let reject = Reject { line: 7, json: "{}".into(), whys: vec![Why::all("x")] };
        let mut late = Rejects::new(&path, Path::new("-")).expect("still free");
        rejects.add(&reject).expect("written");
        rejects.add(&reject).expect("written");
        assert!(late.add(&reject).expect_err("another run was first").to_string().contains("not empty any more"));
        assert_eq!(fs::read_to_string(&path).expect("there").lines().count(), 2);
    }
}
