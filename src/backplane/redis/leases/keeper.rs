//! The task that tells Redis what is held here, and asks it for more.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::try_join_all;
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    super::{CALL_WITHIN, Redis, connection::RedisConnection, reason::lost, topology::Route},
    Ask, LeaseSettings,
    book::{Book, SLICES},
    outage::Outage,
    rounds::Rounds,
    script::Call,
};
use crate::backplane::{
    LeaseKey,
    carrier::{Connection as _, Lost},
};

/// Keys in one round trip.
const BATCH: usize = 512;
/// How many renewals there are within a lease. A renewal that is lost needs no other: with it the connection is, and the next one begins
/// with all.
const RENEWALS: u32 = 2;
/// How often Redis has to prove that it is there.
const PROBES_EVERY: Duration = Duration::from_secs(1);
/// Names that are tried for one of each node's: enough for a node of a single slot.
const MAX_NAMES: u32 = 1 << 18;

/// See the module.
pub(super) struct Keeper {
    redis: Redis,
    prefix: String,
    /// The name of this instance's fields.
    instance: Arc<str>,
    settings: LeaseSettings,
    book: Arc<Book>,
    asks: mpsc::Receiver<Ask>,
    /// What is still to be renewed of this slice.
    due: Vec<LeaseKey>,
}

/// Whoever asked is gone for good.
struct Over;

impl Keeper {
    pub(super) fn new(redis: Redis, prefix: String, settings: LeaseSettings, book: Arc<Book>, asks: mpsc::Receiver<Ask>) -> Self {
        Self { redis, prefix, instance: format!("{:016x}", fastrand::u64(..)).into(), settings, book, asks, due: Vec::new() }
    }

    /// Until whoever asks is gone.
    pub(super) async fn run(mut self) {
        let mut outage = Outage::new();
        loop {
            let ended = match self.restore().await {
                Ok(connection) => {
                    let _sharing = self.book.share();
                    self.serve(connection, &mut outage).await
                }
                Err(lost) => Err(lost),
            };
            let Err(lost) = ended else { return };
            let wait = outage.lost(&lost);
            if self.refuse_for(wait.mul_f64(0.5 + fastrand::f64())).await.is_err() {
                return;
            }
        }
    }

    /// A connection through which Redis was told all that is held here.
    async fn restore(&mut self) -> Result<RedisConnection, Lost> {
        let mut connection = self.redis.open().await?;
        reach_all(&mut connection).await?;
        self.ping(&mut connection).await?;
        for slice in 0..SLICES {
            self.due = self.book.slice(slice);
            while !self.due.is_empty() {
                self.round_trip(&mut connection, Vec::new()).await?;
            }
        }
        Ok(connection)
    }

    /// Tells whoever asks meanwhile that nobody can be asked.
    async fn refuse_for(&mut self, wait: Duration) -> Result<(), Over> {
        let waited = sleep(wait);
        tokio::pin!(waited);
        loop {
            tokio::select! {
                () = &mut waited => return Ok(()),
                ask = self.asks.recv() => drop(ask.ok_or(Over)?),
            }
        }
    }

    /// Until Redis is lost, or whoever asks is gone.
    async fn serve(&mut self, mut connection: RedisConnection, outage: &mut Outage) -> Result<Over, Lost> {
        let began = Instant::now();
        let mut rounds = Rounds::new(began, self.settings.lease / RENEWALS);
        let mut probes = ticks(PROBES_EVERY);
        loop {
            outage.is_there_for(began.elapsed());
            while self.due.is_empty()
                && let Some(slice) = rounds.due(Instant::now())
            {
                self.due = self.book.slice(slice);
            }
            let mut asks = Vec::new();
            if self.due.is_empty() && !self.book.has_changed() {
                tokio::select! {
                    found = self.asks.recv_many(&mut asks, BATCH) => if found == 0 {
                        return Ok(Over);
                    },
                    () = self.book.until_changed() => {}
                    () = sleep_until(rounds.next()) => {}
                    _ = probes.tick() => self.ping(&mut connection).await?,
                }
            }
            while asks.len() < BATCH
                && let Ok(ask) = self.asks.try_recv()
            {
                asks.push(ask);
            }
            self.round_trip(&mut connection, asks).await?;
        }
    }

