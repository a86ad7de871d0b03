//! A cursor that outlives the process: a file that is replaced in one step, so that whoever reads it sees an old or a new cursor and never half of one.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::domain::Cursor;

/// The file, and what it holds.
pub(super) struct CursorFile {
    path: PathBuf,
    kept: Option<String>,
}

impl CursorFile {
    /// The file there, which need not exist.
    ///
    /// # Errors
    /// There is no directory for it.
    pub(super) fn at(path: &Path) -> anyhow::Result<Self> {
        let directory = directory(path);
        anyhow::ensure!(directory.is_dir(), "--cursor-file: {} is no directory", directory.display());
        // a device or a pipe cannot be replaced, and to read one may have no end
        anyhow::ensure!(!path.exists() || path.is_file(), "--cursor-file: {} is no regular file", path.display());
        Ok(Self { path: path.to_owned(), kept: None })
    }

    /// What it holds; nothing when there is no file, or an empty one as `mktemp` makes it.
    ///
    /// # Errors
    /// It holds something else than a cursor.
    pub(super) fn read(&self) -> anyhow::Result<Option<String>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("--cursor-file: {}", self.path.display())),
        };
        let cursor = text.trim_end();
        if cursor.is_empty() {
            return Ok(None);
        }
        let known = cursor.parse::<Cursor>();
        known.with_context(|| {
            format!("--cursor-file: {} holds something else; give another file, or remove it to begin anew", self.path.display())
        })?;
        Ok(Some(cursor.to_owned()))
    }

    /// Keeps a cursor: durable once this has returned.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn keep(&mut self, cursor: &str) -> anyhow::Result<()> {
        if self.kept.as_deref() == Some(cursor) {
            return Ok(());
        }
        self.replace(cursor).with_context(|| format!("--cursor-file: {}", self.path.display()))?;
        self.kept = Some(cursor.to_owned());
        Ok(())
    }

    fn replace(&self, cursor: &str) -> io::Result<()> {
        let mut name = self.path.clone().into_os_string();
        // beside it, because a rename cannot leave a file system; with a name of its own, so that two processes do not write one file
        name.push(format!(".{}.tmp", std::process::id()));
        let beside = PathBuf::from(name);
        let mut file = File::create(&beside)?;
        file.write_all(format!("{cursor}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        File::open(directory(&self.path))?.sync_all()
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_kept_and_nothing_else_is_left_behind() {
        let home = tempfile::TempDir::new().expect("a directory");
        let path = home.path().join("cursor");
        let mut file = CursorFile::at(&path).expect("there is a directory");
        assert_eq!(file.read().expect("no file is no error"), None);
        for cursor in ["7c1f9a02-17", "7c1f9a02-18"] {
            file.keep(cursor).expect("written");
            assert_eq!(file.read().expect("a cursor").as_deref(), Some(cursor));
        }
        assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 1);
        fs::write(&path, "").expect("written");
        assert_eq!(file.read().expect("an empty file is none"), None);
        assert!(CursorFile::at(Path::new("/dev/full")).is_err(), "what cannot be replaced");
        fs::write(&path, "half a cur").expect("written");
        assert!(file.read().is_err());
        assert!(CursorFile::at(&home.path().join("no/where")).is_err());
    }
}
