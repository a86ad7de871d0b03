//! The process as the kernel counts it, by `/proc`; zeros where that is not.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use crate::http::ProcessFacts;

/// What does not change, or takes too long to be asked for on a worker's thread.
#[derive(Debug)]
pub(super) struct Process {
    started: Duration,
    max_files: u64,
    open_files: AtomicU64,
}

impl Process {
    pub(super) fn new() -> Self {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let max_files = rlimit::Resource::NOFILE.get_soft().unwrap_or_default();
        Self { started, max_files, open_files: AtomicU64::new(0) }
    }

    /// Counts the descriptors: thousands of them are a list of thousands, so on a thread that nobody waits for.
    pub(super) async fn count_files(&self) {
        let counted = tokio::task::spawn_blocking(|| fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)).await;
        self.open_files.store(counted.unwrap_or_default() as u64, Ordering::Relaxed);
    }

    pub(super) fn facts(&self) -> ProcessFacts {
        let (virtual_bytes, resident_bytes) = memory();
        ProcessFacts {
            cpu: cpu(&fs::read_to_string("/proc/self/stat").unwrap_or_default(), rustix::param::clock_ticks_per_second()),
            started: self.started,
            resident_bytes,
            virtual_bytes,
            open_files: self.open_files.load(Ordering::Relaxed),
            max_files: self.max_files,
        }
    }
}

/// Bytes mapped and in memory.
pub(super) fn memory() -> (u64, u64) {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = statm.split(' ').map(|pages| pages.parse().unwrap_or(0));
    let page = rustix::param::page_size() as u64;
    let mut next = || page.saturating_mul(pages.next().unwrap_or(0));
    (next(), next())
}

/// The time in user and in kernel mode: the 14th and 15th words, counted from the end of the name, which may hold anything.
fn cpu(stat: &str, ticks_per_second: u64) -> Duration {
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = behind_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(ticks as f64 / ticks_per_second.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_whatever_the_program_is_called() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 3 4 20 0 1 0 99 1000 10";
        assert_eq!(cpu(stat, 100), Duration::from_secs(2));
        assert_eq!(cpu("", 100), Duration::ZERO);
    }

    #[tokio::test]
    async fn this_process_has_memory_descriptors_and_a_limit_of_them() {
        let process = Process::new();
        process.count_files().await;
        let facts = process.facts();
        assert!(facts.resident_bytes > 0 && facts.virtual_bytes > facts.resident_bytes);
        assert!((3..=facts.max_files).contains(&facts.open_files), "{facts:?}");
        assert!(facts.started > Duration::from_hours(24 * 365 * 50));
    }
}
