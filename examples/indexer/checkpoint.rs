//! How far the service has answered for what was read, kept from one run to the next.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;

/// A file that holds the id of the last event that is published, or is not there yet.
pub(crate) struct Checkpoint {
    path: PathBuf,
}

impl Checkpoint {
    pub(crate) fn new(path: &str) -> Self {
        Self { path: PathBuf::from(path) }
    }

    pub(crate) fn read(&self) -> anyhow::Result<Option<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", self.path.display())),
        }
    }

    /// Renamed into place. To lose a checkpoint costs a round of duplicates; half of one would cost the same.
    pub(crate) fn write(&self, id: &str) -> anyhow::Result<()> {
        let new = self.path.with_added_extension("new");
        let write = || {
            writeln!(File::create(&new)?, "{id}")?;
            fs::rename(&new, &self.path)
        };
        write().with_context(|| format!("{} cannot be written", self.path.display()))
    }
}
