//! The streams that are open on this instance, so that they end with what allowed them.
//!
//! The list knows who opened a stream and how to end it, nothing else. Whoever opens one registers it *before* the last look at what is revoked,
//! and whoever revokes changes that *before* it walks the list: one of the two sees the other. Nothing of a stream is called under the lock.
//!
//! Of a ticket the newest use counts. A use is expected here from before the store is asked until its stream has ended, so the news of a newer one
//! finds it even when it comes before the stream does, and nothing is remembered of tickets that nobody here holds.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use slab::Slab;

use crate::{
    auth::{AuthError, Credential, Principal, revocation::Marks},
    domain::{LogName, Timestamp},
    log::SecretDigest,
};

/// How many streams are looked at under one lock: registering never waits for a walk over all.
const STRIDE: usize = 512;

/// Why a stream is ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What it was opened with is not taken any more.
    Revoked,
    /// Its ticket was used again.
    Superseded,
}

/// A stream that can be ended from any thread.
pub trait LiveStream: Send + Sync {
    /// Ends it. May be called more than once; the first counts.
    fn end(&self, why: Ending);
}

/// Who opened a stream, as far as it matters for ending it.
#[derive(Debug)]
pub(super) enum Whose {
    Open,
    Anonymous,
    Key(Box<str>),
    Token(Box<TokenMarks>),
}

#[derive(Debug)]
pub(super) struct TokenMarks {
    tenant: LogName,
    subject: Option<Box<str>>,
    token_id: Option<Box<str>>,
    issued_at: Option<Timestamp>,
    is_super_admin: bool,
}

impl TokenMarks {
    pub(super) fn marks(&self) -> Marks<'_> {
        let Self { tenant, subject, token_id, issued_at, is_super_admin } = self;
        let (subject, token_id) = (subject.as_deref(), token_id.as_deref());
        Marks { tenant, subject, token_id, issued_at: *issued_at, is_super_admin: *is_super_admin }
    }
}

impl Whose {
    pub(super) fn of(principal: &Principal) -> Self {
        match &principal.credential {
            Credential::Open => Self::Open,
            Credential::Anonymous => Self::Anonymous,
            Credential::Key(id) | Credential::Signature(id) => Self::Key(id.clone()),
            Credential::Token => Self::Token(Box::new(TokenMarks {
                tenant: principal.tenant.clone(),
                subject: principal.subject.clone(),
                token_id: principal.token_id.clone(),
                issued_at: principal.issued_at,
                is_super_admin: principal.is_super_admin(),
            })),
        }
    }
}

#[derive(Default)]
pub(super) struct Streams(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    live: Slab<Live>,
    tickets: HashMap<SecretDigest, Ticket>,
}

struct Live {
    whose: Whose,
    stream: Arc<dyn LiveStream>,
}

