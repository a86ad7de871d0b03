//! What servers take: memory and CPU time of a process and all below it, and the kernel's memory for sockets.

use std::{fs, time::Duration};

use anyhow::Context as _;
use procfs::{Current as _, process::Process};

impl Usage {
    /// CPU time since `before`.
    pub(crate) fn cpu_since(&self, before: &Self) -> f64 {
        self.cpu.saturating_sub(before.cpu).as_secs_f64()
    }
}

/// A server's processes at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Proportional set size, in bytes: shared pages count once over those that share them.
    pub(crate) pss: u64,
    /// Time on a processor, the kernel's for it included.
    pub(crate) cpu: Duration,
}

/// The usage of process `root` and its descendants.
pub(crate) fn of_tree(root: u32) -> anyhow::Result<Usage> {
    let mut usage = Usage::default();
    for process in tree(root)? {
        match of_process(&process) {
            Ok(one) => {
                usage.cpu += one.cpu;
                usage.pss += one.pss;
            }
            // one that ended meanwhile takes nothing
            Err(_) if !process.is_alive() => {}
            Err(error) => return Err(error).with_context(|| format!("process {}", process.pid())),
        }
    }
    Ok(usage)
}

/// CPU time to the nanosecond, by the scheduler's own count; threads that have ended are not in it.
fn of_process(process: &Process) -> anyhow::Result<Usage> {
    let nanos = process.tasks()?.flatten().filter_map(|task| task.schedstat().ok()).map(|counted| counted.sum_exec_runtime).sum();
    let rollup = process.smaps_rollup()?;
    let pss = rollup.memory_map_rollup.iter().filter_map(|map| map.extension.map.get("Pss")).sum();
    Ok(Usage { pss, cpu: Duration::from_nanos(nanos) })
}

/// CPU time of this tool: when it is near the time that passed, the tool was what was measured.
pub(crate) fn own_cpu() -> anyhow::Result<Duration> {
    Ok(of_process(&Process::myself()?)?.cpu)
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
    let kernel = kernel.split('-').next().unwrap_or_default();
    format!("{cores} × {name}, {gib:.0} GiB, Linux {}", kernel.trim())
}
