//! The scenarios: the real service, run as its users run it.

mod architecture;
mod bad_input;
mod bad_input_sockets;
mod drain;
mod durability;
mod log_contract;
mod outage;
mod publish;
mod resume;
mod resume_gaps;
mod sse_disconnects;
mod sse_wire;
mod stellar;
mod support;
mod two_processes;
