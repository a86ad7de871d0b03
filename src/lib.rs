//! chaincast (draft)
pub mod backplane;
pub mod domain;
pub mod log;
