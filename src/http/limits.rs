//! How much one client may ask for: rates by GCRA (`governor`), and what is held at once by counting.
//!
//! New work is refused, what is held is never taken away. A limit is counted by address, subject or credential, never by what a client
//! could choose freely; so the number of keys is bounded by the work that was accepted, and keys that have been quiet are forgotten
//! ([`Limits::forget_quiet`]). Counts are of this instance; of the connections of one subject also of the others, where instances share
//! counts ([`SharedPlaces`]). The events a second that one connection is sent are the hub's to pace.

mod held;
mod limit;
mod rate;
mod shared;

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub use self::{
    held::Place,
    limit::{Limit, Limited},
    shared::SharedPlaces,
};
use self::{
    held::{Held, Subject},
    rate::Rate,
};
use super::client::ClientNet;

/// The limits; zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// Held at once by one address.
    pub connections_per_address: u32,
    /// Held at once by one subject.
    pub connections_per_subject: u32,
    /// New ones a minute from one address.
    pub new_per_address: u32,
    /// New ones a minute of one subject.
    pub new_per_subject: u32,
    /// Refused credentials a minute from one address.
    pub refused_per_address: u32,
    /// Events a second published with one credential.
    pub publish_per_second: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Limits {
    settings: LimitSettings,
    addresses: Option<Rate<ClientNet>>,
    subjects: Option<Rate<Subject>>,
    refused: Option<Rate<ClientNet>>,
    /// Addresses that are not heard, and until when.
    unheard: Mutex<HashMap<ClientNet, Instant>>,
    /// One limiter for each rate that a tenant has.
    publishers: Mutex<HashMap<NonZeroU32, Arc<Rate<Subject>>>>,
    held_by_address: Arc<Held<ClientNet>>,
    held_by_subject: Arc<Held<Subject>>,
    /// What other instances hold.
    shared: Option<Arc<SharedPlaces>>,
    counts: [AtomicU64; Limit::ALL.len()],
}

impl Limits {
    /// Limits as set; `default()` settings are none.
    #[must_use]
    pub fn new(settings: LimitSettings) -> Arc<Self> {
        Self::sharing(settings, None)
    }

