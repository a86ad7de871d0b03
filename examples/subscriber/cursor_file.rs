//! Where a subscription stands, kept from one run to the next.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;

/// A file that holds one cursor, or is not there yet.
pub(crate) struct CursorFile {
    path: PathBuf,
}

impl CursorFile {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: PathBuf::from(path) }
    }

    pub(crate) fn read(&self) -> anyhow::Result<Option<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|cursor| !cursor.is_empty())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", self.path.display())),
        }
    }

    /// Renamed into place: whoever is killed here leaves the old cursor or the new one, and never half of one.
    pub(crate) fn write(&self, cursor: &str) -> anyhow::Result<()> {
        let new = self.path.with_added_extension("new");
        let write = || {
            writeln!(File::create(&new)?, "{cursor}")?;
            fs::rename(&new, &self.path)
        };
        write().with_context(|| format!("{} cannot be written", self.path.display()))
    }
}
