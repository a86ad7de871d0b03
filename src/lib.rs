//! chaincast (draft)
pub mod backplane;
pub mod domain;
pub mod hub;
pub mod ingest;
pub mod log;
pub mod sse;
