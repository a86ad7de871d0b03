//! Servers outlive nothing: when the tool is interrupted, the servers that run are killed and their directories removed. And when one fails, what it
//! wrote last is kept for the message.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Child,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process_group};

static RUNNING: Mutex<BTreeMap<u32, PathBuf>> = Mutex::new(BTreeMap::new());
static LAST_WORDS: Mutex<String> = Mutex::new(String::new());

fn running() -> MutexGuard<'static, BTreeMap<u32, PathBuf>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees to it that an interrupt ends everything.
pub(crate) fn watch() -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(|| {
        for (pid, home) in &*running() {
            kill_group(*pid, Signal::KILL);
            // what can't be removed is in the build directory
            let _ = fs::remove_dir_all(home);
        }
        std::process::exit(130);
    })?)
}

/// A server runs, in a process group of its own.
pub(crate) fn note(server: &Child, home: &Path) {
    running().insert(server.id(), home.to_owned());
}

/// A server has ended, or was told to.
pub(crate) fn forget(server: &Child) {
    running().remove(&server.id());
}

/// Signals a server and all below it.
pub(crate) fn kill_group(server: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(server).ok().and_then(Pid::from_raw) {
        // it may have ended by itself
        let _ = kill_process_group(pid, signal);
    }
}

/// Keeps the end of what a server wrote.
pub(crate) fn last_words(text: String) {
    *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = text;
}

/// Takes what the last server wrote at its end.
pub(crate) fn take_last_words() -> String {
    std::mem::take(&mut *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner))
}