    /// Limits as set, with the connections of a subject counted on all instances.
    #[must_use]
    pub fn sharing(settings: LimitSettings, shared: Option<Arc<SharedPlaces>>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            addresses: Rate::per_minute(settings.new_per_address),
            subjects: Rate::per_minute(settings.new_per_subject),
            refused: Rate::per_minute(settings.refused_per_address),
            unheard: Mutex::default(),
            settings,
            publishers: Mutex::default(),
            held_by_address: Arc::default(),
            held_by_subject: Arc::default(),
            counts: Default::default(),
        })
    }

    /// Whether an address is heard, or has presented too many credentials that were refused: asked before another one is checked, which
    /// costs.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn hear(&self, address: Option<ClientNet>) -> Result<(), Limited> {
        let until = address.and_then(|address| self.unheard().get(&address).copied());
        let wait = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if wait.is_zero() { Ok(()) } else { self.count(Err(Limited::after(Limit::RefusedCredentials, wait))) }
    }

    /// Notes that an address presented a credential that was refused.
    pub fn refused_credential(&self, address: Option<ClientNet>) {
        if let Some((refused, address)) = self.refused.as_ref().zip(address)
            && let Err(limited) = refused.take(&address, Limit::RefusedCredentials)
        {
            self.unheard().insert(address, Instant::now() + limited.retry_after);
        }
    }

    fn unheard(&self) -> MutexGuard<'_, HashMap<ClientNet, Instant>> {
        self.unheard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new connection of what `address` may begin; before anything that costs is done for it.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn arrive(&self, address: Option<ClientNet>) -> Result<(), Limited> {
        let Some((rate, address)) = self.addresses.as_ref().zip(address) else { return Ok(()) };
        self.count(rate.take(&address, Limit::AddressRate))
    }

    /// Takes a new connection of what `subject` of a tenant may begin.
    ///
    /// # Errors
    /// [`Limited`].
    pub fn begin(&self, subject: Option<(&str, &str)>) -> Result<(), Limited> {
        let Some((rate, (tenant, subject))) = self.subjects.as_ref().zip(subject) else { return Ok(()) };
        self.count(rate.take(&(tenant.into(), subject.into()), Limit::SubjectRate))
    }

    /// A place among what is held here by `address`, and by `subject` of a tenant; what is `None` is not counted. The other
    /// instances are not asked: for what is over in a moment that does, and for a stream [`Limits::share`] follows.
    ///
    /// # Errors
    /// [`Limited`] says by which limit, and when to come back.
    pub fn hold(&self, address: Option<ClientNet>, subject: Option<(&str, &str)>) -> Result<Place, Limited> {
        self.count(self.try_hold(address, subject))
    }

    /// Gives `place`, which `subject` of a tenant holds here, a place among what it holds on all instances too. Asks a network: last of all
    /// counts.
    ///
    /// # Errors
    /// [`Limited`].
    pub async fn share(&self, place: &mut Place, subject: Option<(&str, &str)>) -> Result<(), Limited> {
        let most = self.settings.connections_per_subject;
        if let (Some(shared), Some(subject), 1..) = (&self.shared, subject, most) {
            let taken = shared.take(subject, most).await.ok_or(Limited::full(Limit::SubjectConnections));
            place.lease = Some(self.count(taken)?);
        }
        Ok(())
    }

    /// Whether the connections of a subject are counted on all instances at the moment; `None`: they never are.
    pub fn are_shared(&self) -> Option<bool> {
        self.shared.as_ref().map(|shared| shared.are_shared())
    }

    /// Notes that a tenant had no room for a connection, and says it as the other limits do.
    pub fn tenant_is_full(&self) -> Limited {
        let full = Limited::full(Limit::TenantConnections);
        self.counts[full.by as usize].fetch_add(1, Ordering::Relaxed);
        full
    }

    fn try_hold(&self, address: Option<ClientNet>, subject: Option<(&str, &str)>) -> Result<Place, Limited> {
        let subject: Option<Subject> = subject.map(|(tenant, subject)| (tenant.into(), subject.into()));
        let mut place = Place { address: None, subject: None, lease: None };
        if let Some(address) = address {
            let most = self.settings.connections_per_address;
            self.held_by_address.take(&address, most).ok_or(Limited::full(Limit::AddressConnections))?;
            place.address = Some((self.held_by_address.clone(), address));
        }
        if let Some(subject) = subject {
            let most = self.settings.connections_per_subject;
            self.held_by_subject.take(&subject, most).ok_or(Limited::full(Limit::SubjectConnections))?;
            place.subject = Some((self.held_by_subject.clone(), subject));
        }
        Ok(place)
    }

    /// Takes `events` of what `subject` of a tenant may publish; `own` is its tenant's own rate, and `largest` the largest request there
    /// can be.
    ///
    /// # Errors
    /// [`Limited`], with nothing taken.
    pub fn publish(&self, subject: (&str, &str), events: usize, own: Option<u32>, largest: usize) -> Result<(), Limited> {
        let events = NonZeroU32::new(u32::try_from(events).unwrap_or(u32::MAX));
        let Some((rate, events)) = NonZeroU32::new(own.unwrap_or(self.settings.publish_per_second)).zip(events) else { return Ok(()) };
        let limiter = self.publishers().entry(rate).or_insert_with(|| Arc::new(Rate::per_second(rate, largest))).clone();
        self.count(limiter.take_many(&(subject.0.into(), subject.1.into()), events, Limit::PublishRate))
    }

    fn publishers(&self) -> MutexGuard<'_, HashMap<NonZeroU32, Arc<Rate<Subject>>>> {
        // an insertion leaves a whole map
        self.publishers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often each limit refused.
    pub fn refusals(&self) -> impl Iterator<Item = (Limit, u64)> {
        Limit::ALL.into_iter().map(|limit| (limit, self.counts[limit as usize].load(Ordering::Relaxed)))
    }

    /// Connections that are counted now, by address and by subject.
    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        (self.held_by_address.keys(), self.held_by_subject.keys())
    }

    /// Forgets the keys that have been quiet for so long that they have all of their rate again. To be called from time to time.
    pub fn forget_quiet(&self) {
        self.addresses.iter().chain(&self.refused).for_each(Rate::forget_quiet);
        self.subjects.iter().for_each(Rate::forget_quiet);
        let now = Instant::now();
        self.unheard().retain(|_, until| *until > now);
        let mut publishers = self.publishers();
        publishers.values().for_each(|rate| rate.forget_quiet());
        // a rate that no tenant has any more
        publishers.retain(|_, rate| !rate.is_empty());
    }

    fn count<T>(&self, outcome: Result<T, Limited>) -> Result<T, Limited> {
        outcome.inspect_err(|limited| {
            self.counts[limited.by as usize].fetch_add(1, Ordering::Relaxed);
        })
    }
}

#[cfg(test)]
mod tests;
