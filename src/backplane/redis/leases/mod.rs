//! Counts that all instances share, in Redis: of each key one hash, which has a field for each instance with its count and when that ends.
//!
//! What an instance sends is never a difference but all that it holds (`n`), and how many more it wants; the [`script`] grants what is left
//! of the most, by the count of all instances whose lease has not ended, and sets the instance's own field. So a lost answer, a lost
//! message or a flushed Redis is put right by whatever is sent next, at the latest by the renewal. One task ([`keeper`]) sends: whatever
//! was asked meanwhile goes out together, once for each key, so that a storm of reconnects costs a few round trips.
//!
//! Nobody waits for a Redis that does not answer: the first round trip that takes longer than [`LeaseSettings::patience`] is the last one
//! until Redis has taken all that is held here. Until then every [`Leases::take`] is [`Away`] at once, what is taken all the same is told
//! with [`Leases::note`], and joins the counts when Redis is back.
//!
//! Keys are digests; Redis learns no names. Each is a key of its own slot, so that a cluster spreads them.

mod book;
mod keeper;
mod outage;
mod rounds;
mod script;

use std::{sync::Arc, time::Duration};

use ::redis::ConnectionInfo;
use async_trait::async_trait;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::{
    book::{Book, Grant},
    keeper::Keeper,
};
use super::{Redis, RedisUrl};
use crate::backplane::{Away, LeaseKey, Leases};

/// How many may wait to be asked for: more than a storm of reconnects.
const MAX_ASKS: usize = 32 * 1024;

/// How long the end of an instance waits for what it gave back to be told.
const SETTLES_WITHIN: Duration = Duration::from_secs(1);

/// How counts are kept.
#[derive(Clone, Copy, Debug)]
pub struct LeaseSettings {
    /// How long what a killed instance held is counted; renewed twice within.
    pub lease: Duration,
    /// How long Redis may take to answer.
    pub patience: Duration,
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self { lease: Duration::from_secs(20), patience: Duration::from_millis(250) }
    }
}

/// One that wants to be counted; dropped: nobody could be asked.
struct Ask {
    key: LeaseKey,
    most: u32,
    /// `None`: there is no room.
    reply: oneshot::Sender<Option<Grant>>,
}

/// See the module.
pub struct RedisLeases {
    book: Arc<Book>,
    asks: mpsc::Sender<Ask>,
    patience: Duration,
}

impl RedisLeases {
    /// Begins to look for Redis, on the current runtime, until this is dropped. Keys there begin with `prefix`.
    #[must_use]
    pub fn start(url: &RedisUrl, prefix: String, settings: LeaseSettings) -> Self {
        Self::over(url.seeds().to_vec(), prefix, settings)
    }

    pub(super) fn over(seeds: Vec<ConnectionInfo>, prefix: String, settings: LeaseSettings) -> Self {
        let redis = Redis::at(seeds, "chaincast-limits");
        let (asks, asked) = mpsc::channel(MAX_ASKS);
        let book = Arc::<Book>::default();
        tokio::spawn(Keeper::new(redis, prefix, settings, book.clone(), asked).run());
        Self { book, asks, patience: settings.patience }
    }
}

#[async_trait]
impl Leases for RedisLeases {
    async fn take(&self, key: LeaseKey, most: u32) -> Result<bool, Away> {
        if !self.are_shared() {
            return Err(Away);
        }
        let (reply, answer) = oneshot::channel();
        self.asks.try_send(Ask { key, most, reply }).map_err(|_| Away)?;
        // beyond Redis's own patience only behind many others
        match timeout(self.patience.saturating_mul(3), answer).await {
            Ok(Ok(Some(grant))) => {
                grant.keep();
                Ok(true)
            }
            Ok(Ok(None)) => Ok(false),
            Ok(Err(_)) | Err(_) => Err(Away),
        }
    }

    fn note(&self, key: LeaseKey) {
        self.book.note(key);
    }

    fn give_back(&self, key: LeaseKey) {
        self.book.give_back(key);
    }

    async fn settle(&self) {
        let _ = timeout(SETTLES_WITHIN, self.book.until_told()).await;
    }

    fn are_shared(&self) -> bool {
        self.book.is_shared()
    }
}