    /// Proves that Redis is there where nothing else does.
    async fn ping(&self, connection: &mut RedisConnection) -> Result<(), Lost> {
        timeout(self.settings.patience, connection.ping()).await.unwrap_or_else(|_| Err(silent()))
    }

    /// Asks for these, and tells what changed or is due, as far as there is room: of each key once.
    async fn round_trip(&mut self, connection: &mut RedisConnection, asks: Vec<Ask>) -> Result<(), Lost> {
        let mut wanted: HashMap<LeaseKey, Vec<Ask>> = HashMap::new();
        for ask in asks {
            wanted.entry(ask.key).or_default().push(ask);
        }
        for key in self.book.take_changed(BATCH.saturating_sub(wanted.len())) {
            wanted.entry(key).or_default();
        }
        let room = BATCH.saturating_sub(wanted.len()).min(self.due.len());
        for key in self.due.drain(self.due.len() - room..) {
            wanted.entry(key).or_default();
        }
        let calls: Vec<_> = wanted.iter().map(|(key, asks)| self.call(*key, asks)).collect();
        let outcome = timeout(self.settings.patience, call_all(connection, calls)).await.unwrap_or_else(|_| Err(silent()));
        let granted = outcome.inspect_err(|_| {
            // before whoever waits is told, so that nobody asks once more
            self.book.is_alone();
            // what Redis was told or not is told again, and what it granted unheard is overwritten
            self.book.untold(wanted.keys().copied());
        })?;
        self.book.told();
        for ((key, asks), granted) in wanted.into_iter().zip(granted) {
            let granted = usize::try_from(granted).unwrap_or(usize::MAX);
            for (at, ask) in asks.into_iter().enumerate() {
                // whoever does not wait any more gives it back by dropping it
                let _ = ask.reply.send((at < granted).then(|| self.book.grant(key)));
            }
        }
        Ok(())
    }

    fn call(&self, key: LeaseKey, asks: &[Ask]) -> Call {
        Call {
            key: format!("{}:held:{key}", self.prefix),
            instance: self.instance.clone(),
            own: self.book.held(key),
            wanted: u32::try_from(asks.len()).unwrap_or(u32::MAX),
            most: asks.iter().map(|ask| ask.most).min().unwrap_or(0),
            lease_millis: u64::try_from(self.settings.lease.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Connects to every node that has keys, while nobody waits for it: a round trip leaves no time for that.
async fn reach_all(connection: &mut RedisConnection) -> Result<(), Lost> {
    let Route::Slots(slots) = connection.route() else { return Ok(()) };
    let mut unnamed = slots.addresses(usize::MAX);
    let mut names = Vec::with_capacity(unnamed.len());
    for name in (0..MAX_NAMES).map(|n| n.to_string()) {
        if unnamed.is_empty() {
            break;
        }
        // a slot that nobody has may be none that is ever needed
        let Ok(owner) = connection.route().node(&name) else { continue };
        if let Some(at) = unnamed.iter().position(|address| address == owner) {
            unnamed.swap_remove(at);
            names.push(name);
        }
    }
    for name in names {
        timeout(CALL_WITHIN, connection.owner(&name)).await.unwrap_or_else(|_| Err(silent()))?;
    }
    Ok(())
}

/// Their answers in the same order; what goes to one node goes out together.
async fn call_all(connection: &mut RedisConnection, calls: Vec<Call>) -> Result<Vec<u32>, Lost> {
    let mut running = Vec::with_capacity(calls.len());
    for call in calls {
        let node = connection.owner(&call.key).await?;
        running.push(call.run(node));
    }
    try_join_all(running).await.map_err(|error| lost(&error))
}

fn silent() -> Lost {
    Lost("it does not answer in time".to_owned())
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
