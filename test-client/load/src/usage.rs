//! What servers take: memory and CPU time of a process and all below it, and the kernel's memory for sockets.

use std::{fs, time::Duration};

use anyhow::Context as _;
use procfs::{Current as _, process::Process};

/// A server's processes at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Proportional set size, in bytes: shared pages count once over those that share them.
    pub(crate) pss: u64,
    /// User and system time of all processes that live.
    pub(crate) cpu: Duration,
}

/// The usage of process `root` and its descendants.
pub(crate) fn of_tree(root: u32) -> anyhow::Result<Usage> {
    let mut usage = Usage::default();
    for process in tree(root)? {
        // one that ended meanwhile takes nothing
        let Ok(stat) = process.stat() else { continue };
        usage.cpu += Duration::from_secs_f64((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64);
        if let Ok(rollup) = process.smaps_rollup() {
            usage.pss += rollup.memory_map_rollup.iter().filter_map(|map| map.extension.map.get("Pss")).sum::<u64>();
        }
    }
    Ok(usage)
}

fn tree(root: u32) -> anyhow::Result<Vec<Process>> {
    let mut below: Vec<i32> = vec![i32::try_from(root)?];
    let all: Vec<(i32, i32)> =
        procfs::process::all_processes()?.flatten().filter_map(|process| process.stat().ok().map(|stat| (stat.pid, stat.ppid))).collect();
    let mut at = 0;
    while let Some(&parent) = below.get(at) {
        below.extend(all.iter().filter(|(_, ppid)| *ppid == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    Ok(below.into_iter().filter_map(|pid| Process::new(pid).ok()).collect())
}

/// Bytes that the kernel holds in TCP buffers, of the whole machine (`/proc/net/sockstat`).
pub(crate) fn kernel_tcp_bytes() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat").context("/proc/net/sockstat")?;
    let line = text.lines().find(|line| line.starts_with("TCP:")).context("no TCP line in sockstat")?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem").skip(1);
    let pages: u64 = words.next().context("no mem in sockstat")?.parse()?;
    Ok(pages * procfs::page_size())
}

/// Bytes of the kernel's own objects, of the whole machine: sockets, files, entries of epoll.
pub(crate) fn kernel_slab_bytes() -> anyhow::Result<u64> {
    Ok(procfs::Meminfo::current()?.slab)
}

/// The machine, in a line.
pub(crate) fn machine() -> String {
    let cpu = procfs::CpuInfo::current().ok();
    let name = cpu.as_ref().and_then(|cpu| cpu.model_name(0)).unwrap_or("unknown processor");
    let cores = cpu.as_ref().map_or(0, procfs::CpuInfo::num_cores);
    let gib = procfs::Meminfo::current().map_or(0.0, |memory| memory.mem_total as f64 / f64::from(1 << 30));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} × {name}, {gib:.0} GiB, Linux {}", kernel.trim())
}
