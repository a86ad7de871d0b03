//! Keys that an issuer publishes: fetched now and then, and when a token names one that is not known.
//!
//! One fetch at a time; whoever needs it waits for the one that is underway. It runs on a thread of its own and lands whether or not anyone still waits.
//! Tokens cause at most one fetch in [`JwksSettings::spacing`], so that invented names cannot turn this service against the issuer's.
//! A fetch that fails leaves the keys as they are until they are [`JwksSettings::stale`]; one that succeeds replaces them all, so a key that the
//! issuer has withdrawn ends there.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    JwksSettings, JwtConfigError, TokenError,
    fetch::{FetchError, Fetcher},
    key_set::KeySet,
};

/// What a waiting token has on top of the fetch's own deadline, for threads that are busy.
const GRACE: Duration = Duration::from_secs(1);

pub(super) struct Remote {
    fetcher: Fetcher,
    refresh: Duration,
    stale: Duration,
    spacing: Duration,
    patience: Duration,
    keys: ArcSwapOption<KeySet>,
    flight: Mutex<Flight>,
    /// Counts fetches that have ended.
    landed: watch::Sender<u64>,
}

#[derive(Default)]
struct Flight {
    underway: bool,
    started: Option<Instant>,
    succeeded: Option<Instant>,
    condition: Condition,
}

/// What is known of the keys: each change is logged once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Condition {
    #[default]
    Unasked,
    /// The last fetch succeeded.
    Fresh,
    /// It failed, and the keys are those of an earlier one.
    Kept,
    /// It failed, and there are none, or none that are young enough.
    Without,
}

impl Remote {
    pub(super) fn new(settings: &JwksSettings) -> Result<Self, JwtConfigError> {
        Ok(Self {
            fetcher: Fetcher::new(settings)?,
            refresh: settings.refresh,
            stale: settings.stale,
            spacing: settings.spacing,
            patience: settings.deadline + GRACE,
            keys: ArcSwapOption::empty(),
            flight: Mutex::default(),
            landed: watch::Sender::new(0),
        })
    }

    /// The keys at hand.
    pub(super) fn known(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// The keys, fetched if there are none.
    pub(super) async fn with_any(self: &Arc<Self>) -> Result<Arc<KeySet>, TokenError> {
        if let Some(keys) = self.known() {
            return Ok(keys);
        }
        self.renew().await?;
        self.known().ok_or(TokenError::KeysUnavailable)
    }

    /// The keys, fetched if none has this name and a fetch is due.
    ///
    /// A name that is not among the keys of a fetch that failed may be a new key's: nobody can tell, so that is no reason to refuse it.
    pub(super) async fn with_key(self: &Arc<Self>, id: &str) -> Result<Arc<KeySet>, TokenError> {
        let has = |keys: &Arc<KeySet>| keys.named(id).is_some();
        if let Some(keys) = self.known().filter(has) {
            return Ok(keys);
        }
        self.renew().await?;
        let keys = self.known().ok_or(TokenError::KeysUnavailable)?;
        if has(&keys) || self.flight().condition == Condition::Fresh { Ok(keys) } else { Err(TokenError::KeysUnavailable) }
    }

    /// Waits for a fetch, if one is underway or due.
    async fn renew(self: &Arc<Self>) -> Result<(), TokenError> {
        let Some(mut landing) = self.fetch(self.spacing) else { return Ok(()) };
        match timeout(self.patience, landing.changed()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(TokenError::KeysUnavailable),
        }
    }

    /// Fetches again and again, sooner after a failure.
    pub(super) async fn keep_fresh(self: &Arc<Self>) {
        loop {
            if let Some(mut landing) = self.fetch(Duration::ZERO) {
                let _ = landing.changed().await;
            }
            let pause = match self.flight().condition {
                Condition::Fresh => self.refresh,
                _ => self.refresh.min(self.spacing),
            };
            // instances that started together need not ask together
            sleep(pause.mul_f64(0.9 + 0.1 * fastrand::f64())).await;
        }
    }

    /// Starts a fetch unless one is underway, or was started less than `spacing` ago. What is returned changes when the fetch has ended.
    fn fetch(self: &Arc<Self>, spacing: Duration) -> Option<watch::Receiver<u64>> {
        let mut flight = self.flight();
        // under the lock, so that the landing cannot be missed
        let landing = self.landed.subscribe();
        if flight.underway {
            return Some(landing);
        }
        if flight.started.is_some_and(|started| started.elapsed() < spacing) {
            return None;
        }
        flight.underway = true;
        flight.started = Some(Instant::now());
        drop(flight);
        let underway = Underway(self.clone());
        spawn_blocking(move || {
            let remote = &underway.0;
            remote.settle(remote.fetcher.fetch());
        });
        Some(landing)
    }

    fn settle(&self, result: Result<KeySet, FetchError>) {
        let mut flight = self.flight();
        let before = flight.condition;
        match result {
            Ok(keys) => {
                flight.condition = Condition::Fresh;
                flight.succeeded = Some(Instant::now());
                if before != Condition::Fresh {
                    tracing::info!(keys = keys.len(), "the keys for tokens were fetched");
                }
                self.keys.store(Some(Arc::new(keys)));
            }
            Err(error) => {
                let young = flight.succeeded.is_some_and(|at| at.elapsed() < self.stale);
                flight.condition = if young { Condition::Kept } else { Condition::Without };
                if !young {
                    self.keys.store(None);
                }
                if before != flight.condition {
                    let consequence = if young { "those at hand stay in use" } else { "tokens cannot be checked" };
                    tracing::warn!(%error, "the keys for tokens could not be fetched: {consequence}");
                }
            }
        }
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        // every change of it is a plain assignment, so a panic elsewhere leaves it whole
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch that is underway: it lands even if it panics, or is never run because its runtime ends.
struct Underway(Arc<Remote>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.flight().underway = false;
        self.0.landed.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;
    use crate::auth::Authorities;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lock").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_change_of_state_is_logged_once() {
        let settings = JwksSettings { authorities: Authorities::Only(vec![vec![0]]), ..JwksSettings::new("https://127.0.0.1/keys") };
        let remote = Remote::new(&settings).expect("settings");
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            for result in [Err(500), Err(500), Ok(()), Ok(()), Err(404), Err(404), Ok(())] {
                remote.settle(result.map(|()| KeySet::new(Vec::new())).map_err(FetchError::Status));
            }
        });
        let text = String::from_utf8(written.0.lock().expect("lock").clone()).expect("UTF-8");
        let what = |line: &str| line.split_once("remote: ").map(|(_, what)| what.to_owned());
        let expected = [
            "the keys for tokens could not be fetched: tokens cannot be checked error=it answered with status 500",
            "the keys for tokens were fetched keys=0",
            "the keys for tokens could not be fetched: those at hand stay in use error=it answered with status 404",
            "the keys for tokens were fetched keys=0",
        ];
        assert_eq!(text.lines().filter_map(what).collect::<Vec<_>>(), expected, "{text}");
    }
}
