//! What the scenarios stand on: real processes, real sockets, and a naive model of the log to hold the transcripts against.
//!
//! Nothing here knows the service's own types. A scenario sees what a client sees; a fault shared by the service and its tests would
//! otherwise go unnoticed. Every wait is for a condition, has a timeout, and says on failure what was received instead.

pub(crate) mod chunked;
pub(crate) mod fault_proxy;
pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod naive_filter;
pub mod postgres;
pub(crate) mod process;
pub(crate) mod publisher;
pub(crate) mod raw;
pub(crate) mod sse_client;
pub(crate) mod sse_connection;
pub(crate) mod sse_parser;
pub(crate) mod store;
pub(crate) mod wait;

use std::path::{Path, PathBuf};

/// A directory that is gone when the test is.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("chaincast-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&path).expect("a temporary directory can be made");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
