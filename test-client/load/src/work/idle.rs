//! What a connection costs while nothing happens.

use std::{thread, time::Duration};

use super::{Job, opening};
use crate::{
    follow::Followers,
    mark::Schedule,
    outcome::{Figures, Outcome},
    publish::Publishing,
    scenario::Idle,
    usage,
};

/// For the server to finish what the opening left it to do: an idle connection is measured, not one that is being opened.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) fn run(job: &Job<'_>, work: &Idle, done: &mut dyn FnMut(Outcome)) -> anyhow::Result<()> {
    for &connections in &work.connections {
        let server = job.start()?;
        let followers = Followers::start()?;
        thread::sleep(SETTLE);
        let before = server.usage()?;
        let (tcp_before, slab_before) = (usage::kernel_tcp_bytes()?, usage::kernel_slab_bytes()?);
        let took = followers.open(opening(&server, &work.path, connections, work.groups))?;
        let (opened, connects) = (server.usage()?, followers.report()?.connects);
        if work.after_an_event {
            let events = 0..work.groups;
            let schedule = Schedule::new(events.end);
            followers.measure(&schedule, events.start)?;
            Publishing { server: server.addr, run: 1, events: events.clone(), groups: work.groups, batch: 1, rate: None, connections: 1 }
                .run(&schedule)?;
            followers.complete(&events, work.groups, connections)?;
        }
        thread::sleep(SETTLE);
        let idle = server.usage()?;
        let (tcp, slab) = (usage::kernel_tcp_bytes()?, usage::kernel_slab_bytes()?);
        let each = |bytes: u64| bytes as f64 / connections as f64;
        let mut figures = Figures::default();
        figures.set("connects_per_second", connections as f64 / took.as_secs_f64());
        figures.set("cpu_per_connect_us", opened.cpu_since(&before) * 1e6 / connections as f64);
        figures.set("pss_per_connection_bytes", each(idle.pss.saturating_sub(before.pss)));
        figures.set("pss_bytes", idle.pss as f64);
        figures.set("kernel_tcp_per_connection_bytes", each(tcp.saturating_sub(tcp_before)));
        // both ends of a connection are on this machine
        figures.set("kernel_slab_per_socket_bytes", each(slab.saturating_sub(slab_before)) / 2.0);
        figures.percentiles("connect", &connects);
        followers.close_all()?;
        done(job.outcome(&[("connections", connections as u64)], figures));
    }
    Ok(())
}
