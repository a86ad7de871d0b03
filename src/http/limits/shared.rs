//! The connections of a subject, counted on all instances: beside this instance's own count, as long as the others' can be known.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;

use crate::backplane::{LeaseKey, Leases};

/// See the module.
pub struct SharedPlaces {
    leases: Arc<dyn Leases>,
    /// Under which subjects are counted, so that the counts tell no names.
    key: hmac::Key,
}

/// One connection in the counts of all instances; leaves them when dropped, without waiting.
#[derive(Debug)]
pub(super) struct SharedPlace {
    of: Arc<SharedPlaces>,
    key: LeaseKey,
}

impl SharedPlaces {
    /// Counts with these leases, under names that only whoever has the secret can make.
    #[must_use]
    pub fn new(leases: Arc<dyn Leases>, secret: &[u8; 32]) -> Arc<Self> {
        Arc::new(Self { leases, key: hmac::Key::new(hmac::HMAC_SHA256, secret) })
    }

    /// Whether the others' connections are counted at the moment.
    pub(super) fn are_shared(&self) -> bool {
        self.leases.are_shared()
    }

    /// One more of `subject` of a tenant, unless all instances hold `most`; where nobody knows, the count of this instance has to do.
    pub(super) async fn take(self: &Arc<Self>, subject: (&str, &str), most: u32) -> Option<SharedPlace> {
        let key = self.name(subject);
        match self.leases.take(key, most).await {
            Ok(false) => return None,
            Ok(true) => {}
            // it is there, and is counted as soon as somebody counts
            Err(_) => self.leases.note(key),
        }
        Some(SharedPlace { of: self.clone(), key })
    }

    fn name(&self, (tenant, subject): (&str, &str)) -> LeaseKey {
        let mut text = hmac::Context::with_key(&self.key);
        text.update(b"chaincast held places");
        // no two of a tenant and a subject are the same text
        text.update(&(tenant.len() as u64).to_be_bytes());
        text.update(tenant.as_bytes());
        text.update(subject.as_bytes());
        let digest = text.sign();
        LeaseKey(*digest.as_ref().first_chunk().expect("HMAC-SHA256 is 32 bytes long"))
    }
}

impl fmt::Debug for SharedPlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedPlaces(…)")
    }
}

impl Drop for SharedPlace {
    fn drop(&mut self) {
        self.of.leases.give_back(self.key);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        collections::HashMap,
        sync::{
            Mutex,
            atomic::{AtomicBool, Ordering},
        },
    };

    use async_trait::async_trait;

    use super::*;
    use crate::backplane::Away;

    /// Counts in memory, unless it is away.
    #[derive(Default)]
    pub(in crate::http) struct FakeLeases {
        pub(in crate::http) away: AtomicBool,
        held: Mutex<HashMap<LeaseKey, u32>>,
    }

    impl FakeLeases {
        /// What is held of all keys.
        pub(in crate::http) fn held(&self) -> u32 {
            self.held.lock().expect("lock").values().sum()
        }

        pub(in crate::http) fn keys(&self) -> Vec<LeaseKey> {
            self.held.lock().expect("lock").keys().copied().collect()
        }
    }

    #[async_trait]
    impl Leases for FakeLeases {
        async fn take(&self, key: LeaseKey, most: u32) -> Result<bool, Away> {
            if !self.are_shared() {
                return Err(Away);
            }
            let mut held = self.held.lock().expect("lock");
            let count = held.entry(key).or_default();
            let room = *count < most;
            *count += u32::from(room);
            Ok(room)
        }

        fn note(&self, key: LeaseKey) {
            *self.held.lock().expect("lock").entry(key).or_default() += 1;
        }

        fn give_back(&self, key: LeaseKey) {
            *self.held.lock().expect("lock").get_mut(&key).expect("held") -= 1;
        }

        fn are_shared(&self) -> bool {
            !self.away.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_name_is_of_one_subject_of_one_tenant_under_one_secret_and_tells_nothing() {
        let places = |secret: u8| SharedPlaces::new(Arc::<FakeLeases>::default(), &[secret; 32]);
        let one = places(1);
        let name = one.name(("acme", "alice"));
        assert_eq!(name, one.name(("acme", "alice")));
        for other in [one.name(("acmea", "lice")), one.name(("acme", "alicf")), places(2).name(("acme", "alice"))] {
            assert_ne!(name, other);
        }
        assert_eq!(format!("{one:?}"), "SharedPlaces(…)");
    }
}
