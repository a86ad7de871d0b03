//! What the scenarios stand on: real processes, real sockets, and a naive model of the log to hold the transcripts against.
//!
//! Nothing here knows the service's own types. A scenario sees what a client sees; a fault shared by the service and its tests would
//! otherwise go unnoticed. Every wait is for a condition, has a timeout, and says on failure what was received instead.

pub(crate) mod access;
pub(crate) mod chunked;
pub(crate) mod collector;
pub(crate) mod fault_proxy;
pub(crate) mod http;
pub(crate) mod lossy_redis;
pub(crate) mod model;
pub(crate) mod naive_filter;
pub(crate) mod postgres;
pub(crate) mod postgres_tap;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod publisher;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod sse_client;
pub(crate) mod sse_connection;
pub(crate) mod sse_parser;
pub(crate) mod store;
pub(crate) mod wait;
