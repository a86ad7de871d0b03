//! Files with a secret each, as containers are handed them: what may be such a file, and who else may read it.

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
};

use super::layers;

/// The largest secret, in bytes: no key or URL comes near.
const MAX_BYTES: u64 = 64 * 1024;

/// Its text.
///
/// # Errors
/// Why there is none. Does not name the file: who puts the secret itself where its path belongs would see it.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let kind = fs::metadata(path).map_err(|error| error.to_string())?.file_type();
    // a device may never end, and opening one may do something
    if !(kind.is_file() || kind.is_fifo()) {
        return Err("it is neither a file nor a pipe".to_owned());
    }
    layers::read(path, MAX_BYTES)
}

/// Whether every user of the machine may read a file.
pub(super) fn may_all_read(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o004 != 0)
}

/// The same for a file with one secret, unless whoever runs containers has mounted it: it is theirs to guard then, and secrets are mounted so that
/// any user in the container may read them, in memory or read-only.
pub(super) fn is_for_all(path: &Path) -> bool {
    let mounts = || fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    may_all_read(path) && !fs::canonicalize(path).is_ok_and(|path| is_handed_over(&path, &mounts()))
}

/// Whether the mount that a path is on is in memory or read-only.
fn is_handed_over(path: &Path, mounts: &str) -> bool {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind, options) = (words.next()?.replace("\\040", " "), words.next()?, words.next()?);
        let is_handed = ["tmpfs", "ramfs"].contains(&kind) || options.split(',').any(|option| option == "ro");
        path.starts_with(&place).then_some((place.len(), is_handed))
    });
    // of two at one place, the later one covers the other
    mounts.max_by_key(|(length, _)| *length).is_some_and(|(_, is_handed)| is_handed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_no_secret_and_neither_is_what_is_too_long() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let file = dir.path().join("secret");
        let most = usize::try_from(MAX_BYTES).expect("few");
        for (text, is_read) in [("x".repeat(most), true), ("x".repeat(most + 1), false), ("\u{20ac}".repeat(most), false)] {
            fs::write(&file, &text).expect("written");
            let read = read(&file);
            assert_eq!(read.is_ok(), is_read, "{}", text.len());
            assert!(is_read || read == Err("it has more than 65536 bytes".to_owned()), "{read:?}");
        }
        for path in [Path::new("/dev/zero"), dir.path()] {
            assert_eq!(read(path), Err("it is neither a file nor a pipe".to_owned()));
        }
        // a file of settings may be a device, such as /dev/null, and is not read for ever either
        assert_eq!(layers::read(Path::new("/dev/zero"), 9), Err("it has more than 9 bytes".to_owned()));
    }

    #[test]
    fn a_mounted_secret_is_guarded_by_whoever_mounted_it() {
        let mounts = "/dev/sda / ext4 rw,relatime 0 0\ntmpfs /run/secrets tmpfs rw 0 0\n/dev/sdb /run/secrets/disk ext4 rw 0 0\n\
            /dev/sda /a\\040b ext4 ro,noatime 0 0\n";
        for (path, is_handed) in
            [("/run/secrets/x", true), ("/run/secrets/disk/x", false), ("/a b/x", true), ("/a bc", false), ("/home/x", false)]
        {
            assert_eq!(is_handed_over(Path::new(path), mounts), is_handed, "{path}");
        }
        assert!(!is_handed_over(Path::new("/x"), ""), "nothing is known");
    }
}
