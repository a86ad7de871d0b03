//! A million connections on paper: the figures of a run, multiplied.

use super::table::thousands;
use crate::{outcome::Run, server::Kind};

const CONNECTIONS: f64 = 1e6;
/// What an event of this tool takes on the wire: chaincast's frame, and a TCP segment's headers.
const WIRE_BYTES: f64 = 480.0 + 66.0;
/// What a message through Redis takes beside what it says: signature, numbers, channel, RESP and a TCP segment's headers.
const MESSAGE_BYTES: f64 = 200.0;
/// How often an instance looks at the log by itself.
const LOOKS_PER_SECOND: f64 = 2.5;
/// Connections of an instance: within the descriptors of this machine, and with four cores and the limit raised.
const SIZES: [f64; 2] = [20_000.0, 100_000.0];

/// The table; nothing when a figure is missing.
pub(super) fn table(run: &Run) -> Option<String> {
    let ours = |scenario, figure| run.median(scenario, Kind::Chaincast, &[("connections", 10_000)], figure);
    let connection = ours("idle", "pss_per_connection_bytes")? + ours("idle", "kernel_slab_per_socket_bytes")?;
    let delivery = ours("paced", "cpu_per_delivery_us")? / 1e6;
    let connect = ours("idle", "cpu_per_connect_us")? / 1e6;
    let instances = |size: f64| CONNECTIONS / size;
    type Cell<'a> = Box<dyn Fn(f64) -> String + 'a>;
    let rows: [(&str, Cell<'_>); 7] = [
        ("instances", Box::new(|size| thousands(instances(size), 0))),
        (
            "memory of an instance for its connections, kernel's included",
            Box::new(|size| format!("{} MB", thousands(connection * size / 1e6, 0))),
        ),
        ("CPU of an instance at 1 event/s to all", Box::new(|size| format!("{:.2} cores", delivery * size))),
        ("network of an instance at 1 event/s to all", Box::new(|size| format!("{:.2} Gbit/s", WIRE_BYTES * size * 8.0 / 1e9))),
        ("CPU of an instance while all of its clients come back within 5 s", Box::new(|size| format!("{:.2} cores", connect * size / 5.0))),
        ("looks at the database, all instances", Box::new(|size| format!("{}/s", thousands(instances(size) * LOOKS_PER_SECOND, 0)))),
        (
            "Redis, out, at 1 event/s and one sign of life a second of each instance to each",
            // an envelope, and an empty message from everyone
            Box::new(|size| format!("{:.2} Mbit/s", instances(size) * (WIRE_BYTES + instances(size) * MESSAGE_BYTES) * 8.0 / 1e6)),
        ),
    ];
    let mut text = format!("| | {} an instance | {} an instance |\n|---|---:|---:|\n", thousands(SIZES[0], 0), thousands(SIZES[1], 0));
    for (what, cell) in rows {
        text += &format!("| {what} | {} | {} |\n", cell(SIZES[0]), cell(SIZES[1]));
    }
    Some(text)
}
