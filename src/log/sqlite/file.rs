//! Which file the connections have open, as against which one has the path now.
//!
//! A file that is replaced keeps serving those who have it open: the service would go on acknowledging into a file without a name. So each use
//! looks at what the path names (one `stat`), and when that is another file, the connections are opened anew.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The file that the connections have open.
pub(super) struct DatabaseFile {
    path: PathBuf,
    // each is only compared, and both change together under the writer's permit: no order between them is needed
    device: AtomicU64,
    inode: AtomicU64,
}

impl DatabaseFile {
    /// The file that the path names now.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let named = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: AtomicU64::new(named.dev()), inode: AtomicU64::new(named.ino()) })
    }

    /// Whether the path names another file than at the last call. An error when it names none.
    pub(super) fn was_replaced(&self) -> io::Result<bool> {
        let named = fs::metadata(&self.path)?;
        let device = self.device.swap(named.dev(), Ordering::Relaxed);
        let inode = self.inode.swap(named.ino(), Ordering::Relaxed);
        Ok((device, inode) != (named.dev(), named.ino()))
    }
}
