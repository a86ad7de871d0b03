//! How many requests are being handled: what a stop waits for, since idle connections have nothing to lose. And how those ended that were.
//!
//! A publisher that keeps its connection busy would be waited for for ever, so from the beginning of a stop every answer closes its connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::http::{Method, StatusCode};

use super::{failures::Failures, requests::Requests};

/// The count, shared by all workers.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    now: AtomicUsize,
    closing: AtomicBool,
    answered: Requests,
    failures: Failures,
}

/// One request; leaves when dropped.
#[derive(Debug)]
pub(super) struct Handled(InFlight);

impl InFlight {
    /// Requests that have not been answered yet.
    #[must_use]
    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::Acquire)
    }

    /// From now on every answer closes its connection.
    pub fn close_connections(&self) {
        self.0.closing.store(true, Ordering::Release);
    }

    /// How requests were answered.
    pub(super) fn answered(&self) -> &Requests {
        &self.0.answered
    }

    pub(super) fn enter(self) -> Handled {
        self.0.now.fetch_add(1, Ordering::AcqRel);
        Handled(self)
    }
}

impl Handled {
    /// Whether the answer is to close its connection.
    pub(super) fn closes(&self) -> bool {
        self.0.0.closing.load(Ordering::Acquire)
    }

    /// Which failures the log names.
    pub(super) fn failures(&self) -> &Failures {
        &self.0.0.failures
    }

    /// Counts the answer; of a stream its head.
    pub(super) fn count(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        self.0.answered().count(route, method, status, took);
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, Ordering::AcqRel);
    }
}
