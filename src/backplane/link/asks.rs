//! Questions to all other instances. An answer may be longer than a message, and comes in parts then.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{peers, shared::Shared};
use crate::backplane::{Answers, message::Said};

/// Questions of this instance that may be open at once.
const MAX_OPEN: usize = 32;
/// Parts of an answer.
const MAX_PARTS: u16 = 256;
/// Bytes of all answers to a question.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Questions of others that may be waiting for their answer at once.
const MAX_ANSWERING: usize = 32;
/// How long an answer to others may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// A part of an answer.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) from: u64,
    pub(super) part: u16,
    pub(super) parts: u16,
    pub(super) text: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Asks {
    last: AtomicU64,
    open: Mutex<HashMap<u64, mpsc::Sender<Part>>>,
    answering: Arc<Semaphore>,
}

impl Default for Asks {
    fn default() -> Self {
        // a number that an earlier question had is none that an old answer fits
        Self { last: AtomicU64::new(fastrand::u64(..)), open: Mutex::default(), answering: Arc::new(Semaphore::new(MAX_ANSWERING)) }
    }
}

impl Asks {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, mpsc::Sender<Part>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands on what somebody answered, if it is still asked for.
    pub(super) fn answered(&self, id: u64, part: Part) {
        if let Some(asking) = self.open().get(&id) {
            // full: the asker has more than it can take, and counts this one as missing
            let _ = asking.try_send(part);
        }
    }
}

/// A question that is open for as long as this lives.
struct Asking<'a> {
    asks: &'a Asks,
    id: u64,
    parts: mpsc::Receiver<Part>,
}

impl<'a> Asking<'a> {
    fn new(asks: &'a Asks) -> Option<Self> {
        let id = asks.last.fetch_add(1, Ordering::Relaxed);
        let (sender, parts) = mpsc::channel(peers::MAX);
        let mut open = asks.open();
        (open.len() < MAX_OPEN).then(|| {
            open.insert(id, sender);
            Self { asks, id, parts }
        })
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.asks.open().remove(&self.id);
    }
}

/// Asks all, until those known now have answered or patience is over.
pub(super) async fn ask(shared: &Shared, text: Vec<u8>, patience: Duration) -> Answers {
    let deadline = Instant::now() + patience;
    let mut missing = shared.peers.all();
    let nobody = Answers { texts: Vec::new(), missing: missing.len() };
    if missing.is_empty() || !shared.is_connected() {
        return nobody;
    }
    let Some(mut asking) = Asking::new(&shared.asks) else { return nobody };
    if !shared.say(&Said::Ask { id: asking.id, text: &text }) {
        return nobody;
    }
    let mut gathered = Gathered::default();
    while !missing.is_empty()
        && let Ok(Some(part)) = timeout_at(deadline, asking.parts.recv()).await
    {
        if let Some(from) = gathered.take(part) {
            missing.remove(&from);
        }
    }
    Answers { texts: gathered.whole, missing: missing.len() }
}

/// Answers as far as they have come.
#[derive(Debug, Default)]
struct Gathered {
    whole: Vec<Vec<u8>>,
    bytes: usize,
    done: HashSet<u64>,
    begun: HashMap<u64, Vec<Option<Vec<u8>>>>,
}

impl Gathered {
    /// Who has answered, if this was the last part.
    fn take(&mut self, Part { from, part, parts, text }: Part) -> Option<u64> {
        self.bytes = self.bytes.saturating_add(text.len());
        if part >= parts || parts > MAX_PARTS || self.bytes > MAX_BYTES || self.done.contains(&from) {
            return None;
        }
        let begun = self.begun.entry(from).or_insert_with(|| vec![None; parts.into()]);
        *begun.get_mut(usize::from(part))? = Some(text);
        if begun.iter().any(Option::is_none) {
            return None;
        }
        self.whole.push(self.begun.remove(&from)?.into_iter().flatten().flatten().collect());
        self.done.insert(from);
        Some(from)
    }
}

/// Sends the answer to the question `id` of `to` when there is one, unless too many are waited for already.
pub(super) fn answer_later(shared: &Arc<Shared>, to: u64, id: u64, reply: oneshot::Receiver<Vec<u8>>) {
    let Ok(permit) = shared.asks.answering.clone().try_acquire_owned() else { return };
    let shared: Weak<Shared> = Arc::downgrade(shared);
    tokio::spawn(async move {
        let text = timeout(ANSWERED_WITHIN, reply).await;
        if let (Ok(Ok(text)), Some(shared)) = (text, shared.upgrade()) {
            answer(&shared, to, id, &text);
        }
        drop(permit);
    });
}

fn answer(shared: &Shared, to: u64, id: u64, text: &[u8]) {
    let size = shared.part_bytes();
    let parts = text.len().div_ceil(size).max(1);
    let Some(parts) = u16::try_from(parts).ok().filter(|parts| *parts <= MAX_PARTS) else {
        tracing::warn!(bytes = text.len(), "an answer to another instance is too long and not sent");
        return;
    };
    for part in 0..parts {
        let from = usize::from(part) * size;
        let text = &text[from..text.len().min(from + size)];
        if !shared.say(&Said::Answer { to, id, part, parts, text }) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_parts_is_put_together_in_whatever_order_they_come() {
        let mut gathered = Gathered::default();
        let mut take = |from, part, parts, text: &str| gathered.take(Part { from, part, parts, text: text.into() });
        assert_eq!(take(1, 1, 2, "b"), None);
        assert_eq!(take(2, 0, 1, "whole"), Some(2));
        assert_eq!(take(2, 0, 1, "again"), None);
        assert_eq!(take(3, 2, 2, "beyond"), None);
        assert_eq!(take(4, 0, u16::MAX, "too many"), None);
        assert_eq!(take(1, 1, 2, "b"), None);
        assert_eq!(take(1, 0, 2, "a"), Some(1));
        assert_eq!(gathered.whole, [b"whole".to_vec(), b"ab".to_vec()]);
    }
}
