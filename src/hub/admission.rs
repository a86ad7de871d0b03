//! The one count of connections.
//!
//! actix no longer counts a connection that has left it, so room is granted here and given back by `Drop`, whoever holds the permit.
//! Connections that are held are never closed to make room: new ones are refused.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::CloseReason;

/// Grants connections up to a limit, and none while draining.
#[derive(Debug)]
pub struct Admission {
    max: usize,
    now: AtomicUsize,
    peak: AtomicUsize,
    opened: AtomicUsize,
    refused: AtomicUsize,
    draining: AtomicBool,
}

/// Room for one connection, and whatever else ends with it.
#[derive(Debug)]
pub struct Permit {
    room: Arc<Admission>,
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl Permit {
    /// Keeps `guard` until the connection ends, and then drops it.
    pub fn keep(&mut self, guard: Box<dyn Any + Send + Sync>) {
        self.kept.push(guard);
    }
}

impl Admission {
    /// Room for `max` connections.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            now: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        })
    }

    /// Room for one connection.
    ///
    /// # Errors
    /// Why there is none; it will pass.
    pub fn admit(self: &Arc<Self>) -> Result<Permit, CloseReason> {
        let granted = if self.is_draining() {
            Err(CloseReason::Draining)
        } else {
            let taken = self.now.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < self.max).then_some(now + 1));
            taken.map_err(|_| CloseReason::Overloaded)
        };
        match granted {
            Ok(before) => {
                self.peak.fetch_max(before + 1, Ordering::Relaxed);
                self.opened.fetch_add(1, Ordering::Relaxed);
                Ok(Permit { room: self.clone(), kept: Vec::new() })
            }
            Err(reason) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(reason)
            }
        }
    }

    /// From now on nobody is admitted.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether [`Admission::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
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

    /// The limit.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.room.now.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_when_a_permit_is_dropped() {
        let admission = Admission::new(1);
        let held = admission.admit().expect("room");
        assert_eq!(admission.admit().err(), Some(CloseReason::Overloaded));
        drop(held);
        assert!(admission.admit().is_ok());
        assert_eq!((admission.now(), admission.peak(), admission.opened(), admission.refused()), (0, 1, 2, 1));
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
}
