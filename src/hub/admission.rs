//! The one count of connections, and each log's share of it.
//!
//! actix no longer counts a connection that has left it, so room is granted here and given back by `Drop`, whoever holds the permit.
//! Connections that are held are never closed to make room: new ones are refused. A log's own admission lies within the instance's: whoever is
//! admitted has a place in both.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::{CloseReason, Hub};

/// No limit.
const UNLIMITED: usize = usize::MAX;

/// Grants connections up to a limit, and none while draining.
#[derive(Debug)]
pub struct Admission {
    /// The instance's, if this is a log's.
    within: Option<Arc<Self>>,
    max: AtomicUsize,
    now: AtomicUsize,
    peak: AtomicUsize,
    opened: AtomicUsize,
    refused: AtomicUsize,
    draining: AtomicBool,
}

/// Room for one connection, and whatever else ends with it; keeps the hub that gave it.
#[derive(Debug)]
pub struct Permit {
    of: Arc<Admission>,
    hub: Option<Arc<Hub>>,
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl Permit {
    /// Keeps `guard` until the connection ends, and then drops it.
    pub fn keep(&mut self, guard: Box<dyn Any + Send + Sync>) {
        self.kept.push(guard);
    }

    /// As long as this is held, so is `hub`.
    pub(super) fn keeping(mut self, hub: Arc<Hub>) -> Self {
        self.hub = Some(hub);
        self
    }
}

impl Admission {
    /// Room for `max` connections.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self::with(max, None))
    }

    /// Room within the instance's, without a limit of its own until [`Admission::set_max`].
    #[must_use]
    pub fn within(instance: Arc<Self>) -> Arc<Self> {
        Arc::new(Self::with(UNLIMITED, Some(instance)))
    }

    fn with(max: usize, within: Option<Arc<Self>>) -> Self {
        Self {
            within,
            max: AtomicUsize::new(max),
            now: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        }
    }

    /// Changes the limit; `None`: no limit but the instance's. Connections above it stay.
    pub fn set_max(&self, max: Option<usize>) {
        self.max.store(max.unwrap_or(UNLIMITED), Ordering::Release);
    }

    /// Room for one connection.
    ///
    /// # Errors
    /// Why there is none; it will pass.
    pub fn admit(self: &Arc<Self>) -> Result<Permit, CloseReason> {
        match self.take() {
            Ok(()) => Ok(Permit { of: self.clone(), hub: None, kept: Vec::new() }),
            Err(reason) => {
                self.each(|admission| {
                    admission.refused.fetch_add(1, Ordering::Relaxed);
                });
                Err(reason)
            }
        }
    }

    fn take(&self) -> Result<(), CloseReason> {
        if self.is_draining() {
            return Err(CloseReason::Draining);
        }
        let max = self.max.load(Ordering::Acquire);
        let taken = self.now.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < max).then_some(now + 1));
        let before = taken.map_err(|_| if self.within.is_some() { CloseReason::Limited } else { CloseReason::Overloaded })?;
        if let Some(instance) = &self.within
            && let Err(reason) = instance.take()
        {
            self.now.fetch_sub(1, Ordering::AcqRel);
            return Err(reason);
        }
        self.peak.fetch_max(before + 1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// This, and what it lies within.
    fn each(&self, act: impl Fn(&Self)) {
        act(self);
        if let Some(instance) = &self.within {
            act(instance);
        }
    }

    /// From now on nobody is admitted.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether [`Admission::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire) || self.within.as_ref().is_some_and(|instance| instance.is_draining())
    }

    /// Connections held now.
    #[must_use]
    pub fn now(&self) -> usize {
        self.now.load(Ordering::Acquire)
    }

    /// The most connections held at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// Connections ever admitted.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections ever refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// The limit that counts: its own, or the instance's.
    #[must_use]
    pub fn max(&self) -> usize {
        let own = self.max.load(Ordering::Acquire);
        self.within.as_ref().map_or(own, |instance| own.min(instance.max()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.each(|admission| {
            admission.now.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(admission: &Admission) -> (usize, usize, usize, usize) {
        (admission.now(), admission.peak(), admission.opened(), admission.refused())
    }

    #[test]
    fn room_is_given_back_when_a_permit_is_dropped() {
        let admission = Admission::new(1);
        let held = admission.admit().expect("room");
        assert_eq!(admission.admit().err(), Some(CloseReason::Overloaded));
        drop(held);
        assert!(admission.admit().is_ok());
        assert_eq!(counts(&admission), (0, 1, 2, 1));
        admission.drain();
        assert_eq!(admission.admit().err(), Some(CloseReason::Draining));
    }

    #[test]
    fn what_a_permit_keeps_ends_with_it() {
        let guard = Arc::new(());
        let mut permit = Admission::new(1).admit().expect("room");
        permit.keep(Box::new(guard.clone()));
        assert_eq!(Arc::strong_count(&guard), 2);
        drop(permit);
        assert_eq!(Arc::strong_count(&guard), 1);
    }

    #[test]
    fn whoever_is_admitted_has_a_place_in_the_instance_too_and_is_told_which_limit_refused() {
        let instance = Admission::new(3);
        let (one, other) = (Admission::within(instance.clone()), Admission::within(instance.clone()));
        one.set_max(Some(2));
        let held = [one.admit(), one.admit()].map(|permit| permit.expect("room"));
        assert_eq!(one.admit().err(), Some(CloseReason::Limited));
        let last = other.admit().expect("room");
        assert_eq!(other.admit().err(), Some(CloseReason::Overloaded));
        assert_eq!((counts(&one), counts(&other), counts(&instance)), ((2, 2, 2, 1), (1, 1, 1, 1), (3, 3, 3, 2)));
        drop(held);
        assert_eq!((one.now(), instance.now()), (0, 1));
        one.set_max(None);
        let more = [one.admit(), one.admit()];
        assert!(more.iter().all(Result::is_ok));
        instance.drain();
        drop(last);
        assert_eq!(other.admit().err(), Some(CloseReason::Draining));
    }

    #[test]
    fn a_limit_that_is_lowered_closes_nobody() {
        let admission = Admission::within(Admission::new(9));
        let held = [admission.admit(), admission.admit()];
        admission.set_max(Some(1));
        assert_eq!((admission.now(), admission.max(), admission.admit().err()), (2, 1, Some(CloseReason::Limited)));
        drop(held);
        assert!(admission.admit().is_ok());
    }
}
