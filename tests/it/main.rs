//! The scenarios: the real service, run as its users run it.

mod support;
