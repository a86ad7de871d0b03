//! chaincast (draft)
pub mod backplane;
pub mod domain;
pub mod ingest;
pub mod log;
