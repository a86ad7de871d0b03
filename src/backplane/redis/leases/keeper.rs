//! The task that tells Redis what is held here, and asks it for more.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::try_join_all;
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    super::{Redis, connection::RedisConnection, reason::lost},
    Ask, LeaseSettings,
    book::Book,
    script::Call,
};
use crate::backplane::{
    LeaseKey,
    carrier::{Connection as _, Lost},
};

/// Keys in one round trip.
const BATCH: usize = 512;
/// How many renewals there are within a lease: all but one may be lost.
const RENEWALS: u32 = 4;
/// The first wait before Redis is looked for again, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// See the module.
pub(super) struct Keeper {
    redis: Redis,
    prefix: String,
    /// The name of this instance's fields.
    instance: Arc<str>,
    settings: LeaseSettings,
    book: Arc<Book>,
    asks: mpsc::Receiver<Ask>,
    /// What is still to be renewed in this round.
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
        let (mut wait, mut told) = (WAITS.0, false);
        loop {
            let lost = match self.restore().await {
                Ok(connection) => {
                    self.book.set_shared(true);
                    wait = WAITS.0;
                    if std::mem::take(&mut told) {
                        tracing::info!("connections of a subject are counted on all instances again");
                    }
                    let ended = self.serve(connection).await;
                    self.book.set_shared(false);
                    match ended {
                        Ok(Over) => return,
                        Err(lost) => lost,
                    }
                }
                Err(lost) => lost,
            };
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(%lost, "connections of a subject are counted on this instance alone until Redis is back");
            }
            if self.refuse_for(wait.mul_f64(0.5 + fastrand::f64())).await.is_err() {
                return;
            }
            wait = wait.saturating_mul(2).min(WAITS.1);
        }
    }

    /// A connection through which Redis was told all that is held here.
    async fn restore(&mut self) -> Result<RedisConnection, Lost> {
        let mut connection = self.redis.open().await?;
        self.ping(&mut connection).await?;
        self.due = self.book.all();
        while !self.due.is_empty() {
            self.round_trip(&mut connection, Vec::new()).await?;
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
    async fn serve(&mut self, mut connection: RedisConnection) -> Result<Over, Lost> {
        let renew_every = self.settings.lease / RENEWALS;
        let mut ticks = ticks(renew_every / RENEWALS);
        let mut renewed = Instant::now();
        loop {
            let mut asks = Vec::new();
            if self.due.is_empty() && !self.book.has_changed() {
                tokio::select! {
                    found = self.asks.recv_many(&mut asks, BATCH) => if found == 0 {
                        return Ok(Over);
                    },
                    () = self.book.until_changed() => {}
                    _ = ticks.tick() => self.ping(&mut connection).await?,
                }
            }
            if self.due.is_empty() && renewed.elapsed() >= renew_every {
                renewed = Instant::now();
                self.due = self.book.all();
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
            self.book.set_shared(false);
            // what Redis was told or not is told again, and what it granted unheard is overwritten
            self.book.untold(wanted.keys().copied());
        })?;
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