/// A ticket that is used here, or about to be.
#[derive(Default)]
struct Ticket {
    /// How many [`TicketUse`]s there are.
    held: usize,
    /// The newest use that is known, of any instance.
    newest: u64,
    /// The newest use that has a stream here, and its place.
    live: Option<(u64, usize)>,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().live.len()
    }

    /// Expects a use of a ticket, which the store has yet to count.
    pub(super) fn expect(self: &Arc<Self>, digest: SecretDigest) -> TicketUse {
        self.lock().tickets.entry(digest).or_default().held += 1;
        TicketUse { streams: Arc::clone(self), digest, uses: 0 }
    }

    /// Puts a stream on the list, and ends the one that an older use of its ticket has opened.
    pub(super) fn register(
        self: &Arc<Self>,
        whose: Whose,
        ticket: Option<TicketUse>,
        stream: Arc<dyn LiveStream>,
    ) -> Result<Registration, AuthError> {
        let mut inner = self.lock();
        let Inner { live, tickets } = &mut *inner;
        let mut older = None;
        let entry = live.vacant_entry();
        let place = entry.key();
        if let Some(ticket) = &ticket {
            let known = tickets.entry(ticket.digest).or_default();
            if ticket.uses < known.newest {
                return Err(AuthError::Superseded);
            }
            known.newest = ticket.uses;
            older = known.live.replace((ticket.uses, place));
        }
        entry.insert(Live { whose, stream });
        let older = older.and_then(|(_, place)| live.get(place)).map(|live| Arc::clone(&live.stream));
        drop(inner);
        if let Some(older) = older {
            older.end(Ending::Superseded);
        }
        Ok(Registration { streams: Arc::clone(self), place, ticket: ticket.map(Box::new) })
    }

    /// Ends the streams whose opener `is_refused`.
    pub(super) fn end_those(&self, is_refused: impl Fn(&Whose) -> bool) {
        let mut from = 0;
        loop {
            let inner = self.lock();
            let places = from..inner.live.capacity().min(from + STRIDE);
            if places.is_empty() {
                return;
            }
            from = places.end;
            let refused = places.filter_map(|place| inner.live.get(place)).filter(|live| is_refused(&live.whose));
            let refused: Vec<_> = refused.map(|live| Arc::clone(&live.stream)).collect();
            drop(inner);
            for stream in refused {
                stream.end(Ending::Revoked);
            }
        }
    }

    /// Ends the streams of uses that are not their ticket's newest any more.
    pub(super) fn supersede(&self, newest: &[(SecretDigest, u64)]) {
        let mut inner = self.lock();
        let mut older = Vec::new();
        for (digest, uses) in newest {
            let Some(ticket) = inner.tickets.get_mut(digest) else { continue };
            ticket.newest = ticket.newest.max(*uses);
            let place = ticket.live.filter(|(live, _)| *live < ticket.newest).map(|(_, place)| place);
            older.extend(place.and_then(|place| inner.live.get(place)).map(|live| Arc::clone(&live.stream)));
        }
        drop(inner);
        for stream in older {
            stream.end(Ending::Superseded);
        }
    }

    fn deregister(&self, place: usize, ticket: Option<&TicketUse>) {
        let mut inner = self.lock();
        if let Some(known) = ticket.and_then(|ticket| inner.tickets.get_mut(&ticket.digest))
            && known.live.is_some_and(|(_, live)| live == place)
        {
            known.live = None;
        }
        let removed = inner.live.try_remove(place);
        drop(inner);
        // what the stream holds may end with it
        drop(removed);
    }
}

/// One use of a ticket. What it allows, it allows once: registering a stream takes it.
pub struct TicketUse {
    streams: Arc<Streams>,
    digest: SecretDigest,
    uses: u64,
}

impl TicketUse {
    /// The store has counted it.
    pub(super) fn counted(mut self, uses: u64) -> Self {
        self.uses = uses;
        let mut inner = self.streams.lock();
        let known = inner.tickets.entry(self.digest).or_default();
        known.newest = known.newest.max(uses);
        drop(inner);
        self
    }
}

impl Drop for TicketUse {
    fn drop(&mut self) {
        let mut inner = self.streams.lock();
        if let Some(known) = inner.tickets.get_mut(&self.digest) {
            known.held -= 1;
            if known.held == 0 {
                inner.tickets.remove(&self.digest);
            }
        }
    }
}

impl fmt::Debug for TicketUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketUse").field("uses", &self.uses).finish_non_exhaustive()
    }
}

/// A stream's place on the list, for as long as it is open.
#[must_use = "a stream that is not on the list is not ended"]
pub struct Registration {
    streams: Arc<Streams>,
    place: usize,
    ticket: Option<Box<TicketUse>>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.streams.deregister(self.place, self.ticket.as_deref());
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Streams {
    /// How many tickets are remembered.
    pub(super) fn tickets(&self) -> usize {
        self.lock().tickets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_nobody_had_to_show_anything_for_costs_next_to_nothing() {
        assert!(size_of::<Live>() <= 48 && size_of::<Registration>() <= 24);
    }
}
