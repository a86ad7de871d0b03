//! The scenarios: the real service, run as its users run it.

mod append_before_deliver;
mod architecture;
mod bad_input;
mod bad_input_sockets;
mod drain;
mod durability;
mod failover;
mod log_contract;
mod outage;
mod proxies;
mod publish;
mod resume;
mod resume_gaps;
mod slow_attacks;
mod slow_consumers;
mod socket_patience;
mod sse_disconnects;
mod sse_manners;
mod sse_wire;
mod stellar;
mod support;
mod trimmed_underway;
mod two_processes;
