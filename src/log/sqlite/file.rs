//! Which file the connections have open, as against which one has the path now.
//!
//! A file that is replaced keeps serving those who have it open: the service would go on acknowledging into a file without a name. So each use
//! looks at what the path names (one `stat`), and when that is another file, the connections are opened anew.
//!
//! The file holds events of all tenants and digests of secrets: what is made here is its owner's alone, and what is there already is left as it is.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use rustix::{fs::Access, io::Errno};

use crate::log::{LogError, StoreIdentity};

/// Which run of which machine this is: whoever shares a file shares that.
static BOOT: LazyLock<String> = LazyLock::new(|| fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default());

/// What tells one file from another: device and inode.
pub(super) type FileId = (u64, u64);

/// What only the owner may read and write.
pub(super) const OWNERS_FILE: u32 = 0o600;
const OWNERS_DIRECTORY: u32 = 0o700;

/// Makes an empty file, which is an empty database, with its directories, unless it is there. SQLite gives the files that it puts beside it
/// the same mode.
pub(super) fn make(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(OWNERS_DIRECTORY).create(directory)?;
    }
    // one that is there must not even be opened: closing it again would end the locks that SQLite has on it in this process
    match fs::OpenOptions::new().write(true).create_new(true).mode(OWNERS_FILE).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Why this process cannot write what the path names or SQLite's and our files beside it, as far as the system tells: in words that name the file,
/// whose it is and who is asking. Nothing is opened: see [`make`].
pub(super) fn obstacle(path: &Path) -> Option<String> {
    if path.is_dir() {
        return Some(format!("{} is a directory: DATABASE_URL must name a file", path.display()));
    }
    // directories that are not there yet would be made in the nearest that is
    let directory = path.ancestors().skip(1).find(|directory| directory.exists()).unwrap_or(Path::new("."));
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    // SQLite makes and removes files beside the database
    let wanted = [(directory.to_owned(), Access::WRITE_OK | Access::EXEC_OK)];
    let files = ["", "-wal", "-shm", ".acked"].map(|suffix| (beside(suffix), Access::READ_OK | Access::WRITE_OK));
    wanted.into_iter().chain(files).find_map(|(path, access)| match rustix::fs::access(&path, access) {
        Ok(()) | Err(Errno::NOENT) => None,
        Err(error) => {
            let error = io::Error::from(error);
            lasts(error.kind()).then(|| unwritable(&path, &error))
        }
    })
}

/// Why [`make`] failed, and whether that may pass.
pub(super) fn not_made(path: &Path, error: &io::Error) -> LogError {
    let said = obstacle(path).unwrap_or_else(|| format!("{} cannot be made ({})", path.display(), io_words(error)));
    if lasts(error.kind()) { LogError::Internal(said) } else { LogError::Unavailable(said) }
}

/// Whether it stays so until somebody changes something.
fn lasts(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        kind,
        Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::NotFound
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::InvalidFilename
    )
}

/// What is to be known to make it writable.
fn unwritable(path: &Path, error: &io::Error) -> String {
    let asking =
        fs::metadata("/proc/self").map_or_else(|_| String::new(), |own| format!(", and this process runs as {}:{}", own.uid(), own.gid()));
    let whose = fs::metadata(path).map_or_else(
        |_| String::new(),
        |there| format!(": it belongs to {}:{} with mode {:04o}{asking}", there.uid(), there.gid(), there.mode() & 0o7777),
    );
    format!("{} cannot be written ({}){whose}", path.display(), io_words(error))
}

/// Without the number.
fn io_words(error: &io::Error) -> String {
    let said = error.to_string();
    said.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The file that the connections have open.
pub(super) struct DatabaseFile {
    path: PathBuf,
    // held to copy or replace two numbers
    open: Mutex<FileId>,
}

impl DatabaseFile {
    /// The file that the path names now.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), open: Mutex::new(identify(path)?) })
    }

    /// The file that the path names, if it is another than the open one. An error when it names none.
    pub(super) fn replacement(&self) -> io::Result<Option<FileId>> {
        let named = identify(&self.path)?;
        Ok((named != *self.open.lock().unwrap_or_else(PoisonError::into_inner)).then_some(named))
    }

    /// Which store it is: every copy has another number or another machine, and a file that is put back in place is told by its numbering.
    pub(super) fn identity(&self) -> StoreIdentity {
        let (device, inode) = *self.open.lock().unwrap_or_else(PoisonError::into_inner);
        StoreIdentity::of(&format!("{}/{device}/{inode}", *BOOT))
    }

    /// The connections that are opened from now on have this file open.
    pub(super) fn accept(&self, file: FileId) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }
}

fn identify(path: &Path) -> io::Result<FileId> {
    let named = fs::metadata(path)?;
    Ok((named.dev(), named.ino()))
}
